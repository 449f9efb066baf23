"""Nobody is inside SQLite at the moment a process forks.

SQLite has locks of its own. A fork copies them as they are, and in the child nobody would ever give back one that
another thread of the parent held: https://www.sqlite.org/howtocorrupt.html, section 2.6. So whoever works with a
database in a thread of its own, inside a program that may fork, says so, and a fork waits for it, but not for long.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_PATIENCE: Final = 1.0
"""Seconds that a fork waits at most: somebody may wait for a database that does not answer."""

_free = threading.Condition(threading.Lock())
_inside = 0
_forking = False
_own = threading.local()


@contextmanager
def no_fork() -> Iterator[None]:
    """Put off forks while this runs; waits for one that is on its way. May be nested."""
    global _inside
    depth = getattr(_own, "depth", 0)
    if not depth:
        with _free:
            _free.wait_for(lambda: not _forking)
            _inside += 1
    _own.depth = depth + 1
    try:
        yield
    finally:
        _own.depth = depth
        if not depth:
            with _free:
                _inside = max(0, _inside - 1)  # a child begins at 0, whatever runs there
                _free.notify_all()


def _before() -> None:
    global _forking
    own = int(getattr(_own, "depth", 0) > 0)
    _free.acquire()
    _forking = True
    _free.wait_for(lambda: _inside <= own, _PATIENCE)


def _in_parent() -> None:
    global _forking
    _forking = False
    _free.notify_all()
    _free.release()


def _in_child() -> None:
    global _inside
    _inside = int(getattr(_own, "depth", 0) > 0)
    _in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
