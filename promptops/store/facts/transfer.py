"""Transfers: an app belongs to another repository, or another path, from then on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from promptops.core.origin import Origin
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """An app was transferred to an origin. ``number`` counts the transfers of the app: 1, 2, 3 …"""

    app: str
    number: int
    origin: Origin
    reason: str
    actor: str
    at: datetime


class _Transfers(KeyedKind[Transfer]):
    name = "transfers"
    noun = Transfer
    table = tables.transfer
    key = ("app", "number")

    def line(self, fact: Transfer) -> Line:
        who = {"actor": fact.actor, "at": fact.at, "reason": fact.reason}
        return {"action": "transfer", "app": fact.app, "after": label(fact.origin), **who}

    def values(self, fact: Transfer) -> Values:
        values = asdict(fact)
        return {**values.pop("origin"), **values}

    def fact(self, row: AnyRow) -> Transfer:
        origin = Origin(repository=row.repository, path=row.path, root=row.root)
        return Transfer(app=row.app, number=row.number, origin=origin, reason=row.reason, actor=row.actor, at=row.at)


def label(origin: Origin) -> str:
    """An origin as the audit log names it. Frozen: every line is sealed with it."""
    return f"{origin.repository} {origin.path}"


KIND = _Transfers()
