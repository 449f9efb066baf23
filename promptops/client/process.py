"""Detects, at every use of a client, a new process after a fork, and whether threads run in it.

Programs that fork in C, such as uWSGI, do not run Python's hooks after a fork: the parent's threads are missing in the
child. ``os.getpid()`` shows a fork, and takes as long as finding a prompt. So a client has a page of memory that Linux
empties in a forked child, which takes a tenth of that: ``MADV_WIPEONFORK`` of madvise(2), since 4.14.
"""

from __future__ import annotations

import functools
import mmap
import os
import sys
from typing import Any, Protocol

_WIPE_ON_FORK = 18  # MADV_WIPEONFORK of Linux, which mmap does not name
_NO_ADVICE = 0x7FFF  # no kernel knows it: one that accepts it ignores all advice, the one above too


class Mark(Protocol):
    """Its first item is true in the process that made it so, and false in every process that is forked from that."""

    def __getitem__(self, at: int, /) -> int: ...

    def __setitem__(self, at: int, value: int, /) -> None: ...


class ProcessMark:
    """A mark by the id of the process, for systems that cannot empty memory at a fork: as reliable, and slower."""

    def __init__(self) -> None:
        self._process = 0

    def __getitem__(self, at: int, /) -> int:
        return self._process == os.getpid()

    def __setitem__(self, at: int, value: int, /) -> None:
        self._process = os.getpid() if value else 0


def mark() -> Mark:
    """Returns a mark that is not set yet."""
    return _page() if _is_wiped() else ProcessMark()


def _page() -> mmap.mmap:
    page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    page.madvise(_WIPE_ON_FORK)
    return page


@functools.cache
def _is_wiped() -> bool:
    """Returns True if the system obeys the advice. Emulators accept any advice, and obey none."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        page = _page()
    except OSError:
        return False
    try:
        page.madvise(_NO_ADVICE)
    except OSError:
        return True
    return False


def lacking_threads() -> str:
    """Returns why no threads of ours run in this process, and what to do about it; empty if they do."""
    if is_loading():
        return "uWSGI loads the application in this process; its workers follow by themselves"
    # Only the module that uWSGI itself puts there has this number; anything else may be called so.
    if getattr(sys.modules.get("uwsgi"), "has_threads", 1) == 0:
        return "uWSGI runs no threads of Python in this process: set `enable-threads = true`"
    return ""


def changes_threads() -> bool:
    """Returns True if gevent is about to replace the threads, as it does in a forked worker of gunicorn."""
    monkey: Any = sys.modules.get("gevent.monkey")
    return monkey is not None and not monkey.is_module_patched("threading")


def is_loading() -> bool:
    """Returns True in a process of uWSGI that forks the workers, before and while it watches over them.

    A thread that waits for the interpreter while uWSGI forks leaves its lock broken, and the worker stands still.
    """
    uwsgi: Any = sys.modules.get("uwsgi")
    if uwsgi is None:
        return False
    try:
        return bool(uwsgi.worker_id() == 0 and uwsgi.masterpid() in (0, os.getpid()))
    except (AttributeError, TypeError):
        return False
