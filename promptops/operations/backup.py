"""Makes backups, consistent copies with a manifest, and restores a registry from one, which is then checked."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.errors import PromptopsError

if TYPE_CHECKING:
    from promptops.operations.fsck import FsckReport, RegistryLocation
    from promptops.store import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The manifest of the restored backup, the epoch that begins, and the report of checking the result."""

    manifest: Manifest
    epoch: int
    report: FsckReport


def backup(url: str, target: Path, *, now: datetime, verify: bool = True) -> Manifest:
    """Copy the registry, while it is in use, to a file or into a folder, with a manifest beside it.

    Unless ``verify`` is false, the copy is restored into a temporary place and checked.

    Raises:
        Conflict: the file exists. ExtraMissing: PostgreSQL's own tools are not installed.
        RegistryNotInitialised, RegistryDamaged, RegistryUnavailable: the registry cannot be read, or the file cannot be
            written.
    """
    from promptops import store

    return store.backup(url, target, now=now, verify=verify)


def restore(source: Path, place: RegistryLocation, *, actor: str, now: datetime) -> Restored:
    """Make a registry of a backup, in an epoch that neither the backup nor the workspace's git has seen, and check it.

    Raises:
        Invalid: the backup does not agree with its manifest. Nothing was changed.
        Conflict: the destination is not empty.
        SchemaTooNew, ExtraMissing, RegistryDamaged, RegistryUnavailable
    """
    from promptops import store
    from promptops.operations import fsck

    epoch = _newest_epoch_in_git(place.root) + 1
    manifest = store.restore(
        source, place.url, actor=actor, now=now, epoch=epoch, allow_network_fs=place.allow_network_fs
    )
    report = fsck.check(place)
    return Restored(manifest=manifest, epoch=max(manifest.holdings.epoch + 1, epoch), report=report)


def _newest_epoch_in_git(root: Path | None) -> int:
    """Returns the newest epoch in the workspace's git: a backup from before an earlier restore must not begin it again.

    If git cannot be read, 1: a restore does not wait for git.
    """
    if root is None:
        return 1
    from promptops.projection import Archive
    from promptops.source.git.repository import Repository

    prefix = "refs/promptops/epochs/"
    try:
        with contextlib.closing(Repository.open(root)) as repository:
            names = [ref.removeprefix(prefix) for ref in Archive(repository).refs if ref.startswith(prefix)]
    except PromptopsError:
        return 1
    return max((int(name) for name in names if name.isdecimal()), default=1)
