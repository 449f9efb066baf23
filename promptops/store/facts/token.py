"""Tokens as they were made: neither taken back, nor without their secret, which is no part of the record."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from promptops.core.token import Token
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.queries.tokens import TOKEN_COLUMNS, token_of, token_values
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values


class _Tokens(KeyedKind[Token]):
    name = "tokens"
    noun = Token
    apart = ("revoked", "has_secret")
    table = tables.token
    key = ("id",)

    def line(self, fact: Token) -> Line:
        return {"action": "create-token", "after": str(fact), "actor": fact.created_by, "at": fact.created_at}

    def values(self, fact: Token) -> Values:
        return token_values(fact)

    def query(self) -> Select[*tuple[Any, ...]]:
        return select(*(self.table.c[name] for name in TOKEN_COLUMNS))

    def fact(self, row: AnyRow) -> Token:
        return token_of(row)


KIND = _Tokens()
