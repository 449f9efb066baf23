"""Tokens. A secret is in one document only, and only when it is new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from promptops.core.token import Revocation, Scope, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationDocument:
    """Who revoked a token, why and when."""

    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDocument:
    """A token without its secret. ``has_secret`` is false after the registry was rebuilt from git.

    Such a token is only a record. ``person`` is the address of the person who holds it; empty: it is no person's.
    """

    id: str
    name: str
    kind: str
    scopes: tuple[str, ...]
    channels: tuple[str, ...]
    apps: tuple[str, ...]
    prefix: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked: RevocationDocument | None
    has_secret: bool
    person: str = ""

    @classmethod
    def of(cls, token: Token, **more: Any) -> Self:
        gone = token.revoked
        return cls(
            id=token.id,
            name=token.name,
            kind=token.kind.value,
            scopes=tuple(scope.value for scope in token.scopes),
            channels=token.channels,
            apps=token.apps,
            prefix=token.prefix,
            created_at=token.created_at,
            created_by=token.created_by,
            expires_at=token.expires_at,
            revoked=RevocationDocument(actor=gone.actor, reason=gone.reason, at=gone.at) if gone else None,
            has_secret=token.has_secret,
            person=token.person,
            **more,
        )

    def token(self) -> Token:
        """Returns the token.

        Raises:
            ValueError, Invalid: no token is like this, or it has a scope that this version does not know.
        """
        gone = self.revoked
        return Token(
            id=self.id,
            name=self.name,
            scopes=tuple(map(Scope, self.scopes)),
            channels=self.channels,
            apps=self.apps,
            prefix=self.prefix,
            created_at=self.created_at,
            created_by=self.created_by,
            expires_at=self.expires_at,
            revoked=Revocation(actor=gone.actor, reason=gone.reason, at=gone.at) if gone else None,
            has_secret=self.has_secret,
            person=self.person,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTokenDocument(TokenDocument):
    """A token that was just made, with its secret: it is shown this once."""

    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensDocument:
    """Tokens, oldest first."""

    tokens: tuple[TokenDocument, ...]
