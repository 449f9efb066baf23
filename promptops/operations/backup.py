"""Backups: a consistent copy with a manifest, and a registry made of one, checked before it is called restored."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.errors import PromptopsError

if TYPE_CHECKING:
    from promptops.operations.fsck import Place, Report
    from promptops.store import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was restored, the epoch that begins with it, and what checking the result found."""

    manifest: Manifest
    epoch: int
    report: Report


def backup(url: str, target: Path, *, now: datetime, verify: bool = True) -> Manifest:
    """Copy the registry, while it is in use, to a file with a manifest beside it, or into a folder, and see that it
    comes back, unless ``verify`` is false.

    Raises:
        Conflict: the file exists. ExtraMissing: PostgreSQL's own tools are not here.
        RegistryNotInitialised, RegistryDamaged, RegistryUnavailable: it cannot be read, or the file not be written.
    """
    from promptops import store

    return store.backup(url, target, now=now, verify=verify)


def restore(source: Path, place: Place, *, actor: str, now: datetime) -> Restored:
    """Make a registry of a backup, in an epoch that neither the backup nor the workspace's git has seen, and check it.

    Raises:
        Invalid: the backup is not what its manifest says. Nothing was touched.
        Conflict: there is something where it is to go.
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
    """The newest epoch that a workspace's git knows: a backup of before an earlier restore must not begin it again.

    Without a git that can be asked, 1: a restore does not wait for git.
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
