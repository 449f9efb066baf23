"""The bytes of a regular file, and never more than so many: a pipe or a device in its place would keep us for ever."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from promptops.core.errors import Invalid

_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


class Unsafe(OSError):
    """A file or folder that somebody else could have put there, or that is none."""


def read_regular(
    path: Path, limit: int, *, require: Callable[[os.stat_result], None] | None = None, links: bool = True
) -> bytes:
    """The file's bytes, once ``require`` had nothing against what was opened. Links are followed unless told otherwise.

    Raises:
        OSError: it cannot be read.
        Unsafe: it is not a regular file, or what ``require`` says.
        Invalid: it is over ``limit`` bytes.
    """
    handle = os.open(path, _FLAGS | (0 if links else _NO_LINK))
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            raise Unsafe("it is not a regular file")
        if require is not None:
            require(about)
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(handle)
    if len(data) > limit:
        raise Invalid(f"it is over {limit:,} bytes")
    return data
