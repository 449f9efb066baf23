"""A registry -> a file and its manifest, while it is in use.

SQLite: ``VACUUM INTO``, which reads one consistent state while others write; a copy of the live file would lack what is
still in its write-ahead log. PostgreSQL: ``pg_dump`` of exactly the registry's tables in an exported snapshot, the same
one the manifest is counted in. Files are written beside their place, synced, and only then get their name, the manifest
last; what exists is never overwritten. Until then a backup has to prove that it comes back.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import StatementError

import promptops
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Invalid, RegistryDamaged, RegistryNotInitialised
from promptops.files import name_file, refuse_existing, scratch, taken_back
from promptops.store.backups import manifest as manifests
from promptops.store.backups.manifest import Holdings, Manifest, holdings_of, manifest_path, sha256_of
from promptops.store.backups.pg_dump import dump
from promptops.store.engine.database import BUSY_SECONDS, Place, address, connect, locate, refuse_stranger, unhurried
from promptops.store.engine.retry import explain, saying
from promptops.store.schema.outcome_tables import MEASURED, PRIVATE
from promptops.store.schema.revisions import VERSION_TABLE, current, require_known

_PLACES = (
    "SELECT n.nspname, c.relname, s.relname FROM unnest(%(names)s::text[]) AS name"
    " JOIN pg_class c ON c.oid = to_regclass(quote_ident(name)) JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_depend d ON d.refobjid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'"
    " LEFT JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
)


def backup(url: str, target: Path, *, now: datetime, verify: bool = True, outcomes: bool = True) -> Manifest:
    """Copy the registry to the file ``target``, or into that folder under a name of its own, with a manifest beside it.

    Calls that are kept by themselves are left out; without ``outcomes``, all that clients reported.

    Before it gets its name, it is restored into a temporary place and checked there, unless ``verify`` is false.

    Raises:
        Conflict: the file exists. Invalid: its name is no text, and the manifest names it.
        ExtraMissing: PostgreSQL's own tools are not here.
        RegistryDamaged: what was copied does not come back, or comes back damaged.
        RegistryNotInitialised, RegistryUnavailable: it cannot be read, or the file not be written.
    """
    place = locate(url)
    if place.path is not None and not place.path.exists():
        raise RegistryNotInitialised(f"there is no registry at {place}")
    target = target / f"promptops-{now:%Y%m%dT%H%M%SZ}.backup" if target.is_dir() else target
    _require_text(target.name)
    refuse_existing(target, manifest_path(target))
    with saying("the backup cannot be written"), scratch(target.parent) as folder:
        part = folder / target.name
        empty = PRIVATE if outcomes else MEASURED
        revision, holdings = _copy(place.path, part, empty) if place.path else _dump(place, part, empty)
        manifest = Manifest(
            holdings=holdings,
            database=place.url.get_backend_name(),
            revision=revision,
            promptops=promptops.__version__,
            at=now,
            file=target.name,
            size=part.stat().st_size,
            sha256=sha256_of(part),
        )
        manifest_path(part).write_bytes(manifests.encode(manifest))
        for file in (part, manifest_path(part)):
            file.chmod(0o600)  # until now their folder is closed to others
        if verify:
            from promptops.store.backups.verification import prove

            prove(part, manifest)
        name_file(part, target)
        with taken_back(target):
            name_file(manifest_path(part), manifest_path(target))
    return manifest


def _copy(path: Path, part: Path, empty: Sequence[str]) -> tuple[str, Holdings]:
    refuse_stranger(path)
    with closing(sqlite3.connect(address(path), uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        connection.execute("VACUUM INTO CAST(? AS TEXT)", (os.fsencode(part),))  # a name need not be UTF-8
    if empty:
        _empty(part, empty)
    engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address(part, "ro"), uri=True))
    try:
        with engine.connect() as copy:
            verdict = copy.exec_driver_sql("PRAGMA integrity_check").scalar()
            if verdict != "ok":
                raise RegistryDamaged(
                    f"the registry is damaged: {verdict}", hint=Sentence("Look closer: ", Advice(Action.FSCK))
                )
            return _described(copy, str(path))
    except StatementError as error:
        raise explain(error) from error
    finally:
        engine.dispose()


def _empty(part: Path, tables: Sequence[str]) -> None:
    """Deletes the rows of these tables from a copy, and gives their room back."""
    with closing(sqlite3.connect(address(part), uri=True, isolation_level=None)) as connection:
        there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        filled = [
            table
            for table in sorted(there.intersection(tables))
            if connection.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}")').fetchone()[0]  # noqa: S608 names of ours
        ]
        for table in filled:
            connection.execute(f'DELETE FROM "{table}"')  # noqa: S608 as above
        if filled:
            connection.execute("VACUUM")


def _dump(place: Place, part: Path, empty: Sequence[str]) -> tuple[str, Holdings]:
    with _reading(place) as connection:
        revision, held = _described(connection, str(place))
        counts = {name: 0 if name in empty else count for name, count in held.counts.items()}
        listed = [*counts, VERSION_TABLE]
        # The place of a sequence follows from its table; reading the sequence needs a right that nothing else needs.
        there = connection.exec_driver_sql(_PLACES, {"names": listed}).all()
        snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
        at = connection.connection.driver_connection
        assert at is not None
        dump(
            place.at(at.info.host, str(at.info.port)) if place.hosts else place.url,  # snapshots are one server's
            part,
            snapshot=snapshot,
            tables=[(schema, table) for schema, table, _ in there],
            without_data=[
                *((schema, sequence) for schema, _, sequence in there if sequence),
                *((schema, table) for schema, table, _ in there if table in empty),
            ],
        )
        return revision, replace(held, counts=counts)


@contextmanager
def _reading(place: Place) -> Iterator[Connection]:
    reading, _ = connect(place)
    try:
        with unhurried(reading).connect() as connection, connection.begin():
            yield connection
    except StatementError as error:
        raise explain(error) from error
    finally:
        reading.dispose()


def _described(connection: Connection, place: str) -> tuple[str, Holdings]:
    return require_known(current(connection), place), holdings_of(connection)


def _require_text(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise Invalid(
            f"the name {name!a} is not UTF-8, and the manifest has to name it", hint="Choose another name."
        ) from error
