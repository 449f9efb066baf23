"""Writes a few objects as git does: a file each, which is on the disk before it has its name.

A git that does it takes four times as long: it has to start, unpacks what was packed for it, and waits for the disk
file by file. Format: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects#_object_storage
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from promptops.files import name_together
from promptops.source.git.pack import RawObject

_FLAGS = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def write(folder: Path, objects: Iterable[RawObject]) -> None:
    """Writes those objects that are not there yet into a repository's folder of objects.

    Raises:
        OSError: one of them could not be written, or not be brought to the disk. Others may be there; that is harmless.
    """
    parts: dict[Path, Path] = {}
    try:
        for sha, item in {item.sha: item for item in objects}.items():
            path = folder / sha[:2] / sha[2:]
            if not _is_there(path):
                part = path.with_name(f"tmp_obj_{os.urandom(8).hex()}")  # git removes old files of this name
                parts[part] = path
                _fill(part, item)
        name_together(parts)
    except BaseException:
        for part in parts:
            with suppress(OSError):
                part.unlink()
        raise


def _is_there(path: Path) -> bool:
    """True if there is such an object. It is made as new as one that is written now, so that no clean-up removes it."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _fill(part: Path, item: RawObject) -> None:
    with suppress(FileExistsError):
        part.parent.mkdir()
    with os.fdopen(os.open(part, _FLAGS, 0o444), "wb") as file:
        file.write(zlib.compress(f"{item.kind} {len(item.data)}\0".encode() + item.data, 1))
