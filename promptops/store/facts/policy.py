"""Policies: what a channel asks of a release, each time it changed; the first makes the channel."""

from __future__ import annotations

from promptops.core.model import Channel
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values, channel_of, channel_values


class _Policies(KeyedKind[Channel]):
    name = "policies"
    noun = Channel
    table = tables.channel_policy
    key = ("channel", "version")

    def line(self, fact: Channel) -> Line:
        who = {"actor": fact.actor, "at": fact.at, "reason": fact.reason}
        return {"action": "policy", "channel": fact.name, "after": f"version {fact.version}", **who}

    def values(self, fact: Channel) -> Values:
        return channel_values(fact)

    def fact(self, row: AnyRow) -> Channel:
        return channel_of(row)


KIND = _Policies()
