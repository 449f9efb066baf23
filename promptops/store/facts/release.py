"""Releases: the immutable content of an app, recorded as it was made: with its first provenance and without a yank."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select

from promptops.core.digest import digest as digest_of
from promptops.core.faults import Fault
from promptops.core.model import Bump, Provenance, Release, ReleaseRef
from promptops.store.facts.kind import Entries, Facts, KeyedKind, Line, label, rows_by
from promptops.store.facts.lookup import compared, signed
from promptops.store.schema import tables
from promptops.store.schema.rows import PROVENANCE_COLUMNS, RELEASE_COLUMNS, AnyRow, Values, release_values

_release, _provenance, _audit = tables.release.c, tables.provenance, tables.audit.c


class _Releases(KeyedKind[Release]):
    name = "releases"
    noun = Release
    apart = ("yank", "content")
    content = "content"
    table = tables.release
    key = ("app", "version")

    def line(self, fact: Release) -> Line:
        who = {"actor": fact.created_by, "at": fact.created_at, "reason": fact.notes}
        return {"action": "release", "app": fact.app, "after": label(fact.ref), **who}

    def values(self, fact: Release) -> Values:
        return release_values(fact)

    def rows(self, fact: Release, *, actor: str, at: datetime) -> Iterable[tuple[Table, Values]]:
        yield tables.release, release_values(fact)
        yield tables.provenance, provenance_values(fact.app, fact.digest, fact.provenance, actor, at)

    def query(self) -> Select[*tuple[Any, ...]]:
        return _QUERY

    def fact(self, row: AnyRow) -> Release:
        values = dict(zip([*RELEASE_COLUMNS, "content"], row, strict=False))
        place = dict(zip(PROVENANCE_COLUMNS, row[len(values) :], strict=False))
        return Release(**{**values, "bump": Bump(row.bump)}, provenance=Provenance(**place))

    def load(self, connection: Connection, page: Entries) -> Facts:
        wanted = {entry.seq: self.key_in(entry) for entry in page}
        by_key = rows_by(connection, self.query(), self.table, self.key, wanted.values())
        rows: dict[tuple[object, ...], list[AnyRow]] = {(row.app, row.version): [row] for row in by_key}
        there = {entry.seq: of_it for entry in page if signed(entry, of_it := rows.get(wanted[entry.seq], []))}
        return {seq: self.fact(row) for seq, (row,) in there.items()}

    def disordered(self, connection: Connection) -> Iterator[Fault]:
        named = _release.version + " " + _release.digest
        releases = select(_release.app, named).order_by(_release.app, _release.id)
        lines = select(_audit.app, _audit.after).where(_audit.action == "release").order_by(_audit.app, _audit.seq)
        return compared(connection, self.name, releases, lines)

    def release(self, fact: Release) -> ReleaseRef:
        return fact.ref

    def flaw(self, fact: Release) -> str:
        return "" if digest_of(fact.content) == fact.digest else "its content is not the bytes of its digest"


def provenance_columns() -> list[Any]:
    """What :func:`provenance_of` reads, then who wrote the row and when."""
    return [_provenance.c[name] for name in [*PROVENANCE_COLUMNS, "actor", "at"]]


def provenance_of(row: AnyRow) -> Provenance:
    return Provenance(**{name: row._mapping[name] for name in PROVENANCE_COLUMNS})


def provenance_values(app: str, digest: str, provenance: Provenance, actor: str, at: datetime) -> Values:
    return {"app": app, "digest": digest, "actor": actor, "at": at, **asdict(provenance)}


def _with_first_place() -> Select[*tuple[Any, ...]]:
    """Selects releases with the first place that each was read from, and who recorded it when."""
    other = _provenance.alias("other")
    first = select(func.min(other.c.id)).where(other.c.app == _release.app, other.c.digest == _release.digest)
    joined = tables.release.join(_provenance, _provenance.c.id == first.scalar_subquery())
    columns = [_release[name] for name in [*RELEASE_COLUMNS, "content"]]
    return select(*columns, *provenance_columns()).select_from(joined)


_QUERY = _with_first_place()
KIND = _Releases()
