"""Rollouts: what holds for a canary from its start to its end."""

from __future__ import annotations

from promptops.core.canary.rollout_fact import Rollout
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.queries.rollout_rows import rollout_of, rollout_values
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Rollouts(KeyedKind[Rollout]):
    name = "rollouts"
    noun = Rollout
    table = tables.rollout
    key = ("channel", "app", "rollout")

    def line(self, fact: Rollout) -> Line:
        first = f", first for {fact.keys_count} keys {fact.keys_digest}" if fact.keys else ""
        after = f"canary {fact.rollout}{first}{', blind' if fact.blind else ''}"
        return {
            "action": "rollout",
            "app": fact.app,
            "channel": fact.channel,
            "after": after,
            "actor": fact.actor,
            "at": fact.at,
        }

    def values(self, fact: Rollout) -> Values:
        return rollout_values(fact)

    def fact(self, row: AnyRow) -> Rollout:
        return rollout_of(row)


KIND = _Rollouts()
