"""Stamps: somebody put a stamp of a colour on an app. The whole of a kind of fact, but for its table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A stamp on an app."""

    app: str
    number: int
    colour: str
    actor: str
    at: datetime


class _Stamps(KeyedKind[Stamp]):
    name = "stamps"
    noun = Stamp
    table = tables.metadata.tables["stamp"]
    key = ("app", "number")

    def line(self, fact: Stamp) -> Line:
        who = {"actor": fact.actor, "at": fact.at}
        return {"action": "stamp", "app": fact.app, "after": f"stamp {fact.number} {fact.colour}", **who}

    def values(self, fact: Stamp) -> Values:
        return asdict(fact)

    def fact(self, row: AnyRow) -> Stamp:
        return Stamp(**row._mapping)


KIND = _Stamps()
