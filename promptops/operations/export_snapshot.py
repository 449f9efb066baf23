"""A channel as plain files, laid out as a server's addresses are, for any web server, CDN or object store.

::

    DIR/v1/releases/<64 hex digits>        the canonical bytes of a release, for ever the same
    DIR/v1/channels/<channel>/snapshot     what the channel serves, written last

The folder itself may be a link; below it, links and other special files stop the export before it writes anything. A
reader sees the old or the new snapshot while this runs, and finds every release that it points to, also after this was
killed: no file is written in place, and none is deleted.
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
_PART = ".part"
_FILE, _FOLDER = 0o644, 0o755
"""A web server runs as somebody else, who must be able to read what is written here, whatever the umask is."""


class Origin(Protocol):
    """Where the snapshot and the contents come from."""

    def snapshot(self, channel: str) -> Snapshot:
        """What the channel serves."""

    def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        """The contents of releases by digest, as many as are there and intact; maybe only the first of them.

        Raises:
            RegistryDamaged: that leaves none.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written: of how many releases the content was ``written`` or was there already (``kept``).

    ``missing`` are the apps whose last good release has no intact content: they are served, and a rollback of them
    would find nothing to serve. ``unloadable`` are those whose release no client could load, with the reason: the
    folder serves on what it served of them, or leaves them out. ``size`` counts the bytes of all these files,
    ``changed`` says whether the snapshot is another one than before.
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


def export(origin: Origin, channel: str, folder: Path) -> Exported:
    """Write what the channel serves, with the contents of its stable, canary and last good releases.

    An app whose release no client could load stays at what the folder served of it, or is left out; all others go on.
    Any number of these may run at once in one folder: they take turns, and the snapshot never goes back.

    Raises:
        ChannelNotFound: listing the channels that exist.
        RegistryDamaged: what the channel serves is not intact. The snapshot stays as it was.
        Conflict: the folder holds a newer snapshot of the channel, or another registry's.
        Invalid: the folder cannot be written, or has something that is not a file or folder of an export.
    """
    try:
        _make(folder)
        with _turn(folder) as alone:
            found = origin.snapshot(channel)
            target = folder / "v1" / "channels" / channel / "snapshot"
            releases = folder / "v1" / "releases"
            for place in (releases, target.parent):
                _refuse_detours(place, folder)
            before = _read(target, wire.MAX_BYTES)
            _refuse_older(target, before, found)
            there = _intact(found, releases)
            for place in (releases, target.parent):
                _make(place)
                if alone:
                    _sweep(place)
            written = _put_contents(origin, found, releases, there)
            missing = _missing(found, there)
            unloadable = _unloadable(found, releases)
            found = _without(found, unloadable, _decoded(before), releases)
            data, digest = wire.encode(found)
            if changed := data != before:
                replace_file(target, data, mode=_FILE, suffix=_PART)
    except OSError as error:
        named = error.filename or folder
        raise Invalid(f"{named} cannot be written: {error.strerror or error}", hint="Name another folder.") from error
    return Exported(
        folder=folder,
        snapshot=found,
        digest=digest,
        written=written,
        kept=len(there) - written,
        missing=missing,
        unloadable=unloadable,
        size=sum(there.values()) + len(data),
        changed=changed,
    )


def _decoded(data: bytes | None) -> Snapshot | None:
    """The snapshot that is there; None for nothing yet, or nothing that anybody could use."""
    try:
        return wire.decode(data or b"")
    except PromptopsError:
        return None


def _refuse_older(target: Path, before: bytes | None, found: Snapshot) -> None:
    there = _decoded(before)
    if there is None:
        return
    if there.lineage != found.lineage:
        raise Conflict(
            f"{target} is of another registry ('{there.registry}', {there.lineage}), and clients that follow it would"
            " not take this one's",
            hint="Name another folder, or throw that one away.",
        )
    if (there.epoch, there.cursor) > (found.epoch, found.cursor):
        raise Conflict(
            f"{target} is newer (epoch {there.epoch}, change {there.cursor}) than what this registry has"
            f" (epoch {found.epoch}, change {found.cursor}); it stays",
            hint="Export from the registry itself and not from a copy of it.",
        )


# --- contents ---------------------------------------------------------------------------------------


def _intact(found: Snapshot, folder: Path) -> dict[str, int]:
    """The contents that are there and are what their names say, by digest with their sizes."""
    there = {}
    for digest in dict.fromkeys(ref.digest for pointer in found.apps.values() for ref in pointer.releases()):
        content = _read(folder / digest.removeprefix("sha256:"), MAX_RELEASE)
        if content is not None and digest_of(content) == digest:
            there[digest] = len(content)
    return there


