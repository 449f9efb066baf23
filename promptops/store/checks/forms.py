"""Checks for edits that no fact shows: in the numbers of rows, in the form of values, and in rows that belong to no
fact.

The database numbers releases, places of origin, profiles and quarantines by itself, and the greatest number counts as
the newest; so their order has to be that of the audit log. Lists and times are text on one database or on both: the
same list with another blank is an edit too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, Dialect, Table, func, select

from promptops.core.errors import Invalid
from promptops.core.faults import Fault
from promptops.store.checks.verified import NOTHING, Verified
from promptops.store.faults import damage
from promptops.store.schema import tables
from promptops.store.schema.columns import Flag, Moment, Number, TextTuple
from promptops.store.schema.guards import GUARDED

_release = tables.release
_OF_ONE_ROW = (tables.registry, tables.audit_head)
_GIVEN = """
SELECT CASE WHEN has_sequence_privilege(name, 'USAGE, SELECT') THEN pg_sequence_last_value(name::regclass) END
 FROM pg_get_serial_sequence(%(table)s, 'id') AS name
"""


def check_numbers(connection: Connection) -> Iterator[Fault]:
    """Check that the database gave the numbers of rows, and that tables of one row have one."""
    for table in _OF_ONE_ROW:
        ids = list(connection.execute(select(table.c.id).order_by(table.c.id)).scalars())
        if ids != [1]:
            yield damage("fact-changed", f"it has one row, of number 1, and there are {ids}", table.name)
    for table in tables.metadata.sorted_tables:
        if table in _OF_ONE_ROW or "id" not in table.c or not isinstance(table.c.id.type, Number):
            continue
        column = table.c.id
        low, top, count = connection.execute(select(func.min(column), func.max(column), func.count())).one()
        expected = count
        if connection.dialect.name != "sqlite":
            expected = connection.exec_driver_sql(_GIVEN, {"table": table.name}).scalar()
        if count and expected is not None and (low < 1 or top > expected):
            what = f"its rows have numbers from {low} to {top}, and the database gave 1 to {expected}"
            yield damage("fact-changed", what, table.name)


def check_forms(connection: Connection, since: Verified = NOTHING) -> Iterator[Fault]:
    """Lists, times and flags are written as promptops writes them, to the last blank."""
    kinds = (TextTuple, Moment, Flag) if connection.dialect.name == "sqlite" else (TextTuple,)
    for name in sorted(GUARDED):
        table = tables.metadata.tables[name]
        columns = [column for column in table.c if isinstance(column.type, kinds)]
        names = ", ".join(f'"{column.name}"' for column in [*table.primary_key, *columns])
        if columns:
            newer = _newer(table, since, connection.dialect)
            for row in connection.exec_driver_sql(f'SELECT {names} FROM "{name}"{newer}'):  # noqa: S608 names of ours
                values = row[-len(columns) :]
                for column, value in zip(columns, values, strict=True):
                    if not _written(column, value, connection.dialect):
                        where = " ".join([name, *map(str, row[: -len(columns)])])
                        yield damage("fact-changed", f"{column.name} is written as promptops never writes it", where)


def _newer(table: Table, since: Verified, dialect: Dialect) -> str:
    """The end of a query for the rows behind those that were verified; of tables in another order, for all."""
    if "seq" in table.c:
        return f' WHERE "seq" > {since.seq}'
    if since.rows.get(table.name) and "id" in table.c and isinstance(table.c.id.type, Number):
        limit = "LIMIT -1 " if dialect.name == "sqlite" else ""
        return f' ORDER BY "id" {limit}OFFSET {since.rows[table.name]}'
    return ""


def _written(column: Column[Any], value: Any, dialect: Dialect) -> bool:
    if isinstance(column.type, Flag):
        return value in (0, 1)
    assert isinstance(column.type, TextTuple | Moment)
    try:
        again: object = column.type.process_bind_param(column.type.process_result_value(value, dialect), dialect)  # type: ignore[arg-type]
    except (ValueError, TypeError, Invalid):
        return False
    return bool(again == value)


def check_apps(connection: Connection) -> Iterator[Fault]:
    """An app is there because something of it was released."""
    app = tables.app.c.name
    released = select(1).where(_release.c.app == app).exists()
    for (name,) in connection.execute(select(app).where(~released).order_by(app)):
        yield damage("fact-unrecorded", "nothing of it was ever released", f"app {name}")
