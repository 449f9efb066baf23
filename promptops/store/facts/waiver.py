"""Waivers: a person let one release go to a channel without one check of its gate."""

from __future__ import annotations

from dataclasses import asdict

from promptops.core.errors import Invalid
from promptops.core.evidence.approval import WARNED, Waiver
from promptops.core.model import ReleaseRef
from promptops.core.timestamp import timestamp
from promptops.store.facts.kind import KeyedKind, Line, label
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Waivers(KeyedKind[Waiver]):
    name = "waivers"
    noun = Waiver
    table = tables.waiver
    key = ("number",)

    def line(self, fact: Waiver) -> Line:
        warned = fact.check == WARNED
        ends = "" if warned else f" without {fact.check} until {timestamp(fact.expires_at)}"
        where = {"app": fact.app, "channel": fact.channel, "after": f"{label(self.release(fact))}{ends}"}
        return {
            "action": "gate-warned" if warned else "waive",
            **where,
            "actor": fact.actor,
            "at": fact.at,
            "reason": fact.reason,
        }

    def values(self, fact: Waiver) -> Values:
        return asdict(fact)

    def fact(self, row: AnyRow) -> Waiver:
        try:
            return Waiver(**row._mapping)
        except Invalid as error:
            raise ValueError(error.message) from error

    def release(self, fact: Waiver) -> ReleaseRef:
        return ReleaseRef(version=fact.version, digest=fact.digest)


KIND = _Waivers()
