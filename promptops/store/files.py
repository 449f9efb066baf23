"""Files that get their name when they are finished: after a power cut they are there whole, or not at all."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptops.core.errors import Conflict, RegistryUnavailable


def refuse_existing(*paths: Path) -> None:
    """Raise :class:`Conflict` where one of these is there already."""
    for path in paths:
        if path.exists() or path.is_symlink():
            raise Conflict(f"{path} exists already", hint="It is not overwritten: name another, or move it away.")


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A temporary folder beside the target, on the same disk; it is deleted with what is left in it."""
    with tempfile.TemporaryDirectory(prefix=".promptops-", dir=folder) as name:
        yield Path(name)


def put(part: Path, target: Path) -> None:
    """Give a finished file its name, so that after a power cut it is there whole or not at all."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(part, target)  # unlike a rename, it never overwrites what appeared meanwhile
    except FileExistsError:
        raise Conflict(f"{target} exists already", hint="It is not overwritten: name another.") from None
    except OSError:  # a file system without hard links
        refuse_existing(target)
        part.replace(target)
    if os.name == "posix":
        with taken_back(target):
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@contextmanager
def taken_back(target: Path) -> Iterator[None]:
    """Delete the target after an error, so that the same command can be repeated."""
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise


@contextmanager
def saying(what: str) -> Iterator[None]:
    """Raise errors of the disk as errors of the registry."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise RegistryUnavailable(f"{what}: {error}") from error
