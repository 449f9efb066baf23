"""Bounds the time of a request, even if the network hangs, and paces its tries."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from promptops.core.backoff import backoff

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0
"""Seconds between tries: the first is over before a person notices, the longest gives a restart a few tries."""

T = TypeVar("T")


class Deadline:
    """The deadline of a request, ``seconds`` from now, and the pauses between its tries."""

    def __init__(self, seconds: float) -> None:
        self._begun = time.monotonic()
        self._until = self._begun + seconds
        self._tries = 0

    def left(self) -> float:
        """Returns the seconds until the deadline."""
        return self._until - time.monotonic()

    def wait(self, *, at_least: float = 0.0, within: float | None = None) -> bool:
        """Sleep before the next try.

        Returns False without a sleep if it would be past the deadline, or past ``within``.
        """
        self._tries += 1
        pause = max(at_least, backoff(self._tries, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE, least=0.5))
        now = time.monotonic()
        if now + pause >= self._until or (within is not None and now + pause - self._begun >= within):
            return False
        time.sleep(pause)
        return True


def within(seconds: float, work: Callable[[], T]) -> T:
    """Returns or raises what ``work`` does, within this time: resolving a name, for one, has no limit of its own.

    Work that is late goes on in its thread and ends by its own limits.

    Raises:
        TimeoutError
    """
    results: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            results.put((work(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised below, in the thread of the caller
            results.put((None, error))

    Thread(target=run, daemon=True, name="promptops-request").start()
    try:
        result, error = results.get(timeout=max(seconds, 0.001))
    except Empty:
        raise TimeoutError("it took too long") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # work's own, or there would be an error
