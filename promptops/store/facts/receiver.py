"""Receivers: who is sent notifications, each time that changed."""

from __future__ import annotations

from promptops.core.notifications.receiver import Receiver
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.queries.deliveries import receiver_of, receiver_values
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Receivers(KeyedKind[Receiver]):
    name = "receivers"
    noun = Receiver
    table = tables.receiver
    key = ("name", "version")

    def line(self, fact: Receiver) -> Line:
        after = f"{fact.name} version {fact.version}" + ("" if fact.settings is not None else ", removed")
        return {"action": "notify", "after": after, "actor": fact.actor, "at": fact.at, "reason": fact.reason}

    def values(self, fact: Receiver) -> Values:
        return receiver_values(fact)

    def fact(self, row: AnyRow) -> Receiver:
        return receiver_of(row)


KIND = _Receivers()