def _put_contents(origin: Origin, found: Snapshot, folder: Path, there: dict[str, int]) -> int:
    """Write the contents that are not ``there``, and add them to those; answers how many."""
    named = dict.fromkeys(ref.digest for pointer in found.apps.values() for ref in pointer.releases())
    wanted = [digest for digest in named if digest not in there]
    written = 0
    while wanted:
        asked = wanted[:_AT_ONCE]
        try:
            got = origin.contents(asked)
        except RegistryDamaged:
            got = {}
        for digest, content in got.items():
            if digest_of(content) == digest:
                replace_file(folder / digest.removeprefix("sha256:"), content, mode=_FILE, suffix=_PART)
                there[digest] = len(content)
                written += 1
        # Of a batch that is too large only the first come: ask for the others again, as long as any come.
        left = [digest for digest in asked if digest not in there]
        wanted = (left if len(left) < len(asked) else []) + wanted[_AT_ONCE:]
    return written


def _missing(found: Snapshot, there: Collection[str]) -> tuple[str, ...]:
    """The apps whose last good release is not among the digests that are there.

    Raises:
        RegistryDamaged: so has one that is served.
    """

    def absent(ref: ReleaseRef | None) -> bool:
        return ref is not None and ref.digest not in there

    for app, pointer in sorted(found.apps.items()):
        for ref in (pointer.stable, pointer.canary):
            if ref is not None and absent(ref):
                raise RegistryDamaged(
                    f"{app}@{ref.version}, which {found.channel} serves, is not in the registry as it was released;"
                    " the snapshot was not written",
                    hint=Sentence(
                        Advice(Action.FSCK, words="A check of the registry"),
                        " tells what is damaged. Restore the registry from a backup.",
                    ),
                )
    return tuple(app for app, pointer in sorted(found.apps.items()) if absent(pointer.last_good))


def _unloadable(found: Snapshot, folder: Path) -> dict[str, str]:
    """The apps that serve what no client could load, each with the reason."""
    flaws: dict[str, str] = {}
    for app, pointer in sorted(found.apps.items()):
        for ref in (pointer.stable, pointer.canary):
            if ref is not None and app not in flaws and (flaw := flaw_of(_content(folder, ref))):
                flaws[app] = f"{app}@{ref.version}: {flaw}"
    return flaws


def _without(found: Snapshot, unloadable: Collection[str], before: Snapshot | None, folder: Path) -> Snapshot:
    """The snapshot in which these apps stay at what the folder served of them, where clients can load that.

    An app that is left out stops no other; where it stood in the snapshot, clients of 0.1.0 would follow none of them.
    """
    if not unloadable:
        return found
    kept: dict[str, Pointer] = {}
    if before is not None and (before.lineage, before.epoch) == (found.lineage, found.epoch):
        old = replace(before, apps={app: before.apps[app] for app in unloadable if app in before.apps})
        still = _unloadable(old, folder)
        kept = {app: pointer for app, pointer in old.apps.items() if app not in still}
    return replace(found, apps={app: p for app, p in found.apps.items() if app not in unloadable} | kept)


def _content(folder: Path, ref: ReleaseRef) -> bytes:
    return _read(folder / ref.digest.removeprefix("sha256:"), MAX_RELEASE) or b""


# --- files ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[bool]:
    """Wait until nobody else exports into this folder; False where the file system knows no locks."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(folder))
            alone = True
        except OSError:
            alone = False
        yield alone


def _make(folder: Path) -> None:
    """The folder with all above it; those that are new can be read by everybody."""
    for each in (*reversed(folder.parents), folder):
        if not each.is_dir():
            with contextlib.suppress(FileExistsError):
                each.mkdir()
                each.chmod(_FOLDER)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def _sweep(folder: Path) -> None:
    """Throw away what an export that was killed has left."""
    for each in folder.glob(f".*{_PART}"):
        each.unlink(missing_ok=True)


def _read(path: Path, limit: int) -> bytes | None:
    """The content of a file of an export; None if there is no file yet.

    Raises:
        Invalid: something else is there. A link would lead out of the folder, and a pipe would block for ever.
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
    """Do nothing where all on the way from the root to this place are folders, or are not there yet.

    Raises:
        Invalid: something else is there.
    """
    below = place.relative_to(root).parts
    for each in (root.joinpath(*below[:count]) for count in range(1, len(below) + 1)):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISDIR(mode := each.lstat().st_mode):
                raise _in_the_way(each, f"it is {_kind(mode)}, not a folder")


def _kind(mode: int) -> str:
    known = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return known.get(stat.S_IFMT(mode), "a file" if stat.S_ISREG(mode) else "a device")


def _in_the_way(path: Path, why: str) -> Invalid:
    return Invalid(f"{path} is in the way: {why}; nothing was written", hint="Take it away, or name another folder.")
