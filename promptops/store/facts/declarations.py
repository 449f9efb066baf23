"""Declarations: what an app declares of its calls, each time it changed."""

from __future__ import annotations

from promptops.core.declarations import DeclarationsVersion
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.queries.declarations import declarations_of, declarations_values
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Declarations(KeyedKind[DeclarationsVersion]):
    name = "declarations"
    noun = DeclarationsVersion
    table = tables.declaration
    key = ("app", "number")

    def line(self, fact: DeclarationsVersion) -> Line:
        return {"action": "declarations", "app": fact.app, "actor": fact.actor, "at": fact.at}

    def values(self, fact: DeclarationsVersion) -> Values:
        return declarations_values(fact)

    def fact(self, row: AnyRow) -> DeclarationsVersion:
        return declarations_of(row)


KIND = _Declarations()
