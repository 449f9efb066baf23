"""A backup -> a registry in an empty place, all or nothing, in a new epoch.

The file has to match its manifest, and so does the restored registry. A restore takes only the rows of a PostgreSQL
dump, into tables that our own migrations make: so it works in any schema, beside other applications, and in one
transaction with everything else. On SQLite the file is finished beside its place before it gets its name.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Conflict, Invalid, RegistryDamaged
from promptops.files import name_file, refuse_existing, scratch
from promptops.store.backups.manifest import Manifest, holdings_of, read_manifest, sha256_of
from promptops.store.backups.pg_dump import load
from promptops.store.binding import bind_older
from promptops.store.engine.database import locate, refuse_network_file_system
from promptops.store.engine.retry import saying
from promptops.store.engine.room import require_room
from promptops.store.facts.record import Record
from promptops.store.importing import append_records
from promptops.store.reader import Reader
from promptops.store.schema import guards, tables
from promptops.store.schema.columns import Number
from promptops.store.schema.revisions import current, require_known
from promptops.store.setup import make_wal, migrate, migrating
from promptops.store.writer import Writer

_COUNTING = [
    table.name for table in tables.metadata.sorted_tables if "id" in table.c and isinstance(table.c.id.type, Number)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What git has beyond a backup: the ``newer`` records, which are added; the newest epoch, behind which the new one
    begins; and the commit of the journal that the new epoch ``leaves`` behind.
    """

    newer: Iterable[Record] = ()
    epoch: int = 0
    leaves: str = ""


def restore(
    source: Path,
    url: str,
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    beyond: Callable[[Reader], Beyond] | None = None,
    allow_network_fs: bool = False,
) -> Manifest:
    """Make a registry of a backup in an empty place, and begin a new epoch in it. Check it with fsck afterwards.

    ``beyond`` is asked, once the rows of the backup are there, for what git has beyond them.

    Raises:
        Invalid: the backup is not what its manifest says, or is of the other kind of database, or the records do not
            follow it. Nothing was touched.
        Conflict: there is something already. SchemaTooNew: a newer promptops made the backup.
        ExtraMissing, GuardsMissing, RegistryUnavailable
    """
    manifest = read_manifest(source)
    place = locate(url)
    if (kind := place.url.get_backend_name()) != manifest.database:
        raise Invalid(
            f"{source} is a backup of {manifest.database}, and the registry is to be in {kind}",
            hint=Sentence(
                Advice(Action.REBUILD, words="A rebuild from git", place="PATH"),
                " makes a registry in either from git.",
            ),
        )
    require_known(manifest.revision, str(source))
    _require_whole(source, manifest)

    entry = {"at": now, "actor": actor, "reason": reason or f"backup of {manifest.at.isoformat()}"}
    finish = partial(_begin_epoch, entry=entry, after=manifest.holdings.epoch, beyond=beyond)
    if place.path is None:
        with migrating(place) as connection:
            _clear_what_died(connection, manifest.sha256)
            if current(connection) is not None:
                raise Conflict(f"there is a registry at {place} already", hint="Restore into a new, empty database.")
            require_room(connection, place)
            fill(connection, source, manifest)
            finish(connection)
        return manifest
    _restore_file(source, place.path, manifest, finish, allow_network_fs=allow_network_fs)
    return manifest


def _restore_file(
    source: Path,
    path: Path,
    manifest: Manifest,
    finish: Callable[[Connection], None],
    *,
    allow_network_fs: bool,
) -> None:
    """Finish a SQLite registry beside its place, and then give it its name."""
    with saying("the registry cannot be restored"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not allow_network_fs:
            refuse_network_file_system(path.parent)
        refuse_existing(*(path.with_name(path.name + end) for end in ("", "-wal", "-shm", "-journal")))
        with scratch(path.parent) as folder:
            part = folder / path.name
            part.touch(mode=0o600)
            shutil.copyfile(source, part)
            _require_whole(part, manifest)  # the source may have changed since
            make_wal(part)
            with migrating(locate(str(part))) as connection:
                require_same(connection, manifest)
                bring_up_to_date(connection)
                finish(connection)
            _settle(part)
            name_file(part, path)


def fill(connection: Connection, source: Path, manifest: Manifest) -> None:
    """The rows of a PostgreSQL dump, in tables of the schema that they were in, brought to the newest one; on either
    database.

    Raises:
        RegistryDamaged: the rows do not match the manifest. ExtraMissing, RegistryUnavailable
    """
    migrate(connection, manifest.revision)
    there = [table.name for table in tables.metadata.sorted_tables if table.name in manifest.holdings.counts]
    load(connection, source, there)
    if connection.dialect.name == "postgresql":
        for name in _COUNTING:
            if name in there:
                # Its ids came with the rows, and the next one follows them.
                newest = f'SELECT max(id) AS id FROM "{name}"'  # noqa: S608 names of ours
                connection.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('\"{name}\"', 'id'), id) FROM ({newest}) n WHERE id > 0"  # noqa: S608
                )
    require_same(connection, manifest)
    bring_up_to_date(connection)


def require_same(connection: Connection, manifest: Manifest) -> None:
    """Raise :class:`RegistryDamaged` unless the registry matches the manifest."""
    holdings = holdings_of(connection)
    if holdings != manifest.holdings:
        raise RegistryDamaged(f"the restored registry does not match the manifest: {holdings} and {manifest.holdings}")


def bring_up_to_date(connection: Connection) -> None:
    """The newest schema, with its guards, and what an older promptops wrote bound."""
    guards.install(connection)
    migrate(connection)
    bind_older(connection, actor="promptops")


def _begin_epoch(
    connection: Connection, entry: Mapping[str, Any], after: int, beyond: Callable[[Reader], Beyond] | None
) -> None:
    more = beyond(Reader(connection)) if beyond else Beyond()
    append_records(connection, more.newer)
    to = max(after, more.epoch) + 1
    Writer(connection).raise_epoch(action="restore", to=to, leaves=more.leaves, **entry)


def _clear_what_died(connection: Connection, sha256: str) -> None:
    """Remove a half-finished restore by promptops 0.1, which marked the database, so that it can begin anew."""
    if connection.exec_driver_sql("SELECT to_regclass('promptops_restoring')").scalar() is None:
        return
    if connection.exec_driver_sql("SELECT sha256 FROM promptops_restoring").scalar() == sha256:
        names = ", ".join(f'"{name}"' for name in tables.metadata.tables)
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {names} CASCADE")
        connection.exec_driver_sql("DROP TABLE IF EXISTS promptops_version")
    connection.exec_driver_sql("DROP TABLE promptops_restoring")


def _require_whole(file: Path, manifest: Manifest) -> None:
    try:
        size = file.stat().st_size
        problem = f"it has {size:,} bytes, and had {manifest.size:,}" if size != manifest.size else ""
        if not problem and sha256_of(file) != manifest.sha256:
            problem = "its SHA-256 differs"
    except OSError as error:
        problem = str(error)
    if problem:
        raise Invalid(f"{file} is not the backup its manifest describes: {problem}", hint="Take another backup.")


def _settle(part: Path) -> None:
    """Write everything into the one file, because moving it would leave a write-ahead log behind."""
    with closing(sqlite3.connect(part, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
