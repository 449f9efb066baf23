"""Tokens in the registry: rows <-> nouns, who has which secret, and what was taken back.

Statements are built when they are first used: a rollback needs none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal, select

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Invalid, RegistryDamaged, TokenNotFound
from promptops.core.token import Revocation, Scope, Token, commit
from promptops.store.schema import tables
from promptops.store.schema.rows import AnyRow, Values

TOKEN_COLUMNS = ["id", "name", "scopes", "channels", "apps", "prefix", "created_by", "created_at", "expires_at"]
TOKEN_COLUMNS += ["commitment", "person"]
_token, _secret, _revocation = tables.token, tables.token_secret, tables.token_revocation


# --- rows <-> nouns ------------------------------------------------------------------------------


def token_of(row: AnyRow, *, revoked: Revocation | None = None, has_secret: bool = True) -> Token:
    """A token of :data:`TOKEN_COLUMNS`; further columns may follow.

    Raises:
        ValueError: the row was changed, and no longer holds a token.
    """
    values: dict[str, Any] = dict(zip(TOKEN_COLUMNS, row, strict=False))
    values["scopes"] = tuple(Scope(scope) for scope in values["scopes"])
    try:
        return Token(**values, revoked=revoked, has_secret=has_secret)
    except Invalid as error:
        raise ValueError(error.message) from error


def token_values(token: Token) -> Values:
    """The columns of the token itself; its secret and its revocation are rows of their own."""
    values: Values = {name: getattr(token, name) for name in TOKEN_COLUMNS}
    return values | {"scopes": tuple(scope.value for scope in token.scopes)}


def revocation_of(row: AnyRow) -> Revocation:
    return Revocation(actor=row.actor, at=row.at, reason=row.reason)


# --- reading -------------------------------------------------------------------------------------


def tokens(connection: Connection) -> tuple[Token, ...]:
    """Every token that was ever made, oldest first."""
    return _read(connection, "all")


def find_token(connection: Connection, id: str) -> Token:
    """The token of this id.

    Raises:
        TokenNotFound: listing those that there are. RegistryDamaged: its row is not what was written.
    """
    for token in _read(connection, "by id", wanted=id):
        return token
    known = connection.execute(select(_token.c.id).order_by(_token.c.id))
    raise TokenNotFound(f"there is no token {id}", known=[each.id for each in known])


def token_by_secret(connection: Connection, digest: str) -> Token | None:
    """The token whose secret has this digest.

    Raises:
        RegistryDamaged: its row is not what was written.
    """
    return next(iter(_read(connection, "by secret", wanted=digest)), None)


@cache
def _statements() -> Mapping[str, Select[*tuple[Any, ...]]]:
    columns = [*(_token.c[name] for name in TOKEN_COLUMNS), _secret.c.digest]
    columns += [_revocation.c[name] for name in ("actor", "at", "reason")]
    joined = _token.outerjoin(_secret, _secret.c.token == _token.c.id)
    joined = joined.outerjoin(_revocation, _revocation.c.token == _token.c.id)
    every = select(*columns).select_from(joined)
    return {
        "all": every.order_by(_token.c.created_at, _token.c.id),
        "by id": every.where(_token.c.id == bindparam("wanted")),
        "by secret": every.where(_secret.c.digest == bindparam("wanted")),
    }


def _read(connection: Connection, statement: str, **parameters: str) -> tuple[Token, ...]:
    try:
        return tuple(map(_whole, connection.execute(_statements()[statement], parameters)))
    except (ValueError, TypeError) as error:
        hint = Sentence("Look closer: ", Advice(Action.FSCK))
        raise RegistryDamaged(f"a token's row is not what was written: {error}", hint=hint) from error


def _whole(row: AnyRow) -> Token:
    revoked = None if row.actor is None else revocation_of(row)
    return token_of(row, revoked=revoked, has_secret=row.digest is not None)


def changed_secrets(connection: Connection) -> Iterator[tuple[int, str, str]]:
    """Tokens whose secret was swapped or deleted: line of the log, id, problem.

    After a rebuild from git no token has a secret, which is no fault.
    """
    token, secret, binding = tables.token.c, tables.token_secret.c, tables.binding.c
    journal, audit = tables.journal, tables.audit
    rebuilt = select(func.coalesce(func.max(audit.c.seq), 0)).where(audit.c.action == "rebuild")
    last = connection.execute(rebuilt).scalar_one()
    line = journal.c.ref == literal("tokens/") + token.id
    joined = tables.token.outerjoin(tables.token_secret, secret.token == token.id).join(journal, line)
    joined = joined.join(audit, audit.c.seq == journal.c.seq)
    joined = joined.outerjoin(tables.binding, binding.seq == journal.c.seq)
    columns = (
        journal.c.seq,
        token.id,
        token.name,
        token.commitment,
        secret.digest,
        binding.secret,
        audit.c.record,
    )
    rows = connection.execute(select(*columns).select_from(joined).order_by(journal.c.seq))
    for seq, id, name, commitment, digest, bound, record in rows:
        committed = commitment or bound
        if digest is None and committed and seq > last:
            yield seq, id, f"the token '{name}' has lost the secret that it was created with"
        elif digest is not None and (record or bound is not None) and commit(id, digest) != committed:
            yield seq, id, f"the token '{name}' has a different secret than the one that it was created with"
