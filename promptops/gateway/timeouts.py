"""How long a request may take, whatever the network does, and when it is tried again."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from promptops.core.backoff import backoff

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 2.0

T = TypeVar("T")


class Patience:
    """The one deadline of a request, in so many seconds, and how long to wait before the next try."""

    def __init__(self, seconds: float) -> None:
        self._begun = time.monotonic()
        self._until = self._begun + seconds
        self._tries = 0

    def left(self) -> float:
        """Seconds until the deadline."""
        return self._until - time.monotonic()

    def wait(self, *, at_least: float = 0.0, within: float | None = None) -> bool:
        """Sleep before the next try; False where there is no time for one, or none ``within`` so many seconds."""
        self._tries += 1
        pause = max(at_least, backoff(self._tries, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE, least=0.5))
        now = time.monotonic()
        if now + pause >= self._until or (within is not None and now + pause - self._begun >= within):
            return False
        time.sleep(pause)
        return True


def within(seconds: float, work: Callable[[], T]) -> T:
    """What ``work`` answers, or raises, within this time, whatever the network does: resolving a name, for one, has no
    limit of its own. Work that is late is left behind, and ends by its own limits.

    Raises:
        TimeoutError
    """
    results: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            results.put((work(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised below, where somebody waits for it
            results.put((None, error))

    Thread(target=run, daemon=True, name="promptops-request").start()
    try:
        result, error = results.get(timeout=max(seconds, 0.001))
    except Empty:
        raise TimeoutError("it took too long") from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # work's own, or there would be an error
