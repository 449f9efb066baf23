"""What every kind of fact says about its facts; the table of all kinds.

A fact is a frozen dataclass. Its kind is one object that knows the rest: the fact's name in the journal, the fields of
its audit line, what stays out of its record, its rows, and how to find it again by a line of the journal.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, Text, and_, cast, func, literal, select, tuple_

from promptops.core.faults import Fault
from promptops.core.model import AuditEntry, ReleaseRef
from promptops.store.faults import damage
from promptops.store.schema import tables
from promptops.store.schema.columns import Number
from promptops.store.schema.rows import AnyRow, Values


class Fact(Protocol):
    """Something that happened, in full: a frozen dataclass that has a :class:`FactKind`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A line of the audit log and the name of the fact it is about."""

    seq: int
    ref: str
    audit: AuditEntry

    def segment(self, place: int) -> str:
        """One segment of the name, from 0; empty where there are fewer."""
        segments = self.ref.split("/")
        return segments[place] if place < len(segments) else ""


Entries = Sequence[JournalEntry]
Facts = Mapping[int, Fact]
"""Facts by the number of their audit line."""
Line = Mapping[str, Any]
"""Fields of an audit line by name."""


class FactKind(ABC, Generic[F]):
    """One kind of fact."""

    name: ClassVar[str]
    """The first segment of its names in the journal."""
    noun: type[F]
    apart: ClassVar[tuple[str, ...]] = ()
    """Fields of the noun that stay out of its record: they are facts of their own, must not leave the database, or are
    its ``content``."""
    content: ClassVar[str] = ""
    """The field of the noun whose bytes go to git in a ``file`` of their own beside the record, which has their digest;
    empty for a kind whose record is all of it."""
    file: ClassVar[str] = "content.json"

    @abstractmethod
    def ref(self, fact: F, seq: int) -> str:
        """The name of a fact whose line of the audit log has this number."""

    @abstractmethod
    def line(self, fact: F) -> Line:
        """The fields of the audit line that follow from the fact; the writer's caller passes the others."""

    @abstractmethod
    def rows(self, fact: F, *, actor: str, at: datetime) -> Iterable[tuple[Table, Values]]:
        """The rows of a fact that this actor wrote at this time, in the order in which they are inserted."""

    @abstractmethod
    def load(self, connection: Connection, page: Entries) -> Facts:
        """The facts of these lines, which all name this kind, in a few queries. Those that are not there are left out.

        Raises:
            ValueError, KeyError, TypeError: a row holds what promptops never writes.
        """

    @abstractmethod
    def unrecorded(self, connection: Connection) -> Iterator[Fault]:
        """Rows that no line of the journal names."""

    def disordered(self, connection: Connection) -> Iterator[Fault]:
        """Rows that the database numbered in another order than that of the audit log; few kinds have such rows."""
        return iter(())

    def release(self, fact: F) -> ReleaseRef | None:
        """The release that the fact is about."""
        return None

    def flaw(self, fact: F) -> str:
        """Why a fact contradicts itself; an empty string if it does not."""
        return ""


class KeyedKind(FactKind[F]):
    """A kind whose facts are one row each, in a table whose ``key`` is what the name says after the kind's own.

    A module that gives a table, its key and the two directions between row and noun needs nothing else of a kind but
    the audit line.
    """

    table: ClassVar[Table]
    key: ClassVar[tuple[str, ...]]
    """Columns of the table, in the order of the segments of a name."""

    @abstractmethod
    def values(self, fact: F) -> Values:
        """The row of a fact."""

    @abstractmethod
    def fact(self, row: AnyRow) -> F:
        """The fact of a row of :meth:`query`."""

    def query(self) -> Select[*tuple[Any, ...]]:
        """What :meth:`fact` reads, the columns of the key among it."""
        return select(*self.table.c)

    def ref(self, fact: F, seq: int) -> str:
        values = self.values(fact)
        return "/".join([self.name, *(str(values[column]) for column in self.key)])

    def rows(self, fact: F, *, actor: str, at: datetime) -> Iterable[tuple[Table, Values]]:
        return [(self.table, self.values(fact))]

    def load(self, connection: Connection, page: Entries) -> Facts:
        wanted = {entry.seq: self.key_in(entry) for entry in page}
        known = {
            tuple(row._mapping[column] for column in self.key): self.fact(row)
            for row in rows_by(connection, self.query(), self.table, self.key, wanted.values())
        }
        return {seq: known[key] for seq, key in wanted.items() if key in known}

    def key_in(self, entry: JournalEntry) -> tuple[str | int, ...]:
        """The values of the key that a name says."""
        return tuple(
            number_in(entry.segment(place)) if isinstance(self.table.c[column].type, Number) else entry.segment(place)
            for place, column in enumerate(self.key, 1)
        )

    def unrecorded(self, connection: Connection) -> Iterator[Fault]:
        ref: ColumnElement[str] = literal(self.name)
        for column in self.key:
            ref = ref + "/" + cast(self.table.c[column], Text)
        there = select(1).where(tables.journal.c.ref == ref).exists()
        for (name,) in connection.execute(select(ref).select_from(self.table).where(~there).order_by(ref)):
            yield damage("fact-unrecorded", "no line of the audit log names it", str(name))


def rows_by(
    connection: Connection,
    query: Select[*tuple[Any, ...]],
    table: Table,
    key: Sequence[str],
    wanted: Iterable[tuple[str | int, ...]],
) -> list[AnyRow]:
    """Rows of a query on a table by some of its columns, in the order of these and then of its own."""
    columns = [table.c[name] for name in key]
    ordered = [*columns, *([table.c.id] if "id" in table.c else [])]
    return list(connection.execute(query.where(among(connection, columns, wanted)).order_by(*ordered)).all())


def among(
    connection: Connection, columns: Sequence[ColumnElement[Any]], wanted: Iterable[tuple[str | int, ...]]
) -> ColumnElement[bool]:
    """The condition that these columns have one of the wanted combinations of values."""
    keys = sorted(set(wanted))
    if len(keys) == 1:  # as nearly always, when a change is brought to git by itself
        return and_(*(column == value for column, value in zip(columns, keys[0], strict=True)))
    if len(columns) == 1:
        return columns[0].in_([one[0] for one in keys])
    if connection.dialect.name != "sqlite":
        return tuple_(*columns).in_(keys)
    # SQLite reads a whole index for a list of combinations, and searches it for each row of a query.
    each = func.json_each(json.dumps(keys)).table_valued("value")
    values = (func.json_extract(each.c.value, f"$[{place}]") for place in range(len(columns)))
    return tuple_(*columns).in_(select(*values))


def label(release: ReleaseRef | None) -> str:
    """A release as the audit log names it: version and digest, so that the chain binds the content."""
    return f"{release.version} {release.digest}" if release else ""


@cache
def kinds() -> Mapping[str, FactKind[Any]]:
    """Every kind of fact, by the first segment of its names: the ``KIND`` of each module beside this one."""
    modules = (import_module(f"{__package__}.{found.name}") for found in iter_modules([str(Path(__file__).parent)]))
    return {module.KIND.name: module.KIND for module in modules if hasattr(module, "KIND")}


@cache
def _by_noun() -> Mapping[type, FactKind[Any]]:
    return {kind.noun: kind for kind in kinds().values()}


def kind_of(fact: F) -> FactKind[F]:
    """The kind of a fact."""
    return _by_noun()[type(fact)]


def number_in(text: str) -> int:
    """The number that a segment of a name is; -1, which no row has, for anything else."""
    return int(text) if text.isdecimal() and len(text) < 19 else -1
