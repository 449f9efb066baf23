"""One application process: it says when it first serves each revision, by the clock that all processes share."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from promptops import Client
from promptops.client.prompt import Variant
from promptops.client.status import Change

_NAME = "bot/answer"
_KEYS = 20
"""Keys that it looks up after each change: of a canary at 50 % has one of them, but for one salt in a million."""


def follow(address: str, out: Any) -> None:
    """Follow `prod` of this address until the process is ended, and say it in the file that was handed over.

    A line says when it is connected; then there is one for each revision: its number, the moment, and how many keys
    have a canary.
    """
    with os.fdopen(out.detach(), "w", encoding="utf-8", buffering=1) as words:
        started: list[Client] = []

        def say(change: Change) -> None:
            moment = time.monotonic()
            found = [client.get_prompt(_NAME, key=f"user-{number}") for client in started for number in range(_KEYS)]
            words.write(f"{change.revision} {moment} {sum(each.variant is Variant.CANARY for each in found)}\n")

        # Fifty of them start at once: what a start may take is not what is measured here.
        with Client(
            address, channel="prod", cache_dir=False, start_timeout=60.0, timeout=20.0, on_change=say
        ) as client:
            client.get_prompt(_NAME)
            started.append(client)
            while not client.status().streaming:
                time.sleep(0.01)
            words.write("connected\n")
            threading.Event().wait()
