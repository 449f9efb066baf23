"""Runs: cases that are put to releases, each opened before its first call."""

from __future__ import annotations

from promptops.core.evidence.run import Run
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.queries.evidence import run_of, run_values
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Runs(KeyedKind[Run]):
    name = "runs"
    noun = Run
    apart = ("plan",)
    content = "plan"
    file = "plan.zlib"
    table = tables.run
    key = ("id",)

    def line(self, fact: Run) -> Line:
        after = f"{fact.id} {fact.candidate.digest}"
        return {"action": "open-run", "app": fact.app, "after": after, "actor": fact.actor, "at": fact.at}

    def values(self, fact: Run) -> Values:
        return run_values(fact)

    def fact(self, row: AnyRow) -> Run:
        return run_of(row)

    def flaw(self, fact: Run) -> str:
        return fact.flaw


KIND = _Runs()
