"""Whoever owns the database edits any column of any fact, with the guards off and on again: fsck names it, without git.

The table is made from the tables themselves. Each edit is made in a transaction of its own, checked in it, and taken
back, so there is one registry for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, LargeBinary, Table, text
from sqlalchemy.exc import IntegrityError

from promptops.core.audit import GENESIS, seal
from promptops.core.errors import RegistryDamaged
from promptops.core.faults import Condition
from promptops.store import Registry, upgrade
from promptops.store.checks import checks
from promptops.store.engine.database import connect, locate
from promptops.store.schema.columns import Flag, Moment, Number, TextTuple
from promptops.store.schema.guards import GUARDED
from promptops.store.schema.tables import metadata
from tests.store.vandal import vandalise

ASIDE = ("database", "guards", "schema", "restore")
SLOW = ("facts", "references", "releases")
PARTS = [check for name, check in checks._CHECKS.items() if name not in (*ASIDE, *SLOW)]
PARTS += [checks._CHECKS[name] for name in SLOW]
TABLES = {
    "of now": [*GUARDED.keys() - {"binding"}, "head", "audit_head", "outbox"],
    "of 0.1": ["binding", "release", "provenance", "profile", "channel_policy", "token_secret"],
}
NOTHING_IS_SAID_BY = {
    ("run_row", "removed"),  # after a rebuild from git there is none, and the evidence has them
    ("outbox", "removed"),  # what is not in git is only seen where git is
    ("head", "added"),  # an app that was only locked on a channel has such a row, at revision 0
}

Row = dict[str, Any]
Edit = tuple[str, Callable[[], object]]
"""What is done, and the doing of it."""


@pytest.fixture(params=[*TABLES])
def made_by(request: pytest.FixtureRequest) -> str:
    """Which promptops filled the registry."""
    return str(request.param)


@pytest.fixture
def bare(made_by: str, world_url: str, database: str) -> Iterator[Connection]:
    """The world without its guards and foreign keys; once as the first promptops left it, and then upgraded."""
    if made_by == "of 0.1":
        age(world_url)
        assert {fault.code for fault in checks.check_store(world_url)} == {"record-unbound"}
        upgrade(world_url)
    assert checks.check_store(world_url) == ()
    reading, writing = connect(locate(world_url))
    with closing(writing.raw_connection()) as raw:
        cursor = raw.cursor()
        if database == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP TRIGGER {name}")
            cursor.execute("PRAGMA foreign_keys=OFF")
        else:
            for table in metadata.tables:
                cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER ALL')
            raw.commit()
    with writing.connect() as connection:
        yield connection
    writing.dispose()
    reading.dispose()


def stored(connection: Connection, table: str) -> list[Row]:
    """Every row, with its values as the database has them."""
    keys = ", ".join(f'"{column.name}"' for column in metadata.tables[table].primary_key)
    rows = connection.execute(text(f'SELECT * FROM "{table}" ORDER BY {keys}'))
    return [dict(row._mapping) for row in rows]


def others(column: Any, value: Any) -> list[Any]:
    """Values that this column could have too."""
    if isinstance(column.type, Number):
        return [(value or 0) + 1000, *([None] if column.nullable and value is not None else [])]
    if isinstance(column.type, Flag):
        return [type(value)(not value)]
    if isinstance(column.type, LargeBinary):
        return [bytes(value) + b" "]
    if isinstance(column.type, Moment):
        if value is None or isinstance(value, datetime):
            later = (value or datetime.fromisoformat("2027-01-01T00:00:00+00:00")) + timedelta(microseconds=1)
            return [later, *([None] if value is not None and column.nullable else [])]
        return ["2026-03-01T11:59:59.000000+00:00", value.replace("T", " ")]
    if isinstance(column.type, TextTuple):
        return ['["eve"]', value + " "]
    if value is None:
        return ["eve"]
    return [f"{value} ", value.upper() if value != value.upper() else "eve"]


def edits(table: Table, rows: Sequence[Row]) -> Iterator[tuple[str, str, Row]]:
    """Each column of the last row, a row removed, a row added."""
    keys = [column.name for column in table.primary_key]
    here = " AND ".join(f'"{key}" = :key_{key}' for key in keys)
    last = rows[-1]
    key = {f"key_{name}": last[name] for name in keys}
    for column in table.c:
        for other in others(column, last[column.name]):
            statement = f'UPDATE "{table.name}" SET "{column.name}" = :other WHERE {here}'
            yield f"{column.name} {last[column.name]!r} -> {other!r}", statement, {"other": other, **key}
    for row in {0: rows[0], 1: last}.values():
        yield "removed", f'DELETE FROM "{table.name}" WHERE {here}', {f"key_{name}": row[name] for name in keys}
    fresh = {key: _fresh(table.c[key], last[key]) for key in keys}
    fresh |= {"version": f"{last['version']}9"} if table.name == "release" else {}
    fresh |= {"digest": "sha256:" + "9" * 64} if table.name == "release" else {}
    fresh |= {"ref": "profiles/bot/9999"} if table.name == "journal" else {}
    fresh |= {"token": "tEve"} if table.name == "token_secret" else {}
    names = ", ".join(f'"{name}"' for name in last)
    values = ", ".join(f":{name}" for name in last)
    yield "added", f'INSERT INTO "{table.name}" ({names}) VALUES ({values})', last | fresh


def _fresh(column: Any, value: Any) -> Any:
    return value + 1 if isinstance(column.type, Number) else f"{value[:-1]}{'0' if value[-1] != '0' else '1'}"


def swaps(connection: Connection, table: Table, rows: Sequence[Row]) -> Iterator[Edit]:
    """The values of a column of two rows exchanged, where they differ and are no key."""
    first, last = rows[0], rows[-1]
    keys = [column.name for column in table.primary_key]
    for column in table.c:
        if column.name not in keys and first[column.name] != last[column.name]:

            def swap(name: str = column.name) -> None:
                for row, other in ((first, last), (last, first)):
                    here = " AND ".join(f'"{key}" = :key_{key}' for key in keys)
                    values = {"other": other[name], **{f"key_{key}": row[key] for key in keys}}
                    connection.execute(text(f'UPDATE "{table.name}" SET "{name}" = :other WHERE {here}'), values)

            yield f"{column.name} swapped", swap


def named(connection: Connection) -> bool:
    """Whether any check finds damage."""
    for check in PARTS:
        try:
            if any(fault.severity is Condition.DAMAGE for fault in check(connection)):
                return True
        except (ValueError, KeyError, TypeError, RegistryDamaged):
            return True  # `fsck` says that rows cannot be read
    return False


def test_an_edit_of_any_column_of_any_fact_is_named(bare: Connection, made_by: str) -> None:
    unseen = []
    with bare.begin():
        assert not named(bare)
    for name in TABLES[made_by]:
        table = metadata.tables[name]
        with bare.begin():
            rows = stored(bare, name)
        done = 0
        made = edits(table, rows)
        each: list[Edit] = [(what, partial(_run, bare, statement, values)) for what, statement, values in made]
        for what, edit in (*each, *swaps(bare, table, rows)):
            with bare.begin() as transaction:
                try:
                    edit()
                except IntegrityError:  # not even the owner can do that
                    transaction.rollback()
                    continue
                done += 1
                if not named(bare) and (name, what) not in NOTHING_IS_SAID_BY:
                    unseen.append(f"{name}: {what}")
                transaction.rollback()
        assert done >= len(table.c)
    assert unseen == []


def _run(connection: Connection, statement: str, values: Row) -> None:
    connection.execute(text(statement), values)


def age(url: str, first: int = 1) -> None:
    """Make lines what the first promptops would have written: none seals its fact, no token commits to its secret."""
    with closing(Registry.open(url)) as registry, registry.read() as reader:
        trail = list(reader.audit_trail())
    statements = ["UPDATE token SET commitment = ''"] if first == 1 else []
    previous = trail[first - 2].hash if first > 1 else GENESIS
    for entry in trail[first - 1 :]:
        older = replace(entry, record="", previous=previous)
        previous = seal(older)
        values = f"record = '', previous = '{older.previous}', hash = '{previous}'"
        statements.append(f"UPDATE audit SET {values} WHERE seq = {entry.seq}")
    vandalise(url, *statements, f"UPDATE audit_head SET hash = '{previous}'")
