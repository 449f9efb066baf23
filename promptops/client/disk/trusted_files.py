"""Files -> the channel stored in them. Nothing raises: a problem is reported, and the next place is tried.

Reads our own files only if no other user could have written them. A bundle may have another owner, because it was baked
into an image or mounted on purpose, so only its bytes have to be right.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from promptops.client.disk.cache_format import MAX_FILE, DiskProblem, StoredChannel, decode, decode_bundle
from promptops.client.disk.regular_file import Unsafe, read_regular, require_ours
from promptops.client.state.release_set import Rejected
from promptops.core.digest import MAX_BYTES
from promptops.core.errors import Invalid
from promptops.wire.snapshot import MAX_BYTES as MAX_SNAPSHOT
from promptops.wire.snapshot import decode as decode_snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The stored channel, if there is one, and the files that could not be used. A missing file is no problem."""

    stored: StoredChannel | None
    problems: tuple[DiskProblem, ...] = ()


def read_ours(path: Path) -> Reading:
    """Returns the content of one slot of the cache."""
    try:
        require_ours(os.lstat(path.parent), folder=True)
        stored = decode(read_regular(path, MAX_FILE, require=require_ours, links=False))
        decode_snapshot(stored.snapshot)
    except FileNotFoundError:
        return Reading(stored=None)
    except (OSError, Rejected, Invalid, ValueError, MemoryError) as error:
        return _nothing(path, error)
    return Reading(stored=stored)


def read_bundle(path: Path, *, channel: str) -> Reading:
    """Returns a bundle: the folder that ``promptops export-snapshot`` wrote, or one file of
    :mod:`promptops.client.disk.cache_format`.

    A release that is not in the folder or cannot be read is left out; compiling shows whether the rest can be served.
    """
    try:
        if path.is_dir():
            return _folder(path, channel)
        stored = decode_bundle(read_regular(path, MAX_FILE))
        decode_snapshot(stored.snapshot)
    except (OSError, Rejected, Invalid, ValueError, MemoryError) as error:
        return _nothing(path, error)
    return Reading(stored=stored)


def read_exported(path: Path, limit: int) -> bytes:
    """Returns the bytes of a file below a folder, like :func:`read_regular`; the error names the file.

    Raises:
        OSError, Unsafe, Invalid: as there.
    """
    try:
        return read_regular(path, limit)
    except Unsafe as error:
        raise Unsafe(f"{path}: {error}") from error
    except Invalid as error:
        raise Invalid(f"{path}: {error.message}") from error


def _folder(path: Path, channel: str) -> Reading:
    snapshot = read_exported(path / "v1" / "channels" / channel / "snapshot", MAX_SNAPSHOT)
    contents, problems = {}, list[DiskProblem]()
    for pointer in decode_snapshot(snapshot).apps.values():
        for ref in pointer.releases():
            file = path / "v1" / "releases" / ref.digest.removeprefix("sha256:")
            try:
                contents[ref.digest] = read_exported(file, MAX_BYTES)
            except FileNotFoundError:
                continue
            except (OSError, Invalid) as error:
                problems += _nothing(file, error).problems
    return Reading(stored=StoredChannel(snapshot=snapshot, contents=contents), problems=tuple(problems))


def _nothing(path: Path, error: Exception) -> Reading:
    reason = error.reason.value if isinstance(error, Rejected) else "content"
    if isinstance(error, OSError):
        reason = "unsafe" if isinstance(error, Unsafe) or error.errno == errno.ELOOP else "unreadable"
    return Reading(stored=None, problems=(DiskProblem(path=path, reason=reason, message=str(error)),))
