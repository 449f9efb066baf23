"""Tokens, as rows. A token makes, sees and revokes only such as have no more rights than itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from promptops.core import free_text
from promptops.core.errors import TokenNameTaken, TokenNotFound
from promptops.core.token import Scope, Token
from promptops.operations import tokens
from promptops.operations.tokens import Minted, TokenRequest
from promptops.use_cases.fields import SECONDS_OR_NONE, body, path, query
from promptops.use_cases.use_case import UseCase

TOKENS: UseCase[None, tuple[Token, ...]] = UseCase(
    name="tokens",
    method="GET",
    path="/v1/tokens",
    scope=Scope.ADMIN,
    tag="Tokens",
    doc="Every token that was ever made, oldest first; never a secret.",
    run=lambda registry, request, caller: tokens.list_tokens(registry),
    answer=tuple[Token, ...],
    under="tokens",
)


CREATE_TOKEN = UseCase(
    name="create_token",
    method="POST",
    path="/v1/tokens",
    scope=Scope.ADMIN,
    tag="Tokens",
    doc="""Make a token.

    A second request for the same name is refused: a secret is shown once. The new token has no more rights than the
    one it is made with, and does not live longer.
    """,
    run=lambda registry, request, caller: tokens.create_token(
        registry, request, actor=caller.actor, now=caller.now, by=caller.rights.token
    ),
    request=TokenRequest,
    answer=Minted,
    status=201,
    body=("NewToken", "What a token is called, what it may do and where, and for how long."),
    fields=(
        body("name", max_length=63, example="support-bot-prod"),
        body("scopes", min_length=1, max_length=20),
        body("channels", min_length=1, max_length=50, example=["prod"]),
        body("apps", min_length=1, max_length=50, example=["support-bot"]),
        body(
            "seconds",
            "lifetime",
            form=SECONDS_OR_NONE,
            ge=1,
            le=2**40,
            description="Its life; null: it does not end.",
            example=7_776_000,
        ),
        body("capped", description="End at the latest with the token that makes it."),
        body(
            "person",
            max_length=254,
            description="The address of the one person who holds it; empty: it is no person's.",
            example="",
        ),
    ),
    errors=(TokenNameTaken,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeRequest:
    """Which token to revoke, by its id or, of several with one name, the newest; and why."""

    which: str
    reason: str = ""


def _by_id(run: Callable[..., Any], request: RevokeRequest) -> RevokeRequest:
    """The request with the token's id, which is what an address names."""
    every = run(TOKENS, None)
    named = [token for token in every if token.id == request.which]
    named = named or [token for token in every if token.name == request.which]
    if not named:
        known = [f"{token.id} ({token.name})" for token in every if token.revoked is None]
        raise TokenNotFound(f"there is no token '{request.which[:80]}'", known=known)
    return RevokeRequest(which=named[-1].id, reason=request.reason)


REVOKE_TOKEN = UseCase(
    name="revoke_token",
    method="DELETE",
    path="/v1/tokens/{token}",
    scope=Scope.ADMIN,
    tag="Tokens",
    doc="""Take a token back, at once and for ever.

    Taken back already: the first time stands.
    """,
    run=lambda registry, request, caller: tokens.revoke_token(
        registry,
        request.which,
        reason=request.reason,
        actor=caller.actor,
        now=caller.now,
        by=caller.rights.token,
    ),
    request=RevokeRequest,
    answer=Token,
    sample={"revoked": {"actor": "token on-call", "reason": "leaked", "at": "2026-03-01T18:30:05.120000Z"}},
    fields=(path("token", "which"), query("reason", max_length=free_text.LONGEST)),
    resolve=_by_id,
    errors=(TokenNotFound,),
)
