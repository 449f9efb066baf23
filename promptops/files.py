"""Files that others read while they are written: replaced whole, named when they are finished, and locked.

The rule it keeps: a reader sees the old content or the new one, also after a power cut.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from promptops.core.errors import Conflict

_PRIVATE = 0o600  # for the owner alone
_LOCK_POLL = 0.02  # a turn takes milliseconds, and the kernel has no lock with a time limit
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)  # file systems, and folders that may not be read


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """``$XDG_CACHE_HOME/promptops`` or ``~/.cache/promptops``; None if the environment names no home."""
    return _folder("XDG_CACHE_HOME", ".cache", "LOCALAPPDATA", environment)


def config_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """``$XDG_CONFIG_HOME/promptops`` or ``~/.config/promptops``; None if the environment names no home."""
    return _folder("XDG_CONFIG_HOME", ".config", "APPDATA", environment)


def _folder(xdg: str, below_home: str, on_windows: str, environment: Mapping[str, str]) -> Path | None:
    for name, below in ((xdg, "promptops"), ("HOME", f"{below_home}/promptops"), (on_windows, "promptops")):
        place = environment.get(name, "")
        if os.path.isabs(place):
            return Path(place) / below
    return None


def replace_file(
    path: Path, data: bytes, *, mode: int = _PRIVATE, prefix: str = "", suffix: str = "", previous: Path | None = None
) -> None:
    """Write beside it, sync, rename, sync the folder. A killed writer leaves a file ``prefix….suffix``; the prefix is
    a dot and the file's name unless another is given. ``previous`` is the name that the old file gets.

    Raises:
        OSError: it cannot be written, or not be brought to the disk. Readers find the old file, or the new one whole.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix or f".{path.name}.", suffix=suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            if mode != _PRIVATE:
                os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None:
            os.replace(path, previous)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    sync_folder(path.parent)


def name_file(part: Path, target: Path) -> None:
    """Give a finished file its name, so that after a power cut it is there whole or not at all.

    Raises:
        Conflict: the name is taken; it is never overwritten. OSError: it cannot be brought to the disk.
    """
    with part.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(part, target)  # unlike a rename, it never overwrites what appeared meanwhile
    except FileExistsError:
        raise Conflict(f"{target} exists already", hint="It is not overwritten: name another.") from None
    except OSError:  # a file system without hard links
        refuse_existing(target)
        part.replace(target)
    with taken_back(target):
        sync_folder(target.parent)


def name_together(parts: Mapping[Path, Path]) -> None:
    """Give finished files their names, also names that are taken. All are on the disk before the first one has its
    name, which takes little longer than for one; the names are there with what is synced next.

    Raises:
        OSError: one of them cannot be brought to the disk, or not be named.
    """
    with contextlib.ExitStack() as files:
        handles = [files.enter_context(part.open("rb")).fileno() for part in parts]
        if sys.platform == "linux":
            for handle in handles:  # Linux begins to write, and brings its own journal to the disk once, not for each
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        for handle in handles:
            os.fsync(handle)
    for part, target in parts.items():
        os.replace(part, target)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can. Raises OSError if the disk fails."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows opens no folders
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def refuse_existing(*paths: Path) -> None:
    """Raise :class:`Conflict` where one of these is there already."""
    for path in paths:
        if path.exists() or path.is_symlink():
            raise Conflict(f"{path} exists already", hint="It is not overwritten: name another, or move it away.")


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A temporary folder beside the target, on the same disk; it is deleted with what is left in it."""
    with tempfile.TemporaryDirectory(prefix=".promptops-", dir=folder) as name:
        yield Path(name)


@contextlib.contextmanager
def taken_back(target: Path) -> Iterator[None]:
    """Delete the target after an error, so that the same command can be repeated."""
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def take_lock(handle: int, *, shared: bool = False, seconds: float | None = None) -> bool:
    """Lock an open file or folder, among processes and threads, until it is closed everywhere; a started or forked
    process holds it, too. Without ``seconds`` it waits for as long as others hold it. False on Windows, which has no
    such locks.

    Raises:
        TimeoutError: others still held it. OSError: the file system has no locks.
    """
    try:
        import fcntl
    except ImportError:
        return False
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    if seconds is None:
        fcntl.flock(handle, kind)
        return True
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > until:
                raise TimeoutError(f"others were writing it for {seconds:g} s") from None
            time.sleep(_LOCK_POLL)


def release_lock(handle: int) -> None:
    """Give a lock back also for a process that was forked meanwhile, which holds it, too."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_UN)


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Be the only one in here that takes this lock; it leaves no file behind. On Windows, not alone.

    Raises:
        OSError: the file system has no locks on folders.
    """
    if not hasattr(os, "O_DIRECTORY"):
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        take_lock(handle)
        yield
    finally:
        os.close(handle)
