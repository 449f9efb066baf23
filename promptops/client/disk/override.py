"""Override files on the application's machine: finds those that count, and why the others do not.

An override counts until it expires, on its own channel, for the followed registry, if only this user or root could have
written it. Nothing here raises: a damaged file must not keep an application from starting. The caller logs every
override that was ignored.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from promptops.client.disk.cache_format import DiskProblem
from promptops.client.disk.regular_file import Unsafe, read_trusted
from promptops.client.state.lookup_view import OverrideFile
from promptops.client.state.release_set import Rejected, compile_release
from promptops.core.errors import PromptopsError
from promptops.core.override import MAX_FILE, decode

ENDING = ".override.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """The overrides that count, by app, and what is wrong with the others."""

    active: Mapping[str, OverrideFile]
    ignored: tuple[DiskProblem, ...] = ()


class _Ignored(Exception):
    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        self.message = message


def read_overrides(path: Path, *, channel: str, lineage: str | None, now: datetime) -> Overrides:
    """Returns the overrides in a folder (``*.override.json``) or a file. A folder or file that is not there holds none.

    ``lineage`` is that of the registry that is followed, or None before one was reached: then those of every registry
    count. Of two overrides of one app the younger counts.
    """
    active: dict[str, OverrideFile] = {}
    ignored: list[DiskProblem] = []
    for file in _files(path, ignored):
        try:
            file_override = _read(file, channel, lineage, now)
        except FileNotFoundError:
            continue
        except _Ignored as problem:
            ignored.append(DiskProblem(path=file, reason=problem.reason, message=problem.message))
            continue
        except OSError as error:
            reason = "unsafe" if isinstance(error, Unsafe) else "unreadable"
            ignored.append(DiskProblem(path=file, reason=reason, message=str(error)))
            continue
        older = active.get(file_override.override.app)
        if older is not None and older.override.created_at > file_override.override.created_at:
            older, file_override = file_override, older
        active[file_override.override.app] = file_override
        if older is not None:
            message = f"the override of '{older.override.app}' in {file_override.path.name} is younger"
            ignored.append(DiskProblem(path=older.path, reason="superseded", message=message))
    return Overrides(active=active, ignored=tuple(ignored))


def signature(path: Path) -> tuple[object, ...]:
    """Returns a value that changes when a file is added, removed or edited, or its owner or mode changes."""
    facts: list[object] = []
    with contextlib.suppress(OSError):
        listed = [path, *sorted(path.iterdir())] if path.is_dir() else [path.parent, path]
        for entry in listed:
            about = entry.stat()
            facts.append((entry.name, about.st_ino, about.st_mtime_ns, about.st_size, about.st_mode, about.st_uid))
    return tuple(facts)


def _files(path: Path, ignored: list[DiskProblem]) -> Iterator[Path]:
    try:
        if not path.is_dir():
            yield path
            return
        names = sorted(name for name in os.listdir(path) if name.endswith(ENDING))
    except OSError as error:
        ignored.append(DiskProblem(path=path, reason="unreadable", message=str(error)))
        return
    for name in names:
        yield path / name


def _read(path: Path, channel: str, lineage: str | None, now: datetime) -> OverrideFile:
    try:
        override = decode(read_trusted(path, MAX_FILE))
    except PromptopsError as error:
        raise _Ignored("damaged", error.message) from error
    if override.channel != channel:
        raise _Ignored("channel", f"it is for the channel '{override.channel}', not for '{channel}'")
    if lineage is not None and override.lineage != lineage:
        raise _Ignored("lineage", f"it is of another registry: lineage {override.lineage}, not {lineage}")
    if override.expired(now):
        raise _Ignored("expired", f"it ended at {override.expires_at.isoformat()}")
    try:
        release = compile_release(override.app, override.digest, override.content)
    except Rejected as rejected:
        raise _Ignored("damaged", rejected.message) from rejected
    return OverrideFile(path=path, override=override, release=release)
