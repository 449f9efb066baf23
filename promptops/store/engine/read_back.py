"""Checks that the database kept a change: before the commit, it reads every row of the change back.

A trigger, a rule, a view or a row policy can swallow a row or alter it while the database reports success. So each fact
is read back with all its values and with the head that it moved, and each line of the log with its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, Table, bindparam, literal, select

from promptops.core.errors import ChangeNotKept
from promptops.core.model import AuditEntry
from promptops.store.schema import tables
from promptops.store.schema.rows import Values, audit_of

_audit, _journal, _outbox, _head, _deployment = (
    tables.audit,
    tables.journal,
    tables.outbox,
    tables.head,
    tables.deployment,
)
_LINES = (
    select(*_audit.c, _journal.c.ref)
    .join_from(_audit, _journal, _journal.c.seq == _audit.c.seq)
    .join(_outbox, _outbox.c.seq == _audit.c.seq)
    .where(_audit.c.seq.between(bindparam("first"), bindparam("last")))
    .order_by(_audit.c.seq)
)

Line = tuple[AuditEntry, str]
"""A line of the audit log and the name of its fact."""


def prove(connection: Connection, facts: Sequence[tuple[Table, Values]], lines: Sequence[Line]) -> None:
    """Make sure that these rows and the lines about them are there, as they were written.

    Raises:
        ChangeNotKept: naming the first that is not.
    """
    for table, values in facts:
        if connection.execute(_statement(table), values).first() is None:
            raise ChangeNotKept(f"a row of {table.name}")
    if lines:
        ends = {"first": lines[0][0].seq, "last": lines[-1][0].seq}
        there = {row.seq: (audit_of(row), row.ref) for row in connection.execute(_LINES, ends)}
        for line in lines:
            if there.get(line[0].seq) != line:
                raise ChangeNotKept(f"the line of the audit log about {line[1]}")


@cache
def _statement(table: Table) -> Select[int]:
    """Selects a row with all these values, except for numbers that the database gives itself."""
    query = select(literal(1)).where(*(_same(column) for column in table.c if column.name != "id")).limit(1)
    if table is _deployment:
        here = _head.c.app == bindparam("app"), _head.c.channel == bindparam("channel")
        query = query.where(select(1).where(*here, _head.c.revision >= bindparam("revision")).exists())
    return query


def _same(column: Column[Any]) -> ColumnElement[bool]:
    value = bindparam(column.name, type_=column.type)
    return column.is_not_distinct_from(value) if column.nullable else column == value
