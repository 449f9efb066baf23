"""Reads a regular file up to a limit: a pipe or a device in its place would block for ever.

The cache and override files are trusted because they are on this machine, so they are read only if no other user
could have written them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

from promptops.core.errors import Invalid

_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class Unsafe(OSError):
    """A file or folder that another user could have put there, or something that is neither."""


def read_regular(
    path: Path, limit: int, *, require: Callable[[os.stat_result], None] | None = None, links: bool = True
) -> bytes:
    """Returns the file's bytes if ``require`` accepts the opened file. Links are followed unless ``links`` is False.

    Raises:
        OSError: it cannot be read.
        Unsafe: it is not a regular file, or ``require`` refused it.
        Invalid: it is over ``limit`` bytes.
    """
    handle = os.open(path, _FLAGS | (0 if links else _NO_LINK))
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise Unsafe("it is not a regular file")
        if require is not None:
            require(about)
        data = b""
        if about.st_size <= limit:  # a sparse file of any size costs its owner nothing
            with os.fdopen(handle, "rb", closefd=False) as file:
                data = file.read(limit + 1)
        if max(about.st_size, len(data)) > limit:
            raise Invalid(f"it is over {limit:,} bytes")
    finally:
        os.close(handle)
    return data


def read_trusted(path: Path, limit: int) -> bytes:
    """Returns the bytes of a file that only this user or root can have put there, in a folder with the same owner.

    Links are followed, because volumes of containers are made of them; both ends are checked.

    Raises:
        OSError: it cannot be read.
        Unsafe: another user could have written it; the message says what to do.
        Invalid: it is over ``limit`` bytes.
    """
    real = Path(os.path.realpath(path))
    for folder in dict.fromkeys((Path(os.path.realpath(path.parent)), real.parent)):
        if not _is_read_only(folder):
            require_ours(os.stat(folder), folder=True, or_root=True)
    return read_regular(real, limit, require=partial(require_ours, or_root=True), links=False)


def require_ours(about: os.stat_result, *, folder: bool = False, or_root: bool = False) -> None:
    """Check that a regular file, or a folder, belongs to this user (or root), and that no other user can write it.

    Raises:
        Unsafe: it does not; the message says what to do.
    """
    what = "folder" if folder else "file"
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(about.st_mode):
        raise Unsafe("it is not a folder" if folder else "it is not a regular file")
    if not hasattr(os, "geteuid"):
        return
    if about.st_uid not in ((0, os.geteuid()) if or_root else (os.geteuid(),)):
        wanted = f"this user, {os.geteuid()}{', or to root' if or_root else ''}"
        raise Unsafe(f"the {what} belongs to user {about.st_uid}, and must belong to {wanted} (chown)")
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Unsafe(f"others may write the {what}: its mode is {stat.S_IMODE(about.st_mode):o} (chmod go-w)")


def _is_read_only(folder: Path) -> bool:
    """Returns True on a file system mounted for reading only, as volumes of containers are: their folders are 0777."""
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
