"""One application under load: it asks for its prompt all the time, and counts the calls that failed.

Started with the server's address and a poll interval, it says when it follows, goes on until its standard input ends,
and then prints how many calls it made, how many failed, and when it first served each revision.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from promptops import Client
from promptops.client.status import Change

_PAUSE = 0.001


def main(url: str, poll: float) -> None:
    """Ask until told to stop."""
    seen: dict[int, float] = {}
    failures: list[str] = []
    stop = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(stop,), daemon=True).start()

    def note(change: Change) -> None:
        if change.app == "bot":
            seen[change.revision] = time.monotonic()

    calls = 0
    with Client(url, channel="prod", poll=poll, cache_dir=False, start_timeout=20.0, on_change=note) as client:
        print("following", flush=True)
        while not stop.is_set():
            calls += 1
            try:
                if client.get_prompt("bot/answer").render(name="Ada")[0]["role"] != "user":
                    failures.append("a message of nobody")
            except Exception as error:  # noqa: BLE001 - whatever it is, the application would have failed
                failures.append(repr(error))
            time.sleep(_PAUSE)
    print(json.dumps({"calls": calls, "failures": failures[:20], "failed": len(failures), "seen": seen}), flush=True)


def _wait_for_the_end(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
