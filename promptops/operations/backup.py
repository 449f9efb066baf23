"""Makes backups, consistent copies with a manifest, and restores a registry from one, which is then checked."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.operations.history_in_git import BackedUp, HistoryInGit, history_in_git

if TYPE_CHECKING:
    from promptops.operations.fsck import FsckReport, RegistryLocation
    from promptops.projection.offer import Confirm
    from promptops.store import Manifest, Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The manifest of the restored backup, the epoch that begins, and the report of checking the result.

    ``taken`` is how many changes after the backup came from git, and ``ignored`` what else is there, and the home that
    could not be read, with the reason.
    ``lacks`` is the newest line that this machine verified before, if the registry ends before it.
    """

    manifest: Manifest
    epoch: int
    report: FsckReport
    taken: int = 0
    lacks: int = 0
    ignored: tuple[str, ...] = ()


def backup(url: str, target: Path, *, now: datetime, verify: bool = True, outcomes: bool = True) -> Manifest:
    """Copy the registry, while it is in use, to a file or into a folder, with a manifest beside it.

    Unless ``verify`` is false, the copy is restored into a temporary place and checked. Without ``outcomes``, what
    clients reported is left out.

    Raises:
        Conflict: the file exists. ExtraMissing: PostgreSQL's own tools are not installed.
        RegistryNotInitialised, RegistryDamaged, RegistryUnavailable: the registry cannot be read, or the file cannot be
            written.
    """
    from promptops import store

    return store.backup(url, target, now=now, verify=verify, outcomes=outcomes)


def restore(
    source: Path,
    place: RegistryLocation,
    *,
    actor: str,
    now: datetime,
    leave_newer: bool = False,
    reason: str = "",
    keys: Sequence[str] = (),
    confirm: Confirm = lambda doubt: True,
) -> Restored:
    """Make a registry of a backup, in an epoch that neither the backup nor the journal in git has seen, and check it.

    Changes after the backup that the home of the journal has are taken from there; or, where it is not an address, that
    the workspace's git has. ``confirm`` is asked about those that neither this machine vouches for, nor the key that
    was in force in the backup, nor one with a fingerprint of ``keys``. With ``leave_newer`` they are not taken: the
    journal in git then goes on from the backup, and keeps them beside its way.

    Raises:
        Invalid: the backup does not agree with its manifest, or git has other lines than it. Nothing was changed.
        Conflict: the destination is not empty.
        SchemaTooNew, ExtraMissing, RegistryDamaged, RegistryUnavailable
    """
    from promptops import store
    from promptops.store.backups.manifest import read_manifest
    from promptops.store.backups.restore import Beyond

    history: HistoryInGit | None = None
    held = read_manifest(source).holdings
    unread: list[str] = []
    at = BackedUp(lineage=held.lineage, seq=held.audit_seq, hash=held.audit_hash, keys=keys)
    with ExitStack() as stack:

        def beyond(reader: Reader) -> Beyond:
            nonlocal history
            history = stack.enter_context(
                history_in_git(place.root, at, reader.home(), unread, leave_newer=leave_newer)
            )
            if history is None:
                return Beyond()
            if doubt := history.doubt():
                confirm(doubt)
            return Beyond(epoch=history.newest_epoch, leaves=history.tip, newer=history.newer())

        manifest = store.restore(
            source,
            place.url,
            actor=actor,
            now=now,
            reason=reason,
            beyond=beyond,
            allow_network_fs=place.allow_network_fs,
        )
    return _restored(manifest, place, history, unread, leave_newer=leave_newer)


def _restored(
    manifest: Manifest, place: RegistryLocation, history: HistoryInGit | None, unread: list[str], *, leave_newer: bool
) -> Restored:
    """Checks what was restored, and says what came from git and what is missing."""
    from promptops.operations import fsck
    from promptops.source import vouched

    held = manifest.holdings
    verified, taken = vouched.read(held.lineage).seq, history.taken if history else 0
    return Restored(
        manifest=manifest,
        epoch=max(held.epoch, history.newest_epoch if history else 1) + 1,
        report=fsck.check(place),
        taken=taken,
        lacks=verified if verified > held.audit_seq + taken and not leave_newer else 0,
        ignored=(*(history.offer.ignored if history and history.offer else ()), *unread),
    )
