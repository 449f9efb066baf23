"""Every point between two effects of a running operation, found from outside: the product carries no hook for it.

Python tells a profile function of each call it makes, in C or in Python. The calls with effects (a statement, a commit,
a write, a rename, a sync, a process started or waited for) are two points each: before it and after it. Who waits for
a process asks again and again whether it has ended; that is one wait, however often it asks. At the point that was
asked for, the process kills itself and its group, as the kernel would: with SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FrameType

_IN_C = {
    "posix": {
        "chmod",
        "copy_file_range",
        "fdatasync",
        "fsync",
        "ftruncate",
        "link",
        "mkdir",
        "remove",
        "rename",
        "replace",
        "rmdir",
        "sendfile",
        "symlink",
        "truncate",
        "unlink",
        "waitpid",
        "write",
    },
    "fcntl": {"flock", "lockf"},
    "_posixsubprocess": {"fork_exec"},
    "BufferedWriter": {"write", "flush"},
    "TextIOWrapper": {"write", "flush"},
    "FileIO": {"write"},
    "sqlite3.Connection": {"execute", "executemany", "executescript", "commit", "rollback", "close", "backup"},
    "sqlite3.Cursor": {"execute", "executemany", "executescript"},
}
_IN_PYTHON = {
    ("psycopg/cursor.py", "Cursor.execute"),
    ("psycopg/cursor.py", "Cursor.executemany"),
    ("psycopg/connection.py", "Connection.commit"),
    ("psycopg/connection.py", "Connection.rollback"),
    ("psycopg/connection.py", "Connection.connect"),
    ("psycopg/_connection_base.py", "BaseConnection.close"),
    ("psycopg/connection.py", "Connection.close"),
}

_WAIT, _ONCE = "posix.waitpid", 2  # before and after
_CALLED = frozenset(name for names in _IN_C.values() for name in names)

Seen = Callable[[str], None]


def watch(seen: Seen) -> None:
    """From now on, tell of every point this process passes, in any thread."""
    known: dict[CodeType, str] = {}
    inside = threading.local()

    def tell(label: str) -> None:
        waited = inside.waited = getattr(inside, "waited", 0) + 1 if label.endswith(_WAIT) else 0
        if waited <= _ONCE and not getattr(inside, "telling", False):
            inside.telling = True
            try:
                seen(label)
            finally:
                inside.telling = False

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event in ("c_call", "c_return", "c_exception"):
            name = _builtin(argument)
        else:
            code = frame.f_code
            if code not in known:
                known[code] = _function(code)
            name = known[code]
        if name:
            tell(f"{'before' if event.endswith('call') else 'after'} {name}")

    threading.setprofile(profile)
    sys.setprofile(profile)


def unwatch() -> None:
    """Tell of nothing any more in this thread."""
    sys.setprofile(None)


def kill_at(point: int) -> Seen:
    """Something to watch with: it kills this process's group at the n-th point."""
    passed = 0

    def seen(_label: str) -> None:
        nonlocal passed
        passed += 1
        if passed == point:
            os.kill(0, signal.SIGKILL)

    return seen


def _builtin(function: object) -> str:
    if not isinstance(function, BuiltinFunctionType) or function.__name__ not in _CALLED:
        return ""
    owner = function.__self__
    kind = type(owner)
    if kind.__module__ == "sqlite3":
        place = f"sqlite3.{kind.__name__}"
    else:
        place = getattr(owner, "__name__", "") if kind.__name__ == "module" else kind.__name__
    return f"{place}.{function.__name__}" if function.__name__ in _IN_C.get(place, ()) else ""


def _function(code: CodeType) -> str:
    path = Path(code.co_filename)
    place = f"{path.parent.name}/{path.name}"
    return f"{path.parent.name} {code.co_qualname}" if (place, code.co_qualname) in _IN_PYTHON else ""
