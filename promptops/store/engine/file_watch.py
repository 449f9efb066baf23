"""Waits for changes of an SQLite file, by this process or another one of this machine.

``PRAGMA data_version`` on a connection of its own changes with every commit of another connection
(https://www.sqlite.org/pragma.html#pragma_data_version). Asking is cheap, but asking 50 times a second costs 1 % of a
core even when nothing happens. So the kernel notifies of writes to the file or its log (inotify), and the file is asked
after a write, and once a second in any case. Where no notifications come (no inotify, a file system that another
machine writes to), the file is asked every 20 ms.

A notified write is not a commit yet: SQLite still waits for the disk, and nothing notifies of the end of that wait. So
the file is asked repeatedly for a while after each write, at first every millisecond and then less often.
"""

from __future__ import annotations

import os
import selectors
import socket
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from promptops.store.engine.database import Place, address
from promptops.store.engine.forking import no_fork
from promptops.store.engine.listening import Way
from promptops.store.engine.mounts import is_local

if TYPE_CHECKING:
    from inotify_simple import INotify

INTERVAL: Final = 0.02
"""Seconds between two looks where no notification comes: this is most of the time until clients see a change."""
# Seconds between two looks without a notified write. It bounds how late a change is seen whose commit takes longer than
# _SETTLING, and how long a file that was moved away is still read.
_LOOK_ANYWAY = 1.0
# Seconds after a write in which its commit is expected. Disks take milliseconds, and a busy one a second.
_SETTLING = 2.0
# A look follows after this share of the time since the write, so a commit is seen late by at most a quarter of the time
# that it took, with few looks.
_SHARE = 0.25
# Seconds: right after a write the share of no time would be a busy loop, and so would each of many writes in a row.
_SHORTEST_PAUSE = 0.001


class Notifier(Protocol):
    """Says that files were written to."""

    def fileno(self) -> int:
        """Readable when a file was written to."""

    def arm(self) -> None:
        """Notify of writes from now on, also where a file was replaced by another one since.

        Raises:
            OSError: the kernel cannot.
        """

    def take(self) -> bool:
        """Whether there were notifications since the last call."""

    def close(self) -> None:
        """Release what it holds."""


class Inotify:
    """The notifications of Linux for a database and its log."""

    def __init__(self, path: Path) -> None:
        from inotify_simple import INotify, flags

        self._path = os.path.realpath(path)  # the log is beside the file that a link leads to
        self._mask = flags.MODIFY | flags.ATTRIB | flags.MOVE_SELF | flags.DELETE_SELF
        self._inotify: INotify = INotify(nonblocking=True)

    def fileno(self) -> int:
        return int(self._inotify.fileno())

    def arm(self) -> None:
        self._inotify.add_watch(self._path, self._mask)
        with suppress(FileNotFoundError):  # there is no log in other journal modes
            self._inotify.add_watch(f"{self._path}-wal", self._mask)

    def take(self) -> bool:
        return bool(self._inotify.read(timeout=0))

    def close(self) -> None:
        self._inotify.close()


def notifier(path: Path, *, is_local: Callable[[Path], bool] = is_local) -> Notifier | None:
    """The notifications of writes to this file, or None where they would not come."""
    if sys.platform != "linux" or not is_local(path):
        return None
    try:
        return Inotify(path)
    except (ImportError, OSError):  # no such package; too many watchers for this user
        return None


