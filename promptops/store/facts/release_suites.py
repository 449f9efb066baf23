"""Suites of releases: which an app had at the commit of a release, each time they changed."""

from __future__ import annotations

from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.queries.evidence import suites_of, suites_values
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Suites(KeyedKind[ReleaseSuites]):
    name = "suites"
    noun = ReleaseSuites
    table = tables.release_suites
    key = ("app", "number")

    def line(self, fact: ReleaseSuites) -> Line:
        after = f"{len(fact.suites)} of {fact.digest}"
        return {"action": "suites", "app": fact.app, "after": after, "actor": fact.actor, "at": fact.at}

    def values(self, fact: ReleaseSuites) -> Values:
        return suites_values(fact)

    def fact(self, row: AnyRow) -> ReleaseSuites:
        return suites_of(row)


KIND = _Suites()
