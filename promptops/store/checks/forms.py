"""Checks for edits that no fact shows: in the order and the numbers of rows, in the form of values, and in rows
that belong to no fact.

The database numbers releases, places of origin, profiles and quarantines by itself, and the greatest number counts as
the newest; so their order has to be that of the audit log. Lists and times are text on one database or on both: the
same list with another blank is an edit too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from sqlalchemy import Column, Connection, Dialect, case, func, select

from promptops.core.errors import Invalid
from promptops.core.faults import Fault
from promptops.store.faults import damage
from promptops.store.schema import tables
from promptops.store.schema.columns import Flag, Moment, TextTuple
from promptops.store.schema.guards import GUARDED

_audit, _release, _quarantine = tables.audit, tables.release, tables.quarantine
_EVENTS = ("quarantine", "unquarantine")
_GIVEN = """
SELECT CASE WHEN has_sequence_privilege(name, 'USAGE, SELECT') THEN pg_sequence_last_value(name::regclass) END
 FROM pg_get_serial_sequence(%(table)s, 'id') AS name
"""


def check_order(connection: Connection) -> Iterator[Fault]:
    """Rows that the database numbers must be in the order of the audit log, table by table."""
    release, quarantine, audit = _release.c, _quarantine.c, _audit.c
    releases = select(release.app, release.version + " " + release.digest).order_by(release.app, release.id)
    lines = select(audit.app, audit.after).where(audit.action == "release").order_by(audit.app, audit.seq)
    yield from _compared(connection, "releases", releases, lines)
    action = case((quarantine.lifted, "unquarantine"), else_="quarantine")
    events = select(quarantine.channel, quarantine.app, quarantine.version + " " + quarantine.digest, action)
    events = events.order_by(quarantine.channel, quarantine.app, quarantine.id)
    about = select(audit.channel, audit.app, audit.after, audit.action).where(audit.action.in_(_EVENTS))
    yield from _compared(connection, "quarantines", events, about.order_by(audit.channel, audit.app, audit.seq))


def _compared(connection: Connection, kind: str, rows: Any, lines: Any) -> Iterator[Fault]:
    """Yields a fault for the first difference between two lists."""
    for row, line in zip_longest(connection.execute(rows), connection.execute(lines)):
        if row is None or line is None or tuple(row) != tuple(line):
            what = "the rows are not in the order of their lines of the audit log, or are others"
            yield damage("fact-changed", what, " ".join([kind, *map(str, line if line is not None else row)]))
            return


def check_numbers(connection: Connection) -> Iterator[Fault]:
    """Check that the database gave the numbers of rows, and that tables of one row have one."""
    for table in (tables.registry, tables.audit_head):
        found = list(connection.execute(select(table.c.id).order_by(table.c.id)).scalars())
        if found != [1]:
            yield damage("fact-changed", f"it has one row, of number 1, and there are {found}", table.name)
    for name in ("release", "provenance", "profile", "quarantine"):
        column = tables.metadata.tables[name].c.id
        low, top, count = connection.execute(select(func.min(column), func.max(column), func.count())).one()
        given = count
        if connection.dialect.name != "sqlite":
            given = connection.exec_driver_sql(_GIVEN, {"table": name}).scalar()
        if count and given is not None and (low < 1 or top > given):
            what = f"its rows have numbers from {low} to {top}, and the database gave 1 to {given}"
            yield damage("fact-changed", what, name)


def check_forms(connection: Connection) -> Iterator[Fault]:
    """Lists, times and flags are written as promptops writes them, to the last blank."""
    kinds = (TextTuple, Moment, Flag) if connection.dialect.name == "sqlite" else (TextTuple,)
    for name in sorted(GUARDED):
        table = tables.metadata.tables[name]
        columns = [column for column in table.c if isinstance(column.type, kinds)]
        asked = ", ".join(f'"{column.name}"' for column in [*table.primary_key, *columns])
        if columns:
            for row in connection.exec_driver_sql(f'SELECT {asked} FROM "{name}"'):  # noqa: S608 names of ours
                values = row[-len(columns) :]
                for column, value in zip(columns, values, strict=True):
                    if not _written(column, value, connection.dialect):
                        where = " ".join([name, *map(str, row[: -len(columns)])])
                        yield damage("fact-changed", f"{column.name} is written as promptops never writes it", where)


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
