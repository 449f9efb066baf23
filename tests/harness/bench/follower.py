"""One application process: it says when it first serves each revision, by the clock that all processes share."""

from __future__ import annotations

import sys
import threading
import time

from promptops import Client
from promptops.client.status import Change


def _say(change: Change) -> None:
    sys.stdout.write(f"{change.revision} {time.monotonic()}\n")
    sys.stdout.flush()


def main() -> None:
    """Follow `prod` until the process is ended; a line says when it is connected."""
    # Twenty of them start at once: what a start may take is not what is measured here.
    with Client(channel="prod", cache_dir=False, start_timeout=20.0, timeout=20.0, on_change=_say) as client:
        client.get_prompt("bot/answer")
        while not client.status().streaming:
            time.sleep(0.01)
        sys.stdout.write("connected\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
