"""The last good releases, on disk, in two slots: one of them can be read even if a writer was killed.

A slot is written beside the old one, brought to the disk, and put in its place; before that the old one, if it is good,
becomes ``….prev``. So a machine that stops at any moment leaves the newest or the one before. Writers take turns behind
a lock, and an older state never replaces a newer one. Reading verifies every byte
(:mod:`promptops.client.disk.cache_format`), and reads no link, and no file that another user owns or may write.

Nothing here raises because of a disk: the application then serves from memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from promptops.client.disk.cache_format import DiskProblem, StoredChannel, encode, restore
from promptops.client.disk.regular_file import require_ours
from promptops.client.disk.trusted_files import Reading, read_ours
from promptops.client.state.release_set import Held, Rejected, Required
from promptops.core.errors import Invalid
from promptops.core.snapshot import Snapshot
from promptops.files import release_lock, replace_file, take_lock
from promptops.wire.snapshot import decode as decode_snapshot
from promptops.wire.snapshot import encode as encode_snapshot

STALE = 3600.0
"""Seconds after which a temporary file is one that a killed writer left: no write takes an hour."""

_TEMPORARY = ".lkg-"
_LOCK_SECONDS = 5.0
"""Seconds to wait for another writer. Processes that follow the same change write at once, each in milliseconds."""
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Result(StrEnum):
    """The outcome of a write. ``kept``: the file that is there is as new, or newer."""

    WRITTEN = "written"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCache:
    """The result of a write, and the problem if it failed."""

    result: Result
    problem: DiskProblem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCache:
    """The last good releases, if there are any, and the files that could not be used."""

    held: Held | None
    problems: tuple[DiskProblem, ...] = ()


def slot_path(folder: Path, *, registry: str, channel: str, apps: Collection[str] | None = None) -> Path:
    """Returns the file for a registry's address, a channel and the wanted apps; its name does not show the address."""
    key = json.dumps([registry, channel, sorted(apps) if apps is not None else None])
    return folder / f"{channel}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.lkg"


def read(path: Path) -> Reading:
    """Returns the newest slot that is good."""
    first = read_ours(path)
    if first.stored is not None:
        return first
    second = read_previous(path)
    return Reading(stored=second.stored, problems=(*first.problems, *second.problems))


def read_previous(path: Path) -> Reading:
    """Returns the slot before the newest, for a caller that cannot use the newest."""
    return read_ours(_previous(path))


def load(path: Path, *, channel: str, required: Required = ()) -> LoadedCache:
    """Returns the newest good slot, compiled. An app of it that cannot be served is taken from the slot before."""
    newest = _restored(path, channel, required)
    if newest.held is not None and not newest.held.unloaded:
        return newest
    before = _restored(_previous(path), channel, required)
    if newest.held is None or before.held is None:
        return LoadedCache(held=newest.held or before.held, problems=(*newest.problems, *before.problems))
    return _restored(path, channel, required, older=before.held)


def _restored(path: Path, channel: str, required: Required, older: Held | None = None) -> LoadedCache:
    reading = read_ours(path)
    if reading.stored is None:
        return LoadedCache(held=None, problems=reading.problems)
    try:
        return LoadedCache(held=restore(reading.stored, channel=channel, required=required, older=older))
    except Rejected as rejected:
        return LoadedCache(
            held=None, problems=(DiskProblem(path=path, reason=rejected.reason, message=rejected.message),)
        )


def write(path: Path, stored: StoredChannel) -> SavedCache:
    """Make this the newest slot, unless the one there is as new. It is on the disk when this returns.

    Takes up to 5 s while others are writing, and the time of the disk.
    """
    try:
        snapshot = decode_snapshot(stored.snapshot)
        os.makedirs(path.parent, mode=0o700, exist_ok=True)
        require_ours(os.lstat(path.parent), folder=True)
        with _alone(path):
            _sweep(path.parent)
            newest = read_ours(path).stored
            there = newest or read_previous(path).stored
            whole = _merged(stored, snapshot, there) if there is not None else stored
            if whole is None:
                return SavedCache(result=Result.KEPT)
            replace_file(path, encode(whole), prefix=_TEMPORARY, previous=_previous(path) if newest else None)
    except (OSError, Rejected, Invalid, ValueError) as error:
        reason = error.reason if isinstance(error, Rejected) else "disk" if isinstance(error, OSError) else "content"
        return SavedCache(result=Result.FAILED, problem=DiskProblem(path=path, reason=reason, message=str(error)))
    return SavedCache(result=Result.WRITTEN)


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".prev")


def _merged(stored: StoredChannel, ours: Snapshot, there: StoredChannel) -> StoredChannel | None:
    """Returns the content to write: for each app the newer of the two, because another process may load releases that
    this one cannot. None if writing would change nothing, or take an app back. Another lineage is another registry.
    """
    theirs = decode_snapshot(there.snapshot)
    if theirs.lineage != ours.lineage or theirs.epoch < ours.epoch:
        return stored
    if theirs.epoch > ours.epoch:
        return None
    late = ours.cursor < theirs.cursor
    stays = {
        app: pointer
        for app, pointer in theirs.apps.items()
        if app not in ours.apps or pointer.revision >= ours.apps[app].revision + (0 if late else 1)
    }
    whole = replace(ours, apps={**ours.apps, **stays}, cursor=max(ours.cursor, theirs.cursor), partial=False)
    named = {ref.digest for pointer in whole.apps.values() for ref in pointer.releases()}
    more = not (stored.contents.keys() & named <= there.contents.keys() and stored.fixed.keys() <= there.fixed.keys())
    if whole.apps == theirs.apps and not more and (stays or whole.cursor == theirs.cursor):
        return None
    if not stays:
        return stored
    kept = {ref.digest for pointer in stays.values() for ref in pointer.releases()} & there.contents.keys()
    contents = {**{digest: there.contents[digest] for digest in kept}, **stored.contents}
    return replace(stored, snapshot=encode_snapshot(whole)[0], contents=contents)


def _sweep(folder: Path) -> None:
    """Remove what killed writers left."""
    for entry in os.scandir(folder):
        if entry.name.startswith(_TEMPORARY):
            with contextlib.suppress(OSError):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE:
                    os.unlink(entry.path)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Be the only writer of a slot, among processes and threads. On Windows, without a lock."""
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
    try:
        take_lock(handle, seconds=_LOCK_SECONDS)
        yield
    finally:
        release_lock(handle)
        os.close(handle)
