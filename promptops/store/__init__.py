"""The registry: tables, guards, rows <-> nouns, transactions. The only SQL of promptops.

``create`` makes one, ``Registry.open`` connects to it, ``Registry.read`` and ``Registry.write`` hand out a
:class:`Reader` and a :class:`Writer`, which take and give the nouns of :mod:`promptops.core.model`. ``Registry.watch``
waits for changes.

``backup``, ``restore``, ``check_store`` and ``import_records`` are loaded when they are first used: a rollback does not
need them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.store.reader import Reader, StoredAnswer
from promptops.store.registry import Registry
from promptops.store.schema.revisions import HEAD
from promptops.store.setup import create, current_schema, upgrade
from promptops.store.writer import Writer

if TYPE_CHECKING:
    from promptops.store.backups.backup import backup
    from promptops.store.backups.manifest import Manifest
    from promptops.store.backups.restore import restore
    from promptops.store.checks.checks import check_store
    from promptops.store.importing import import_records

__all__ = [
    "HEAD",
    "Manifest",
    "Reader",
    "Registry",
    "StoredAnswer",
    "Writer",
    "backup",
    "check_store",
    "create",
    "current_schema",
    "import_records",
    "restore",
    "upgrade",
]

_LATER = {
    "Manifest": "backups.manifest",
    "backup": "backups.backup",
    "check_store": "checks.checks",
    "import_records": "importing",
    "restore": "backups.restore",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
