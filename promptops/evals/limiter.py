"""How fast a provider is asked: at most so many requests a minute, and not at all while it wants a pause.

One limiter a provider, shared by all workers. Waiting ends at once where the run stops.
"""

from __future__ import annotations

import time
from threading import Event, Lock


class Limiter:
    """Gives each request its turn."""

    def __init__(self, rpm: float | None = None) -> None:
        """``rpm`` is how many requests a minute are sent at most; None for no limit."""
        self._step = 60.0 / rpm if rpm else 0.0
        self._next = 0.0
        self._lock = Lock()

    def wait(self, stopping: Event, until: float) -> bool:
        """Sleeps until it is this request's turn. Returns False if the run stops, or the turn is after ``until``."""
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next)
            if at > until:
                return False
            self._next = at + self._step
        return not stopping.is_set() if at <= now else not stopping.wait(at - now)

    def pause(self, seconds: float) -> None:
        """Sends nothing for this long: the provider said that it gets too many requests."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)
