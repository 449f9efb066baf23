"""Approvals: a person approved of a release for a channel, or took that back."""

from __future__ import annotations

from dataclasses import asdict

from promptops.core.errors import Invalid
from promptops.core.evidence.approval import Approval
from promptops.core.model import ReleaseRef
from promptops.store.facts.kind import KeyedKind, Line, label
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Approvals(KeyedKind[Approval]):
    name = "approvals"
    noun = Approval
    table = tables.approval
    key = ("number",)

    def line(self, fact: Approval) -> Line:
        where = {"app": fact.app, "channel": fact.channel, "after": f"{label(self.release(fact))} {fact.subject}"}
        action = "approve" if fact.withdraws is None else "withdraw-approval"
        return {"action": action, **where, "actor": fact.actor, "at": fact.at, "reason": fact.reason}

    def values(self, fact: Approval) -> Values:
        return asdict(fact)

    def fact(self, row: AnyRow) -> Approval:
        try:
            return Approval(**row._mapping)
        except Invalid as error:
            raise ValueError(error.message) from error

    def release(self, fact: Approval) -> ReleaseRef:
        return ReleaseRef(version=fact.version, digest=fact.digest)


KIND = _Approvals()
