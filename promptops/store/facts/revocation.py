"""Revocations: a token that was taken back, for ever."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Select, select

from promptops.core.token import Revocation
from promptops.store.facts.kind import KeyedKind, Line
from promptops.store.queries.tokens import revocation_of
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values

_token = tables.token.c


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedToken:
    """A token, by id and name, that was taken back."""

    id: str
    name: str
    revocation: Revocation


class _Revocations(KeyedKind[RevokedToken]):
    name = "revocations"
    noun = RevokedToken
    table = tables.token_revocation
    key = ("token",)

    def line(self, fact: RevokedToken) -> Line:
        revoked = fact.revocation
        who = {"actor": revoked.actor, "at": revoked.at, "reason": revoked.reason}
        return {"action": "revoke-token", "after": f"{fact.id} {fact.name}", **who}

    def values(self, fact: RevokedToken) -> Values:
        return {"token": fact.id, **asdict(fact.revocation)}

    def query(self) -> Select[*tuple[Any, ...]]:
        return select(*self.table.c, _token.name).join_from(self.table, tables.token, _token.id == self.table.c.token)

    def fact(self, row: AnyRow) -> RevokedToken:
        return RevokedToken(id=row.token, name=row.name, revocation=revocation_of(row))


KIND = _Revocations()
