"""The trees that prompt files are read from: a folder, or a commit (:mod:`promptops.source.git.repository`).

Paths are POSIX and relative to the tree's root. Only regular files are read. Symbolic links are not followed, neither
to files nor to folders, so that nothing outside the root can become part of a release. A file over the cap is not read
whole.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

MAX_FILE = 256 * 1024
"""Bytes of the largest file that is read: far above a prompt that a person writes, and harmless to hold in memory."""

SKIPPED = frozenset({".git", ".promptops", ".venv", "node_modules"})
"""Folders that never hold source."""


class Tree(Protocol):
    """A set of files at one moment."""

    def files(self, *under: str) -> Sequence[str]:
        """Returns the sorted paths of the regular files below any of these folders, by default below the root."""

    def others(self, *under: str) -> Sequence[str]:
        """Returns the sorted paths of all other entries: links, submodules, devices, names that are not UTF-8."""

    def prepare(self, paths: Sequence[str]) -> None:
        """Announces the files that will be read next, so that a tree can fetch them together."""

    def read(self, path: str, most: int = MAX_FILE) -> bytes:
        """Returns the file's bytes, at most ``most + 1``: that many mean that the file is too large.

        Raises:
            FileNotFoundError: there is no regular file of this path.
        """

    def size(self, path: str) -> int:
        """Returns the file's size in bytes. Raises like :meth:`read`."""


class WorkingTree:
    """The files of a folder as they are now."""

    def __init__(self, root: Path) -> None:
        self.root = Path(os.path.abspath(root))
        self._base = str(self.root)

    def files(self, *under: str) -> Sequence[str]:
        return self._walk(under)[0]

    def others(self, *under: str) -> Sequence[str]:
        return self._walk(under)[1]

    def prepare(self, paths: Sequence[str]) -> None:
        """Does nothing: reading a folder's files together is not faster."""

    def read(self, path: str, most: int = MAX_FILE) -> bytes:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            handle = os.open(f"{self._base}/{path}", flags)
        except OSError as error:
            raise FileNotFoundError(f"{path}: {error.strerror}") from error
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise FileNotFoundError(f"{path}: not a regular file")
            return _read(handle, most)
        finally:
            os.close(handle)

    def size(self, path: str) -> int:
        status = os.lstat(self.root / path)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(f"{path}: not a regular file")
        return status.st_size

    def _walk(self, under: Iterable[str]) -> tuple[list[str], list[str]]:
        files: list[str] = []
        others: list[str] = []
        for folder in outermost(under):
            if self._reachable(folder):
                _scan(f"{self._base}/{folder}" if folder else self._base, f"{folder}/" if folder else "", files, others)
        return sorted(files), sorted(others)

    def _reachable(self, folder: str) -> bool:
        """Returns False if a step of the path is a link, is not a folder, or leads out of the tree."""
        path = self._base
        for step in folder.split("/") if folder else ():
            path = f"{path}/{step}"
            if step in SKIPPED or step == ".." or not os.path.isdir(path) or os.path.islink(path):
                return False
        return True


def below(path: str, folder: str) -> bool:
    """Returns whether the path is the folder or lies in it. Every path lies in the root, ``""``."""
    return not folder or path == folder or path.startswith(folder + "/")


def outermost(under: Iterable[str]) -> list[str]:
    """Returns the folders without those that lie in another one; by default the root."""
    folders = set(under) or {""}
    return sorted(folder for folder in folders if folders.isdisjoint(outer(folder)))


def outer(path: str) -> Iterator[str]:
    """Yields every folder around a path, the nearest first, the root ``""`` last."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def _read(handle: int, most: int) -> bytes:
    data = os.read(handle, most + 1)
    if len(data) > most or not data:
        return data
    pieces = [data]
    length = len(data)
    while data := os.read(handle, most + 1 - length):
        pieces.append(data)
        length += len(data)
    return b"".join(pieces)


def _scan(folder: str, prefix: str, files: list[str], others: list[str]) -> None:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # deleted in the meantime, or not readable: it is reported as no source
        others.append(prefix.removesuffix("/"))
        return
    for entry in entries:
        name = entry.name
        if not name.isascii() and "\ufffd" in name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"):
            others.append(prefix + name.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        elif entry.is_file(follow_symlinks=False):
            files.append(prefix + name)
        elif not entry.is_dir(follow_symlinks=False):
            others.append(prefix + name)
        elif name not in SKIPPED:
            _scan(entry.path, f"{prefix}{name}/", files, others)
