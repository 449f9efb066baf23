"""Evidence: what is known of a release's digest, with its case table."""

from __future__ import annotations

from promptops.core.evidence.evidence import Evidence
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.queries.evidence import evidence_of, evidence_values
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Evidence(KeyedKind[Evidence]):
    name = "evidence"
    noun = Evidence
    apart = ("table",)
    content = "table"
    file = "table.zlib"
    table = tables.evidence
    key = ("id",)

    def line(self, fact: Evidence) -> Line:
        who = {"actor": fact.actor, "at": fact.at, "reason": fact.note}
        return {"action": "evidence", "app": fact.app, "after": f"{fact.id} {fact.digest}", **who}

    def values(self, fact: Evidence) -> Values:
        return evidence_values(fact)

    def fact(self, row: AnyRow) -> Evidence:
        return evidence_of(row)

    def flaw(self, fact: Evidence) -> str:
        return fact.flaw


KIND = _Evidence()
