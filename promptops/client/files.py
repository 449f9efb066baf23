"""The last that was known to be good, on disk: two slots, of which one can be read whatever happened to the writer.

A slot is written beside the old one, brought to the disk, and put in its place; before that the old one, if it is good,
becomes ``….prev``. So a machine that stops at any moment leaves the newest or the one before. Writers take turns behind
a lock, and an older state never replaces a newer one. Reading believes nothing: see :mod:`promptops.client.stored`; a
link, a file that others may write or that is not ours is not read at all.

Nothing here raises for what a disk can do: an application serves from memory then.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from promptops.client.held import Held, Rejected, Required
from promptops.client.reading import Reading, read_ours
from promptops.client.regular import require_ours
from promptops.client.stored import Problem, Stored, encode, restore
from promptops.core.errors import Invalid
from promptops.core.snapshot import Snapshot
from promptops.wire.snapshot import decode as decode_snapshot

STALE = 3600.0
"""Seconds after which a temporary file is one that a killed writer left."""

_TEMPORARY = ".lkg-"
_LOCK_SECONDS = 5.0
_POLL = 0.02
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class Result(StrEnum):
    """What became of a write. ``kept``: what is there is as new, or newer."""

    WRITTEN = "written"
    KEPT = "kept"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """The result of a write, and what was wrong where it failed."""

    result: Result
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was known to be good and still is, if anything, and what could not be used on the way to it."""

    held: Held | None
    problems: tuple[Problem, ...] = ()


def default_folder(environment: Mapping[str, str]) -> Path | None:
    """``$XDG_CACHE_HOME/promptops`` or ``~/.cache/promptops``; None where nobody says where home is."""
    for name, below in (("XDG_CACHE_HOME", "promptops"), ("HOME", ".cache/promptops"), ("LOCALAPPDATA", "promptops")):
        place = environment.get(name, "")
        if os.path.isabs(place):
            return Path(place) / below
    return None


def slot_path(folder: Path, *, registry: str, channel: str, apps: Collection[str] | None = None) -> Path:
    """The file of a registry's address, a channel and the apps that are asked for; the address is not to be seen."""
    asked = json.dumps([registry, channel, sorted(apps) if apps is not None else None])
    return folder / f"{channel}-{hashlib.sha256(asked.encode()).hexdigest()[:32]}.lkg"


def read(path: Path) -> Reading:
    """The newest slot that is good."""
    first = read_ours(path)
    if first.stored is not None:
        return first
    second = read_previous(path)
    return Reading(stored=second.stored, problems=(*first.problems, *second.problems))


def read_previous(path: Path) -> Reading:
    """The slot before the newest, for whoever cannot use that."""
    return read_ours(_previous(path))


def load(path: Path, *, channel: str, required: Required = ()) -> Loaded:
    """The newest slot that is good and can be served: compiled, with every required prompt."""
    problems: tuple[Problem, ...] = ()
    for place in (path, _previous(path)):
        reading = read_ours(place)
        problems += reading.problems
        if reading.stored is not None:
            try:
                return Loaded(held=restore(reading.stored, channel=channel, required=required), problems=problems)
            except Rejected as rejected:
                problems += (Problem(path=place, reason=rejected.reason, message=rejected.message),)
    return Loaded(held=None, problems=problems)


def write(path: Path, stored: Stored) -> Saved:
    """Make this the newest slot, unless the one there is as new. It is on the disk when this returns.

    Takes up to 5 s where others are writing, and whatever the disk takes.
    """
    try:
        snapshot = decode_snapshot(stored.snapshot)
        os.makedirs(path.parent, mode=0o700, exist_ok=True)
        require_ours(os.lstat(path.parent), folder=True)
        with _alone(path):
            _sweep(path.parent)
            newest = read_ours(path).stored
            there = newest or read_previous(path).stored
            if there is not None and not _is_newer(stored, snapshot, there):
                return Saved(result=Result.KEPT)
            _replace(path, encode(stored), good=newest is not None)
    except (OSError, Rejected, Invalid, ValueError) as error:
        reason = error.reason if isinstance(error, Rejected) else "disk" if isinstance(error, OSError) else "content"
        return Saved(result=Result.FAILED, problem=Problem(path=path, reason=reason, message=str(error)))
    return Saved(result=Result.WRITTEN)


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".prev")


def _is_newer(stored: Stored, ours: Snapshot, there: Stored) -> bool:
    """False where writing would take anybody back, or bring nothing. Another lineage is another registry's."""
    theirs = decode_snapshot(there.snapshot)
    if theirs.lineage != ours.lineage:
        return True
    if theirs.epoch != ours.epoch:
        return ours.epoch > theirs.epoch
    steps = [pointer.revision - theirs.apps[app].revision for app, pointer in ours.apps.items() if app in theirs.apps]
    if any(step < 0 for step in steps) or (ours.cursor < theirs.cursor and not any(steps)):
        return False
    more = not (stored.contents.keys() <= there.contents.keys() and stored.fixed.keys() <= there.fixed.keys())
    return ours.cursor > theirs.cursor or any(steps) or more or not ours.apps.keys() <= theirs.apps.keys()


def _replace(path: Path, data: bytes, *, good: bool) -> None:
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{os.urandom(8).hex()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if good:
            os.replace(path, _previous(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk, where that can be asked for."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


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
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
    try:
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise TimeoutError(f"others were writing it for {_LOCK_SECONDS:g} s") from None
                time.sleep(_POLL)
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)  # a process that was forked meanwhile holds it, too
        os.close(handle)
