"""A backup proves that it comes back: it is restored into a temporary place and checked as by fsck, then thrown away.

A dump of PostgreSQL becomes an SQLite file there, so the server has no part in it, and no right is needed that a backup
does not need.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import ExtraMissing, PromptopsError, RegistryDamaged
from promptops.core.faults import Condition
from promptops.store.backups.manifest import Manifest
from promptops.store.backups.restore import bring_up_to_date, fill, require_same
from promptops.store.checks.checks import check_store
from promptops.store.engine.database import locate
from promptops.store.engine.room import make_file
from promptops.store.setup import make_wal, migrating

_HINT = Sentence(
    "Look closer: ",
    Advice(Action.FSCK),
    ". To keep an unchecked copy: ",
    option("no_verify", "leave the proof out"),
)


def prove(backup: Path, manifest: Manifest) -> None:
    """Restore it and check what comes back.

    Raises:
        RegistryDamaged: it does not come back, or damaged. ExtraMissing: PostgreSQL's tools are not here.
    """
    # Not beside the backup, which may be on a file system where SQLite does not work.
    with tempfile.TemporaryDirectory(prefix="promptops-verify-") as folder:
        copy = Path(folder) / "registry.db"
        try:
            _bring_back(backup, manifest, copy)
            faults = [fault for fault in check_store(str(copy)) if fault.severity is Condition.DAMAGE]
        except ExtraMissing:
            raise
        except PromptopsError as error:
            raise RegistryDamaged(f"the backup does not come back: {error.message}", hint=_HINT) from error
    if faults:
        first = f"{faults[0].code}: {faults[0].what} ({faults[0].where})"
        raise RegistryDamaged(f"the backup comes back with {len(faults)} faults; the first is {first}", hint=_HINT)


def _bring_back(backup: Path, manifest: Manifest, copy: Path) -> None:
    """Restores as :mod:`promptops.store.backups.restore` does, without syncing to disk."""
    make_file(copy)
    if manifest.database == "sqlite":
        shutil.copyfile(backup, copy)
    make_wal(copy)
    with migrating(locate(str(copy))) as connection:
        if manifest.database == "sqlite":
            require_same(connection, manifest)
            bring_up_to_date(connection)
        else:
            fill(connection, backup, manifest)
