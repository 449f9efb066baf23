"""Waits until the registry may have changed, by this process or another one. One thread blocks here for all readers.

SQLite: the kernel notifies of writes to the file (:mod:`promptops.store.engine.file_watch`). PostgreSQL: every fact is
written with a NOTIFY in its own transaction, and a separate connection listens
(:mod:`promptops.store.engine.listening`), or polls if a pooler keeps notifications back. Notifications are lost while a
connection is lost, so a new connection counts as a change. The rule for all: a change after the last answer of
:meth:`Watch.wait` is never missed; a needless True is possible, and costs the caller one look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from promptops.core.backoff import backoff
from promptops.store.engine.database import Place
from promptops.store.engine.listening import Way

if TYPE_CHECKING:
    from sqlalchemy import Dialect

# Seconds for one try to connect: a database that is only busy answers by then.
_CONNECT_SECONDS = 5.0
# Seconds that each try gets even when the caller's time is nearly over; with less, a slow database is never reached.
_SHORTEST_TRY = 1.0
# Seconds before the second try during an outage, and the most between two later ones: the first change after an outage
# is seen within about a second.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0


class Watch:
    """Waits for changes of one registry. One thread waits; any may close it."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        # wait() holds _waiting while it uses the source. close() first wakes that thread, and takes _waiting only then:
        # so no thread reads from a closed source. _closing makes the wake-up happen once.
        self._waiting = threading.Lock()
        self._closing = threading.Lock()
        self._closed = threading.Event()
        self._connected = source.connect(_CONNECT_SECONDS)

    @property
    def connected(self) -> bool:
        """False while the database is out of reach; the next waits try to reach it again."""
        return self._connected

    @property
    def way(self) -> Way:
        """How changes are seen. It may become another one when the database was out of reach."""
        return self._source.way

    def wait(self, seconds: float) -> bool:
        """Block up to ``seconds``; returns True as soon as something may have changed, also after an outage.

        Never raises for a database that is out of reach; trying to reach it may take a second more. Answers False at
        once after :meth:`close`.
        """
        until = time.monotonic() + seconds
        failures = 0
        with self._waiting:
            while not self._closed.is_set():
                left = max(0.0, until - time.monotonic())
                if self._connected:
                    changed = self._source.changed(left)
                    if changed is not None:
                        return changed and not self._closed.is_set()
                    self._connected = False
                elif self._source.connect(min(_CONNECT_SECONDS, max(_SHORTEST_TRY, left))):
                    self._connected = True
                    return not self._closed.is_set()
                elif left <= 0:
                    return False
                else:
                    failures += 1
                    self._closed.wait(min(left, backoff(failures, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)))
            return False

    def close(self) -> None:
        """End a wait in another thread, then give the connection back. Closing twice is harmless."""
        with self._closing:
            if not self._closed.is_set():
                self._closed.set()
                self._source.wake()
        with self._waiting:
            self._source.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Source(Protocol):
    """One kind of database. Used by one thread at a time, but for :meth:`wake`."""

    @property
    def way(self) -> Way:
        """How changes are seen."""

    def connect(self, seconds: float) -> bool:
        """Connect anew within this time; False where that fails or :meth:`wake` was called."""

    def changed(self, seconds: float) -> bool | None:
        """Wait up to this long: True for a change, False for none or where woken, None where the connection is lost."""

    def wake(self) -> None:
        """End the current wait and every later one."""

    def close(self) -> None:
        """Release the connection."""


def watch(place: Place, dialect: Dialect, *, replaced: Callable[[], None]) -> Watch:
    """A watch of the registry there. ``replaced`` is called when an SQLite file became another file, or is gone."""
    if place.path is not None:
        from promptops.store.engine.file_watch import FileWatch

        return Watch(FileWatch(place, replaced))
    from promptops.store.engine.listening import Listener

    return Watch(Listener(place, dialect))
