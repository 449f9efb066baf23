"""Erasures: what was captured of calls was removed. The key that they were of is in no fact, only its units."""

from __future__ import annotations

from dataclasses import asdict

from promptops.core.errors import Invalid
from promptops.core.outcomes.erasure import Erasure
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Erasures(KeyedKind[Erasure]):
    name = "erasures"
    noun = Erasure
    table = tables.erasure
    key = ("number",)

    def line(self, fact: Erasure) -> Line:
        of = fact.call or (f"unit {fact.units[0]}" if len(fact.units) == 1 else f"{len(fact.units)} units")
        who = {"actor": fact.actor, "at": fact.at, "reason": fact.reason}
        return {"action": "erase", "app": fact.app, "after": f"{of}: {fact.calls} calls", **who}

    def values(self, fact: Erasure) -> Values:
        return asdict(fact)

    def fact(self, row: AnyRow) -> Erasure:
        try:
            return Erasure(**row._mapping)
        except Invalid as error:
            raise ValueError(error.message) from error


KIND = _Erasures()
