"""Confirmations: a clean commit turned up that holds the content of a release which was cut from uncommitted files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection, Table, func, select

from promptops.core.faults import Fault
from promptops.core.model import Provenance, ReleaseRef
from promptops.store.facts.kind import Entries, FactKind, Facts, Line, label, rows_by
from promptops.store.facts.lookup import names_below, ranks, release_in, signed, surplus
from promptops.store.facts.release import provenance_of, provenance_values
from promptops.store.schema import tables
from promptops.store.schema.rows import Values

_provenance, _release = tables.provenance, tables.release


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A clean commit that holds the content of a release which was cut from uncommitted files."""

    app: str
    release: ReleaseRef
    provenance: Provenance


class _Confirmations(FactKind[Confirmation]):
    name = "confirmations"
    noun = Confirmation

    def ref(self, fact: Confirmation, seq: int) -> str:
        return f"{self.name}/{fact.app}/{fact.release.version}/{seq}"

    def line(self, fact: Confirmation) -> Line:
        reason = f"commit {fact.provenance.commit}"
        return {"action": "confirm", "app": fact.app, "after": label(fact.release), "reason": reason}

    def rows(self, fact: Confirmation, *, actor: str, at: datetime) -> Iterable[tuple[Table, Values]]:
        yield _provenance, provenance_values(fact.app, fact.release.digest, fact.provenance, actor, at)

    def load(self, connection: Connection, page: Entries) -> Facts:
        rank = ranks(connection, page)
        wanted = {entry.seq: (entry.segment(1), release_in(entry).digest) for entry in page}
        rows = rows_by(connection, select(_provenance), _provenance, ("app", "digest"), wanted.values())
        places = {key: list(group) for key, group in groupby(rows, key=lambda row: (row.app, row.digest))}
        return {
            entry.seq: Confirmation(app=entry.segment(1), release=release_in(entry), provenance=provenance_of(there[0]))
            for entry in page
            # The first place is the release's own.
            if signed(entry, there := places.get(wanted[entry.seq], [])[rank.get(entry.seq, 0) + 1 :])
        }

    def unrecorded(self, connection: Connection) -> Iterator[Fault]:
        same = (_provenance.c.app == _release.c.app) & (_provenance.c.digest == _release.c.digest)
        key = (_release.c.app, _release.c.version)
        counted = select(*key, func.count()).select_from(_provenance.join(_release, same)).group_by(*key)
        names = names_below(connection, self.name).values()
        counts = {f"{self.name}/{app}/{version}": count - 1 for app, version, count in connection.execute(counted)}
        return surplus(counts, (name.rpartition("/")[0] for name in names))

    def release(self, fact: Confirmation) -> ReleaseRef:
        return fact.release


KIND = _Confirmations()
