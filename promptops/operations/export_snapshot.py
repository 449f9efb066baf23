"""Writes a channel as plain files with the paths of a server's addresses, for any web server, CDN or object store.

::

    DIR/v1/releases/<64 hex digits>        the canonical bytes of a release, for ever the same
    DIR/v1/channels/<channel>/snapshot     what the channel serves, written last

The folder itself may be a link; below it, links and other special files stop the export before it writes anything. A
reader sees the old or the new snapshot during an export, and finds every release that it points to, even if the export
is killed: files are replaced whole, and never deleted.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from promptops.client.disk.regular_file import read_regular
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.compiled import flaw_of
from promptops.core.digest import MAX_BYTES as MAX_RELEASE
from promptops.core.digest import digest as digest_of
from promptops.core.errors import Conflict, Invalid, PromptopsError, RegistryDamaged
from promptops.core.model import ReleaseRef
from promptops.core.snapshot import Pointer, Snapshot
from promptops.files import locked_folder, replace_file
from promptops.wire import snapshot as wire

_AT_ONCE = 16
"""Contents that are read and held in memory at a time: 16 MiB at most."""

_PART = ".part"
_FILE, _FOLDER = 0o644, 0o755
"""Modes of files and folders: a web server runs as another user and must read them under any umask."""


class SnapshotSource(Protocol):
    """Provides the snapshot and the contents: a registry or a server."""

    def snapshot(self, channel: str) -> Snapshot:
        """What the channel serves."""

    def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        """The contents of releases by digest, those that are intact; a large batch may be cut to the first ones.

        Raises:
            RegistryDamaged: no content is intact.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The result: how many contents of releases were ``written``, and how many were there already (``kept``).

    ``missing`` are the apps whose last good release has no intact content: they are served, and after a rollback
    clients would not find the release. ``unloadable`` are the apps whose release no client could load, with the reason:
    the folder keeps their earlier release, or leaves them out. ``size`` counts the bytes of all these files.
    ``changed`` is true if the snapshot differs from the one before.
    """

    folder: Path
    snapshot: Snapshot
    digest: str
    written: int
    kept: int
    missing: tuple[str, ...]
    unloadable: Mapping[str, str]
    size: int
    changed: bool


def export(source: SnapshotSource, channel: str, folder: Path) -> Exported:
    """Write what the channel serves, with the contents of its stable, canary and last good releases.

    An app whose release no client could load keeps its earlier release in the folder, or is left out; all others go on.
    Any number of exports may run at once in one folder: they take turns, and the snapshot never goes back.

    Raises:
        ChannelNotFound: listing the channels that exist.
        RegistryDamaged: a release that the channel serves is not intact. The snapshot stays as it was.
        Conflict: the folder holds a newer snapshot of the channel, or another registry's.
        Invalid: the folder cannot be written, or has something that is not a file or folder of an export.
    """
    try:
        _make(folder)
        with _turn(folder) as alone:
            snapshot = source.snapshot(channel)
            target = folder / "v1" / "channels" / channel / "snapshot"
            releases = folder / "v1" / "releases"
            for place in (releases, target.parent):
                _refuse_detours(place, folder)
            before = _read(target, wire.MAX_BYTES)
            _refuse_older(target, before, snapshot)
            there = _intact(snapshot, releases)
            for place in (releases, target.parent):
                _make(place)
                if alone:
                    _sweep(place)
            written = _put_contents(source, snapshot, releases, there)
            missing = _missing(snapshot, there)
            unloadable = _unloadable(snapshot, releases)
            snapshot = _without(snapshot, unloadable, _decoded(before), releases)
            data, digest = wire.encode(snapshot)
            if changed := data != before:
                replace_file(target, data, mode=_FILE, suffix=_PART)
    except OSError as error:
        named = error.filename or folder
        raise Invalid(f"{named} cannot be written: {error.strerror or error}", hint="Name another folder.") from error
    return Exported(
        folder=folder,
        snapshot=snapshot,
        digest=digest,
        written=written,
        kept=len(there) - written,
        missing=missing,
        unloadable=unloadable,
        size=sum(there.values()) + len(data),
        changed=changed,
    )


def _decoded(data: bytes | None) -> Snapshot | None:
    """Returns the snapshot of the folder; None without one that a client could use."""
    try:
        return wire.decode(data or b"")
    except PromptopsError:
        return None


def _refuse_older(target: Path, before: bytes | None, snapshot: Snapshot) -> None:
    there = _decoded(before)
    if there is None:
        return
    if there.lineage != snapshot.lineage:
        raise Conflict(
            f"{target} is of another registry ('{there.registry}', {there.lineage}), and clients that follow it would"
            " not take this one's",
            hint="Name another folder, or throw that one away.",
        )
    if (there.epoch, there.cursor) > (snapshot.epoch, snapshot.cursor):
        raise Conflict(
            f"{target} is newer (epoch {there.epoch}, change {there.cursor}) than what this registry has"
            f" (epoch {snapshot.epoch}, change {snapshot.cursor}); it stays",
            hint="Export from the registry itself and not from a copy of it.",
        )


# --- contents ---------------------------------------------------------------------------------------


def _intact(snapshot: Snapshot, folder: Path) -> dict[str, int]:
    """Returns the contents in the folder whose digest is their name, by digest with their sizes."""
    there = {}
    for digest in dict.fromkeys(ref.digest for pointer in snapshot.apps.values() for ref in pointer.releases()):
        content = _read(folder / digest.removeprefix("sha256:"), MAX_RELEASE)
        if content is not None and digest_of(content) == digest:
            there[digest] = len(content)
    return there


def _put_contents(source: SnapshotSource, snapshot: Snapshot, folder: Path, there: dict[str, int]) -> int:
    """Write the contents that are not ``there``, add them to those, and return their number."""
    named = dict.fromkeys(ref.digest for pointer in snapshot.apps.values() for ref in pointer.releases())
    wanted = [digest for digest in named if digest not in there]
    written = 0
    while wanted:
        batch = wanted[:_AT_ONCE]
        try:
            contents = source.contents(batch)
        except RegistryDamaged:
            contents = {}
        for digest, content in contents.items():
            if digest_of(content) == digest:
                replace_file(folder / digest.removeprefix("sha256:"), content, mode=_FILE, suffix=_PART)
                there[digest] = len(content)
                written += 1
        # A source cuts a batch that is too large: request the rest again, as long as some arrive.
        left = [digest for digest in batch if digest not in there]
        wanted = (left if len(left) < len(batch) else []) + wanted[_AT_ONCE:]
    return written


def _missing(snapshot: Snapshot, there: Collection[str]) -> tuple[str, ...]:
    """Returns the apps whose last good release is not among the digests that are there.

    Raises:
        RegistryDamaged: a served release is not there either.
    """

    def absent(ref: ReleaseRef | None) -> bool:
        return ref is not None and ref.digest not in there

    for app, pointer in sorted(snapshot.apps.items()):
        for ref in (pointer.stable, pointer.canary):
            if ref is not None and absent(ref):
                raise RegistryDamaged(
                    f"{app}@{ref.version}, which {snapshot.channel} serves, is not in the registry as it was released;"
                    " the snapshot was not written",
                    hint=Sentence(
                        Advice(Action.FSCK, words="A check of the registry"),
                        " shows what is damaged. Restore the registry from a backup.",
                    ),
                )
    return tuple(app for app, pointer in sorted(snapshot.apps.items()) if absent(pointer.last_good))


def _unloadable(snapshot: Snapshot, folder: Path) -> dict[str, str]:
    """Returns the apps that serve a release which no client could load, each with the reason."""
    flaws: dict[str, str] = {}
    for app, pointer in sorted(snapshot.apps.items()):
        for ref in (pointer.stable, pointer.canary):
            if ref is not None and app not in flaws and (flaw := flaw_of(_content(folder, ref))):
                flaws[app] = f"{app}@{ref.version}: {flaw}"
    return flaws


def _without(snapshot: Snapshot, unloadable: Collection[str], before: Snapshot | None, folder: Path) -> Snapshot:
    """Returns the snapshot in which these apps keep their earlier release in the folder, if clients can load that.

    Clients of 0.1.0 would follow no app of a snapshot that has one they cannot load, so such an app is left out.
    """
    if not unloadable:
        return snapshot
    kept: dict[str, Pointer] = {}
    if before is not None and (before.lineage, before.epoch) == (snapshot.lineage, snapshot.epoch):
        old = replace(before, apps={app: before.apps[app] for app in unloadable if app in before.apps})
        still = _unloadable(old, folder)
        kept = {app: pointer for app, pointer in old.apps.items() if app not in still}
    return replace(snapshot, apps={app: p for app, p in snapshot.apps.items() if app not in unloadable} | kept)


def _content(folder: Path, ref: ReleaseRef) -> bytes:
    return _read(folder / ref.digest.removeprefix("sha256:"), MAX_RELEASE) or b""


# --- files ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Wait until no other process exports into this folder; yields False if the file system has no locks."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(folder))
            alone = True
        except OSError:
            alone = False
        yield alone


def _make(folder: Path) -> None:
    """Make the folder and its parents; all users may read the new ones."""
    for parent in (*reversed(folder.parents), folder):
        if not parent.is_dir():
            with contextlib.suppress(FileExistsError):
                parent.mkdir()
                parent.chmod(_FOLDER)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def _sweep(folder: Path) -> None:
    """Delete the partial files of an export that was killed."""
    for part in folder.glob(f".*{_PART}"):
        part.unlink(missing_ok=True)


def _read(path: Path, limit: int) -> bytes | None:
    """Returns the content of a file of an export; None if there is no file yet.

    Raises:
        Invalid: it is no regular file. A link would lead out of the folder, and a pipe would block for ever.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise _in_the_way(path, f"it is {_kind(mode)}, not a file")
    try:
        return read_regular(path, limit, links=False)
    except OSError as error:
        raise _in_the_way(path, f"it cannot be read ({error.strerror or error})") from error
    except Invalid as error:
        raise _in_the_way(path, error.message) from error


def _refuse_detours(place: Path, root: Path) -> None:
    """Checks that every part of the path from the root to this place is a folder, or does not exist yet.

    Raises:
        Invalid: a part is something else.
    """
    below = place.relative_to(root).parts
    for entry in (root.joinpath(*below[:count]) for count in range(1, len(below) + 1)):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(mode := entry.lstat().st_mode):
                raise _in_the_way(entry, f"it is {_kind(mode)}, not a folder")


def _kind(mode: int) -> str:
    known = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return known.get(stat.S_IFMT(mode), "a file" if stat.S_ISREG(mode) else "a device")


def _in_the_way(path: Path, why: str) -> Invalid:
    return Invalid(f"{path} is in the way: {why}; nothing was written", hint="Take it away, or name another folder.")
