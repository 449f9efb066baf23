"""Waits until the registry may have changed, by this process or another one. One thread blocks here for all readers.

SQLite: ``PRAGMA data_version`` on a connection of its own, every 20 ms
(https://www.sqlite.org/pragma.html#pragma_data_version). PostgreSQL: every fact is written with a NOTIFY in its own
transaction, and a separate connection listens (:mod:`promptops.store.engine.listening`), or polls if a pooler keeps
notifications back. Notifications are lost while a connection is lost, so a new connection counts as a change. The rule
for all: a change after the last answer of :meth:`Watch.wait` is never missed; a needless True is possible, and costs
the caller one look.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from promptops.core.backoff import backoff
from promptops.store.engine.database import Place, address
from promptops.store.engine.forking import no_fork
from promptops.store.engine.listening import Way

if TYPE_CHECKING:
    from sqlalchemy import Dialect

# Seconds between two looks at an SQLite file. This is most of the time until clients see a change.
_INTERVAL = 0.02
# Seconds between two checks that the path still names the same file. Replacing it is rare, so one a second is enough.
_LOOK_AT_FILE = 1.0
# Seconds for one try to connect: a database that is only busy answers by then.
_CONNECT_SECONDS = 5.0
# Seconds that each try gets even when the caller's time is nearly over; with less, a slow database is never reached.
_SHORTEST_TRY = 1.0
# Seconds between two tries during an outage, so that the first change after it is seen within about a second.
_LONGEST_PAUSE = 1.0


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
        """Block up to so many seconds; True as soon as something may have changed, also after an outage.

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
                    self._closed.wait(min(left, backoff(failures, first=_INTERVAL, longest=_LONGEST_PAUSE)))
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
        return Watch(_File(place, replaced))
    from promptops.store.engine.listening import Listener

    return Watch(Listener(place, dialect))


class _File:
    """An SQLite file."""

    way = Way.FILE

    def __init__(self, place: Place, replaced: Callable[[], None]) -> None:
        assert place.path is not None
        self._path = place.path
        self._replaced = replaced
        self._woken = threading.Event()
        self._connection: sqlite3.Connection | None = None
        self._version = 0
        self._file: tuple[int, int] | None = None
        self._look_at = 0.0

    def connect(self, seconds: float) -> bool:
        with no_fork():
            return self._connect(seconds)

    def _connect(self, seconds: float) -> bool:
        self._drop()
        try:
            identity = self._identity()
        except OSError:
            if self._file is not None:
                self._replaced()  # otherwise open connections would write to a file that no path names
            return False
        try:
            self._connection = sqlite3.connect(
                address(self._path), uri=True, timeout=seconds, isolation_level=None, check_same_thread=False
            )
            self._version = self._data_version()
        except (OSError, sqlite3.Error):
            self._drop()
            return False
        if self._file is not None and identity != self._file:
            self._replaced()
        self._file, self._look_at = identity, time.monotonic() + _LOOK_AT_FILE
        return True

    def changed(self, seconds: float) -> bool | None:
        until = time.monotonic() + seconds
        while True:
            try:
                now = time.monotonic()
                if now >= self._look_at:
                    self._look_at = now + _LOOK_AT_FILE
                    if self._identity() != self._file:
                        return None  # moved away, or another file in its place: connecting again finds out
                version = self._data_version()
            except (OSError, sqlite3.Error):
                return None
            if version != self._version:
                self._version = version
                return True
            if (left := until - time.monotonic()) <= 0 or self._woken.wait(min(_INTERVAL, left)):
                return False

    def wake(self) -> None:
        self._woken.set()

    def close(self) -> None:
        self._drop()

    def _identity(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def _data_version(self) -> int:
        assert self._connection is not None
        with no_fork():
            # All rows are fetched: with one unread, the connection would stay inside a transaction.
            return int(self._connection.execute("PRAGMA data_version").fetchall()[0][0])

    def _drop(self) -> None:
        if self._connection is not None:
            with no_fork():
                self._connection.close()
            self._connection = None
