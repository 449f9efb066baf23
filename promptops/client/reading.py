"""Files -> what was stored in them. Nothing raises: what is no good is told, and the next place is looked at.

Our own files are read only where nobody else could have written them. A bundle was baked into an image or mounted by
somebody else on purpose, so of it only the bytes have to be right.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from promptops.client.held import Rejected, Rejection
from promptops.client.stored import MAX_FILE, Problem, Stored, decode, decode_bundle
from promptops.core.digest import MAX_BYTES
from promptops.core.errors import Invalid
from promptops.wire.snapshot import MAX_BYTES as MAX_SNAPSHOT
from promptops.wire.snapshot import decode as decode_snapshot

_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was found, if anything, and what could not be used on the way to it. No file is no problem."""

    stored: Stored | None
    problems: tuple[Problem, ...] = ()


class Unsafe(OSError):
    """A file or folder that somebody else could have put there."""


def read_ours(path: Path) -> Reading:
    """One slot of the last-known-good."""
    try:
        require_ours(os.lstat(path.parent), folder=True)
        stored = decode(_bytes(path, MAX_FILE, ours=True))
        decode_snapshot(stored.snapshot)
    except FileNotFoundError:
        return Reading(stored=None)
    except (OSError, Rejected, Invalid, ValueError, MemoryError) as error:
        return _nothing(path, error)
    return Reading(stored=stored)


def read_bundle(path: Path, *, channel: str) -> Reading:
    """A bundle: the folder that ``promptops export-snapshot`` wrote, or one file of :mod:`promptops.client.stored`.

    A release that is not in the folder is left out; whether the rest can be served is found out when it is compiled.
    """
    try:
        if path.is_dir():
            return Reading(stored=_folder(path, channel))
        stored = decode_bundle(_bytes(path, MAX_FILE))
        decode_snapshot(stored.snapshot)
    except (OSError, Rejected, Invalid, ValueError, MemoryError) as error:
        return _nothing(path, error)
    return Reading(stored=stored)


def require_ours(about: os.stat_result, *, folder: bool = False) -> None:
    """Do nothing for a regular file, or a folder, that is ours and that only we can write.

    Raises:
        Unsafe: for anything else.
    """
    what = "folder" if folder else "regular file"
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(about.st_mode):
        raise Unsafe(f"it is not a {what}")
    if not hasattr(os, "geteuid"):
        return
    if about.st_uid != os.geteuid():
        raise Unsafe(f"the {what} belongs to user {about.st_uid}, and this is user {os.geteuid()}")
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Unsafe(f"others may write the {what}: its mode is {stat.S_IMODE(about.st_mode):o}")


def _folder(path: Path, channel: str) -> Stored:
    snapshot = _bytes(path / "v1" / "channels" / channel / "snapshot", MAX_SNAPSHOT)
    contents = {}
    for pointer in decode_snapshot(snapshot).apps.values():
        for ref in pointer.releases():
            with contextlib.suppress(FileNotFoundError):
                contents[ref.digest] = _bytes(path / "v1" / "releases" / ref.digest.removeprefix("sha256:"), MAX_BYTES)
    return Stored(snapshot=snapshot, contents=contents)


def _bytes(path: Path, limit: int, *, ours: bool = False) -> bytes:
    """The bytes of a regular file. Opened without waiting: a pipe in its place would keep us for ever."""
    handle = os.open(path, _FLAGS | (_NO_LINK if ours else 0))
    try:
        about = os.fstat(handle)
        if ours:
            require_ours(about)
        elif not stat.S_ISREG(about.st_mode):
            raise Unsafe("it is not a regular file")
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(handle)
    if len(data) > limit:
        raise Rejected(Rejection.CONTENT, f"it is over {limit:,} bytes")
    return data


def _nothing(path: Path, error: Exception) -> Reading:
    reason = error.reason.value if isinstance(error, Rejected) else "content"
    if isinstance(error, OSError):
        reason = "unsafe" if isinstance(error, Unsafe) or error.errno == errno.ELOOP else "unreadable"
    return Reading(stored=None, problems=(Problem(path=path, reason=reason, message=str(error)),))
