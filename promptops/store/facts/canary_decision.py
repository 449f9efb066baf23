"""Decisions of a policy about a canary."""

from __future__ import annotations

from promptops.core.canary.decision import CanaryDecision
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.queries.rollout_rows import decision_of, decision_values
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _CanaryDecisions(KeyedKind[CanaryDecision]):
    name = "canary-decisions"
    noun = CanaryDecision
    table = tables.canary_decision
    key = ("channel", "app", "revision")

    def line(self, fact: CanaryDecision) -> Line:
        return {
            "action": "canary-decision",
            "app": fact.app,
            "channel": fact.channel,
            "after": f"{fact.verb} of canary {fact.rollout} at revision {fact.revision}",
            "actor": fact.actor,
            "at": fact.at,
            "reason": fact.why,
        }

    def values(self, fact: CanaryDecision) -> Values:
        return decision_values(fact)

    def fact(self, row: AnyRow) -> CanaryDecision:
        return decision_of(row)


KIND = _CanaryDecisions()
