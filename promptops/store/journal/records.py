"""The journal -> records: names of facts become the facts themselves, a page at a time, in a few queries each.

Everything is read as possibly tampered with: what cannot be read is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from promptops.store.facts.kind import Entries, Fact, FactKind, Facts, JournalEntry, kinds
from promptops.store.facts.record import Record, flaw
from promptops.store.schema import tables
from promptops.store.schema.rows import audit_of

_AT_ONCE = 500  # values in a list of a query: few queries, below the limit of SQLite
_journal = tables.journal
_ENTRIES = (
    select(*tables.audit.c, _journal.c.ref)
    .join_from(tables.audit, _journal, _journal.c.seq == tables.audit.c.seq)
    .order_by(_journal.c.seq)
)
_AFTER = _ENTRIES.where(_journal.c.seq > bindparam("after"))
_PAGE = _AFTER.limit(bindparam("page"))


def entries(
    connection: Connection, seqs: Sequence[int] | None = None, *, after: int = 0, limit: int | None = None
) -> tuple[JournalEntry, ...]:
    """Lines of the journal with these numbers, or after one of them, in order."""
    if seqs is None:
        after_it = {"after": after}
        rows = connection.execute(*((_AFTER, after_it) if limit is None else (_PAGE, after_it | {"page": limit}))).all()
    else:
        wanted = sorted(seqs)[:limit]
        rows = [row for part in _parts(wanted) for row in connection.execute(_ENTRIES.where(_journal.c.seq.in_(part)))]
    return tuple(JournalEntry(seq=row.seq, ref=row.ref, audit=audit_of(row)) for row in rows)


def records(connection: Connection, page: Entries) -> tuple[Record, ...]:
    """The records of these entries, in their order, without those that ``flaw`` objects to."""
    facts = load(connection, page)
    in_page = (Record(ref=e.ref, audit=e.audit, fact=facts[e.seq]) for e in page if e.seq in facts)
    return tuple(record for record in in_page if not flaw(record))


def load(connection: Connection, page: Entries) -> Facts:
    """The facts that these entries name, as they are; those that are not there, or cannot be read, are left out."""
    by_kind: dict[str, list[JournalEntry]] = {}
    for entry in page:
        by_kind.setdefault(entry.segment(0), []).append(entry)
    facts: dict[int, Fact] = {}
    for name, of_kind in by_kind.items():
        if (kind := kinds().get(name)) is not None:
            for part in _parts(of_kind):
                facts.update(_load(connection, kind, part))
    return facts


def _load(connection: Connection, kind: FactKind[Any], part: Entries) -> Facts:
    """All of the part, or, where a row is not what the schema writes, each by itself."""
    try:
        return kind.load(connection, part)
    except (ValueError, KeyError, TypeError):
        if len(part) == 1:
            return {}
        return {seq: fact for entry in part for seq, fact in _load(connection, kind, [entry]).items()}


def _parts(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))