class FileWatch:
    """An SQLite file as a source of :class:`promptops.store.engine.watching.Watch`.

    ``replaced`` is called when the file became another file, or is gone. A commit that comes ``trust`` seconds or more
    after the last notified write shows that writes are not notified here, because no commit takes so long.
    """

    way = Way.FILE

    def __init__(
        self,
        place: Place,
        replaced: Callable[[], None],
        *,
        notifier: Callable[[Path], Notifier | None] = notifier,
        trust: float = 10.0,
    ) -> None:
        assert place.path is not None
        self._path = place.path
        self._replaced = replaced
        self._make_notifier = notifier
        self._trust = trust
        self._notifier: Notifier | None = None
        self._connection: sqlite3.Connection | None = None
        self._version = 0
        self._file: tuple[int, int] | None = None
        self._look_at = 0.0
        self._written_at = 0.0
        self._ear, self._bell = socket.socketpair()
        self._bell_only = selectors.DefaultSelector()
        self._bell_only.register(self._ear, selectors.EVENT_READ)
        self._bell_or_write = selectors.DefaultSelector()
        self._bell_or_write.register(self._ear, selectors.EVENT_READ)

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
            self._data_version()  # opens the log, which may be new
            self._listen()
            self._version = self._data_version()  # after the notifications began, so none is missed in between
        except (OSError, sqlite3.Error):
            self._drop()
            return False
        if self._file is not None and identity != self._file:
            self._replaced()
        self._file, self._look_at = identity, time.monotonic() + _LOOK_ANYWAY
        return True

    def changed(self, seconds: float) -> bool | None:
        until = time.monotonic() + seconds
        while True:
            now = time.monotonic()
            try:
                if now >= self._look_at:
                    self._look_at = now + _LOOK_ANYWAY
                    if self._identity() != self._file:
                        return None  # moved away, or another file in its place: connecting again finds out
                    if self._notifier is not None:
                        self._notifier.arm()
                if self._moved(now):
                    return True
            except (OSError, sqlite3.Error):
                return None
            if (left := until - time.monotonic()) <= 0 or self._rest(min(left, self._pause(now)), now):
                return False

    def wake(self) -> None:
        self._bell.send(b"!")

    def close(self) -> None:
        self._drop()
        for part in (self._bell_only, self._bell_or_write, self._ear, self._bell):
            part.close()

    def _moved(self, now: float) -> bool:
        """Whether a transaction was committed since the last look."""
        if self._notifier is not None and self._notifier.take():
            self._written_at = now
        version = self._data_version()
        if version == self._version:
            return False
        self._version = version
        if self._notifier is not None and now - self._written_at >= self._trust and not self._notifier.take():
            self._ignore_notifier()
        return True

    def _pause(self, now: float) -> float:
        """Seconds until the next look."""
        if self._notifier is None:
            return INTERVAL
        if self._is_settling(now):
            return min(max(_SHORTEST_PAUSE, (now - self._written_at) * _SHARE), INTERVAL)
        return max(0.0, self._look_at - now)

    def _is_settling(self, now: float) -> bool:
        return now - self._written_at < _SETTLING

    def _rest(self, seconds: float, now: float) -> bool:
        """Wait so long, or for a write; True if :meth:`wake` was called. Just after a write, wait a moment anyway."""
        if self._is_settling(now):
            moment = min(seconds, _SHORTEST_PAUSE)
            if self._bell_only.select(moment):
                return True
            seconds -= moment
        return any(key.fileobj is self._ear for key, _ in self._bell_or_write.select(max(0.0, seconds)))

    def _identity(self) -> tuple[int, int]:
        status = self._path.stat()
        return status.st_dev, status.st_ino

    def _data_version(self) -> int:
        assert self._connection is not None
        with no_fork():
            # All rows are fetched: with one unread, the connection would stay inside a transaction.
            return int(self._connection.execute("PRAGMA data_version").fetchall()[0][0])

    def _listen(self) -> None:
        """Begin to be notified, if that is possible."""
        notifier = self._make_notifier(self._path)
        if notifier is None:
            return
        try:
            notifier.arm()
        except OSError:  # this user watches too many files already
            notifier.close()
            return
        self._notifier, self._written_at = notifier, time.monotonic()
        self._bell_or_write.register(notifier, selectors.EVENT_READ)

    def _ignore_notifier(self) -> None:
        """Ask the file every 20 ms from now on."""
        if self._notifier is not None:
            self._bell_or_write.unregister(self._notifier)
            self._notifier.close()
            self._notifier = None

    def _drop(self) -> None:
        self._ignore_notifier()
        if self._connection is not None:
            with no_fork():
                self._connection.close()
            self._connection = None
