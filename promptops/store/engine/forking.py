"""Keeps threads out of SQLite at the moment a process forks.

SQLite has its own locks. A fork copies them as they are, and the child would never release one that another thread of
the parent held: https://www.sqlite.org/howtocorrupt.html, section 2.6. So a thread that works with a database, inside a
program that may fork, registers here, and a fork waits for it, but not for long. A program that forks in C does not
wait; its child still starts with no thread registered.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PATIENCE: Final = 1.0
"""Seconds that a fork waits at most: a registered thread may itself wait for a database that does not answer."""


class _Room:
    """The registered threads of one process."""

    def __init__(self, inside: int = 0) -> None:
        self.free = threading.Condition(threading.Lock())
        self.inside = inside
        self.forking = False


_rooms: dict[int, _Room] = {}
_own = threading.local()


def _room() -> _Room:
    """Returns the room of this process. A child has its own: its parent's may be locked by a thread that it lacks."""
    process = os.getpid()
    return _rooms.get(process) or _rooms.setdefault(process, _Room())


@contextmanager
def no_fork() -> Iterator[None]:
    """Put off forks while this runs; waits for one that is on its way. May be nested."""
    depth = getattr(_own, "depth", 0)
    if not depth:
        room = _room()
        with room.free:
            room.free.wait_for(lambda: not room.forking)
            room.inside += 1
    _own.depth = depth + 1
    try:
        yield
    finally:
        _own.depth = depth
        if not depth:
            room = _room()
            with room.free:
                room.inside = max(0, room.inside - 1)  # a child begins at 0, and may leave a block of its parent
                room.free.notify_all()


def _before() -> None:
    # The lock is held until the fork is over, so that no thread registers meanwhile. The forking thread may itself be
    # registered, and must not wait for itself.
    room, own = _room(), int(getattr(_own, "depth", 0) > 0)
    room.free.acquire()
    room.forking = True
    room.free.wait_for(lambda: room.inside <= own, _PATIENCE)


def _in_parent() -> None:
    room = _room()
    room.forking = False
    room.free.notify_all()
    room.free.release()


def _in_child() -> None:
    _rooms.clear()
    _rooms[os.getpid()] = _Room(inside=int(getattr(_own, "depth", 0) > 0))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
