"""Yanks: a release that must never be served or promoted again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, func, select

from promptops.core.faults import Fault
from promptops.core.model import ReleaseRef, Yank
from promptops.store.facts.kind import Entries, FactKind, Facts, Line, label, rows_by
from promptops.store.facts.lookup import names_below, release_in, surplus
from promptops.store.schema import tables
from promptops.store.schema.rows import Values

_yank, _release = tables.yank, tables.release


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """The yank of a release."""

    app: str
    release: ReleaseRef
    yank: Yank


class _Yanks(FactKind[Withdrawal]):
    name = "yanks"
    noun = Withdrawal

    def ref(self, fact: Withdrawal, seq: int) -> str:
        return f"{self.name}/{fact.app}/{fact.release.version}"

    def line(self, fact: Withdrawal) -> Line:
        who = {"actor": fact.yank.actor, "at": fact.yank.at, "reason": fact.yank.reason}
        return {"action": "yank", "app": fact.app, "after": label(fact.release), **who}

    def rows(self, fact: Withdrawal, *, actor: str, at: datetime) -> Iterable[tuple[Table, Values]]:
        yield _yank, {"app": fact.app, "digest": fact.release.digest, **asdict(fact.yank)}

    def load(self, connection: Connection, page: Entries) -> Facts:
        wanted = {entry.seq: (entry.segment(1), release_in(entry).digest) for entry in page}
        rows = rows_by(connection, select(_yank), _yank, ("app", "digest"), wanted.values())
        known = {(row.app, row.digest): Yank(reason=row.reason, actor=row.actor, at=row.at) for row in rows}
        return {
            entry.seq: Withdrawal(app=entry.segment(1), release=release_in(entry), yank=known[wanted[entry.seq]])
            for entry in page
            if wanted[entry.seq] in known
        }

    def unrecorded(self, connection: Connection) -> Iterator[Fault]:
        same = (_yank.c.app == _release.c.app) & (_yank.c.digest == _release.c.digest)
        key = (_release.c.app, _release.c.version)
        counted = select(*key, func.count()).select_from(_yank.join(_release, same)).group_by(*key)
        counts = {f"{self.name}/{app}/{version}": count for app, version, count in connection.execute(counted)}
        return surplus(counts, names_below(connection, self.name).values())

    def release(self, fact: Withdrawal) -> ReleaseRef:
        return fact.release


KIND = _Yanks()
