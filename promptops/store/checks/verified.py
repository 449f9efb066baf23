"""What an earlier check of this database read, so that the next one may begin behind it.

Rows that were read are not read again. But they are counted, and the rows of newer lines are taken off: so a fact that
was deleted is missed, and no other one that was added meanwhile hides that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from promptops.core.audit import GENESIS
from promptops.core.faults import Fault
from promptops.store.facts.kind import kind_of
from promptops.store.faults import damage
from promptops.store.journal.records import entries, load
from promptops.store.reader import Reader
from promptops.store.schema import tables
from promptops.store.schema.guards import GUARDED

_PAGE = 200  # facts in memory at a time, releases with their contents among them


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The newest line of the audit log that was verified, its hash, and the rows of all lines up to it by table."""

    seq: int = 0
    hash: str = GENESIS
    rows: Mapping[str, int] = field(default_factory=dict)


NOTHING = Verified()


def rows_up_to(reader: Reader, seq: int) -> Mapping[str, int]:
    """Returns how many rows of each guarded table belong to the lines up to this one."""
    return _rows(reader._connection, seq)


def check_rows(connection: Connection, since: Verified) -> Iterator[Fault]:
    """As many rows of verified lines are there as when they were verified."""
    rows = _rows(connection, since.seq) if since.rows else {}
    for table, count in since.rows.items():
        if rows.get(table, 0) < count:
            what = f"{count:,} rows of the lines up to {since.seq:,} were verified, and {rows.get(table, 0):,} are left"
            yield damage("audit-broken" if table == tables.audit.name else "fact-missing", what, table)


def _rows(connection: Connection, seq: int) -> Mapping[str, int]:
    names = sorted(GUARDED)
    counts = (select(func.count()).select_from(tables.metadata.tables[name]).scalar_subquery() for name in names)
    rows = Counter(dict(zip(names, connection.execute(select(*counts)).one(), strict=True)))
    last = seq
    while page := entries(connection, after=last, limit=_PAGE):
        facts = load(connection, page)
        rows.subtract({tables.audit.name: len(page), tables.journal.name: len(page)})
        for entry in page:
            if (fact := facts.get(entry.seq)) is not None:
                made = kind_of(fact).rows(fact, actor=entry.audit.actor, at=entry.audit.at)
                rows.subtract(table.name for table, _ in made)
        last = page[-1].seq
    return rows
