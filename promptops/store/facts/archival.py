"""Archivals: an app is put away from then on, or back; perhaps another one is its successor."""

from __future__ import annotations

from dataclasses import asdict

from promptops.core.archival import Archival
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Archivals(KeyedKind[Archival]):
    name = "archivals"
    noun = Archival
    table = tables.archival
    key = ("app", "number")

    def line(self, fact: Archival) -> Line:
        who = {"actor": fact.actor, "at": fact.at, "reason": fact.reason}
        action = ("rename" if fact.successor else "archive") if fact.archived else "unarchive"
        return {"action": action, "app": fact.app, "after": fact.successor, **who}

    def values(self, fact: Archival) -> Values:
        return asdict(fact)

    def fact(self, row: AnyRow) -> Archival:
        return Archival(**row._mapping)


KIND = _Archivals()
