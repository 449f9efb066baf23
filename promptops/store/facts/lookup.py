"""How facts are found that have no row of their own name: by the order of their lines, or by what a line says.

Where a table counts its rows by itself (profiles, confirmations), the n-th name belongs to the n-th row: both are
written under one lock. Where a fact does not say who made it and when, the row does, and has to say what the line of
the log says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from promptops.core.faults import Fault
from promptops.core.model import ReleaseRef
from promptops.store.facts.kind import JournalEntry
from promptops.store.faults import damage
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow

_journal = tables.journal


def release_in(entry: JournalEntry) -> ReleaseRef:
    """The release that the audit line is about."""
    version, _, digest = entry.audit.after.partition(" ")
    return ReleaseRef(version=version, digest=digest)


def names_below(connection: Connection, prefix: str) -> Mapping[int, str]:
    """The names that begin with these segments, by the numbers of their audit lines, in the order of these."""
    query = select(_journal.c.seq, _journal.c.ref).where(*_below(prefix)).order_by(_journal.c.seq)
    return {row.seq: row.ref for row in connection.execute(query)}


def _below(prefix: str) -> tuple[ColumnElement[bool], ...]:
    return _journal.c.ref > f"{prefix}/", _journal.c.ref < f"{prefix}0"


def ranks(connection: Connection, page: Iterable[JournalEntry]) -> Mapping[int, int]:
    """The place of each name among those that differ from it in the last segment only, from 0, by audit line.

    What is before a page is only counted: an app may have thousands of such names.
    """
    seq, prefixes = _journal.c.seq, dict[str, list[int]]()
    for entry in page:
        prefixes.setdefault(entry.ref.rpartition("/")[0], []).append(entry.seq)
    places: dict[int, int] = {}
    for prefix, seqs in prefixes.items():
        before = select(func.count()).where(*_below(prefix), seq < min(seqs)).scalar_subquery()
        names = select(seq, before).where(*_below(prefix), seq.between(min(seqs), max(seqs))).order_by(seq)
        places |= {row[0]: row[1] + place for place, row in enumerate(connection.execute(names))}
    return places


def signed(entry: JournalEntry, rows: Sequence[AnyRow]) -> bool:
    """Whether there is a row, and the first says the actor and the time of the line."""
    return bool(rows) and (rows[0].actor, rows[0].at) == (entry.audit.actor, entry.audit.at)


def surplus(rows: Mapping[str, int], names: Iterable[str]) -> Iterator[Fault]:
    """Beginnings of names that have more rows than names."""
    lines = Counter(names)
    for place, count in sorted(rows.items()):
        if count > lines[place]:
            what = f"there are {count} rows, and the audit log speaks of {lines[place]}"
            yield damage("fact-unrecorded", what, place)


def compared(
    connection: Connection, kind: str, rows: Select[*tuple[Any, ...]], lines: Select[*tuple[Any, ...]]
) -> Iterator[Fault]:
    """Yields a fault for the first difference between rows and their lines of the audit log."""
    for row, line in zip_longest(connection.execute(rows), connection.execute(lines)):
        if row is None or line is None or tuple(row) != tuple(line):
            what = "the rows are not in the order of their lines of the audit log, or are others"
            yield damage("fact-changed", what, " ".join([kind, *map(str, line if line is not None else row)]))
            return
