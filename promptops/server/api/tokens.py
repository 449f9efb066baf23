"""Tokens over HTTP. A token makes, sees and takes back only such as have no more rights than itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from promptops.core import free_text
from promptops.core.errors import TokenNameTaken, TokenNotFound
from promptops.core.token import LIFETIME, Scope, Token
from promptops.operations import tokens as operations
from promptops.operations.tokens import TokenRequest
from promptops.server.http import openapi_examples
from promptops.server.http.call import CallOf
from promptops.server.http.json_schema import ACTOR, answered, answers, list_of, object_of, schema_of
from promptops.server.http.routing import Body, Routes
from promptops.wire.shapes import written

routes = Routes("Tokens")

_SECRET: Final = {"type": "string", "description": "Shown once; the registry keeps only a digest of it."}
_LIVES: Final = int(LIFETIME.total_seconds())
_Patterns = Annotated[list[str], Field(min_length=1, max_length=50, default_factory=lambda: ["*"])]
_Scopes = Annotated[
    list[Annotated[Scope, Field(strict=False)]],
    Field(min_length=1, max_length=20, default_factory=lambda: [Scope.READ]),
]


class NewToken(Body):
    """What a token is called, what it may do and where, and for how long."""

    name: Annotated[str, Field(max_length=63, examples=["support-bot-prod"])]
    scopes: _Scopes
    channels: _Patterns
    apps: _Patterns
    seconds: Annotated[int | None, Field(ge=1, le=2**40, description="Its life; null: it does not end.")] = _LIVES
    capped: Annotated[bool, Field(description="End at the latest with the token that makes it.")] = False


@routes.get(
    "/v1/tokens",
    scope=Scope.ADMIN,
    **answers(object_of(tokens=list_of(Token)), {"tokens": [written(openapi_examples.TOKEN)]}),
)
def tokens(call: CallOf) -> Response:
    """Every token that was ever made, oldest first; never a secret."""
    found = operations.list_tokens(call.registry, by=call.access.token)
    return answered({"tokens": [written(token) for token in found]})


@routes.post(
    "/v1/tokens",
    scope=Scope.ADMIN,
    errors=(TokenNameTaken,),
    **answers(
        object_of(token=schema_of(Token), secret=_SECRET),
        {"token": written(openapi_examples.TOKEN), "secret": openapi_examples.SECRET},
        takes={"name": "support-bot-prod", "channels": ["prod"], "apps": ["support-bot"], "seconds": 7_776_000},
        headers=(ACTOR,),
        status=201,
    ),
)
def create_token(call: CallOf, body: NewToken) -> Response:
    """Make a token.

    Asked for twice, the second is refused: a secret is shown once. The new token has no more rights than the one it
    is made with, and does not live longer.
    """
    request = TokenRequest(
        name=body.name,
        scopes=tuple(body.scopes),
        channels=tuple(body.channels),
        apps=tuple(body.apps),
        lifetime=None if body.seconds is None else timedelta(seconds=body.seconds),
        capped=body.capped,
    )
    made = operations.create_token(call.registry, request, actor=call.actor, now=call.now, by=call.access.token)
    return answered({"token": written(made.token), "secret": made.text}, status=201)


@routes.delete(
    "/v1/tokens/{token}",
    scope=Scope.ADMIN,
    errors=(TokenNotFound,),
    **answers(schema_of(Token), openapi_examples.REVOKED, headers=(ACTOR,)),
)
def revoke_token(
    call: CallOf, token: str, reason: Annotated[str, Query(max_length=free_text.LONGEST)] = ""
) -> Response:
    """Take a token back, at once and for ever.

    Taken back already: the first time stands.
    """
    gone = operations.revoke_token(
        call.registry, token, reason=reason, actor=call.actor, now=call.now, by=call.access.token
    )
    return answered(written(gone))
