"""Knows which processes write into a repository's refs, and removes the lock files that a killed git left.

Writers share a lock on one file in the git folder, and every git that they start inherits it, so the lock is held until
the last of those has ended, even if the writer itself was killed. A process that holds the lock alone knows that no git
of promptops is running: a ``*.lock`` file beside a ref of promptops is then left over. Lock files of refs that
promptops does not write are never touched.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from promptops.files import take_lock

_FILE = "promptops.lock"
_SHARED_SECONDS = 10.0
"""Seconds that a writer waits for a process with the lock alone; then it writes without the lock."""
SETTLED = 2.0
"""Seconds after which the lock file of a ref is left over, if no git of promptops runs: git holds one for milliseconds.
"""


class WriteLock:
    """The lock of a repository. ``handles`` are the file descriptors that a started git has to inherit."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self.handles: tuple[int, ...] = ()

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        """Write together with others. If no lock is possible (a read-only folder, Windows), write without one."""
        handle = self._open()
        try:
            if handle is not None:
                with contextlib.suppress(OSError):
                    if take_lock(handle, shared=True, seconds=_SHARED_SECONDS):
                        self.handles = (handle,)
            yield
        finally:
            self.handles = ()
            if handle is not None:
                os.close(handle)

    @contextlib.contextmanager
    def alone(self, seconds: float) -> Iterator[bool]:
        """Be the only writer; yields False if others still write after ``seconds``, or no lock is possible."""
        handle = self._open()
        try:
            yield handle is not None and _is_alone(handle, seconds)
        finally:
            if handle is not None:
                os.close(handle)

    def _open(self) -> int | None:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        except OSError:
            return None


def _is_alone(handle: int, seconds: float) -> bool:
    try:
        return take_lock(handle, seconds=seconds)
    except OSError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFile:
    """A ``*.lock`` of git: its path below the git folder, and how many seconds old it is."""

    path: str
    age: float


def lock_files(folder: Path, prefixes: tuple[str, ...], refs: tuple[str, ...] = ()) -> tuple[LockFile, ...]:
    """The lock files below these folders of refs, of these refs, and that of the packed ones."""
    paths = [path for prefix in prefixes for path in sorted((folder / prefix).rglob("*.lock"))]
    paths += [folder / f"{ref}.lock" for ref in refs]
    locks = []
    for path in dict.fromkeys([*paths, folder / "packed-refs.lock"]):
        with contextlib.suppress(OSError):
            age = max(0.0, time.time() - path.stat().st_mtime)
            locks.append(LockFile(path=path.relative_to(folder).as_posix(), age=age))
    return tuple(locks)


def remove_dead(folder: Path, prefixes: tuple[str, ...], refs: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Remove the lock files below these folders of refs, and of these refs, that a killed git left. The caller holds
    the lock alone.

    A file that is younger than :data:`SETTLED` gets that time first: another program's git may hold it.
    """
    removed = []
    for lock in lock_files(folder, prefixes, refs):
        if lock.path == "packed-refs.lock":
            continue
        time.sleep(max(0.0, SETTLED - lock.age))
        with contextlib.suppress(OSError):
            if time.time() - (folder / lock.path).stat().st_mtime >= SETTLED:
                (folder / lock.path).unlink()
                removed.append(lock.path)
    return tuple(removed)
