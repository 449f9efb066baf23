"""Removals of channels: a version of a policy is the last one, until another version makes the channel anew."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRemoval:
    """A channel was removed when its policy was at this version."""

    channel: str
    version: int
    reason: str
    actor: str
    at: datetime


class _Removals(KeyedKind[ChannelRemoval]):
    name = "removals"
    noun = ChannelRemoval
    table = tables.channel_removal
    key = ("channel", "version")

    def line(self, fact: ChannelRemoval) -> Line:
        who = {"actor": fact.actor, "at": fact.at, "reason": fact.reason}
        return {"action": "remove-channel", "channel": fact.channel, "before": f"version {fact.version}", **who}

    def values(self, fact: ChannelRemoval) -> Values:
        return asdict(fact)

    def fact(self, row: AnyRow) -> ChannelRemoval:
        return ChannelRemoval(**row._mapping)


KIND = _Removals()
