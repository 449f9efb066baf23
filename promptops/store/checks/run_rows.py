"""The rows of a run, which are no facts of their own, against its newest evidence, which is one."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, func, literal, select

from promptops.core.errors import Invalid, RegistryDamaged, RunNotFound
from promptops.core.evidence.evidence import table_of
from promptops.core.faults import Fault
from promptops.store.checks.verified import NOTHING, Verified
from promptops.store.faults import damage
from promptops.store.queries.evidence import find_evidence, find_run, run_rows
from promptops.store.schema import tables

_evidence, _row, _journal = tables.evidence.c, tables.run_row.c, tables.journal.c


def check_run_rows(connection: Connection, since: Verified = NOTHING) -> Iterator[Fault]:
    """What a run reported is what its evidence says; one that is complete has no further rows.

    After a rebuild from git there are no rows, and the evidence has them.
    """
    newest = select(_evidence.run, func.max(_evidence.number).label("number")).group_by(_evidence.run).subquery()
    joined = tables.evidence.join(newest, (_evidence.run == newest.c.run) & (_evidence.number == newest.c.number))
    joined = joined.join(tables.journal, _journal.ref == literal("evidence/") + _evidence.id)
    reported = select(1).where(_row.run == _evidence.run).exists()
    query = select(_evidence.id).select_from(joined).where(_journal.seq > since.seq, reported)
    for (id,) in connection.execute(query.order_by(_journal.seq)).all():
        yield from _compared(connection, id)


def _compared(connection: Connection, id: str) -> Iterator[Fault]:
    evidence = find_evidence(connection, id)
    where = f"runs/{evidence.run}"
    try:
        table = table_of(evidence, find_run(connection, evidence.run))
    except (Invalid, RunNotFound):  # the check of facts reports it
        return
    try:
        reported = run_rows(connection, evidence.run)
    except RegistryDamaged as error:
        yield damage("fact-changed", error.message, where)
        return
    standing = {row.place: row for row in table.rows}
    for row in reported:
        there = standing.get(row.place)
        if there is None and evidence.complete:
            yield damage("fact-unrecorded", f"its evidence is complete, and has no {row}", where)
        elif there is not None and there != row:
            yield damage("fact-changed", f"the {row} is not the one that its evidence has", where)
