"""The exchange of an ID token of continuous integration for a token of the registry, where the settings name issuers.

Its route is declared only then: without issuers there is no such address.
"""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

from anyio import to_thread

from promptops.core.errors import NotAuthenticated
from promptops.core.oidc import exchange_key, subject
from promptops.operations.tokens import Minted, TokenRequest, exchange_token
from promptops.server.http.call import Call
from promptops.server.http.json_schema import answers
from promptops.server.http.replies import JSON, NOT_KEPT, Reply
from promptops.server.http.routing import OPEN, Routes
from promptops.server.http.samples import sample_of
from promptops.server.live.id_tokens import id_token
from promptops.server.live.limits import RequestKind
from promptops.use_cases.documents import form_of, written
from promptops.wire.codec import schema_of

routes = Routes("Tokens")
_log = logging.getLogger("promptops.server")
_DOCUMENT: Final[Any] = form_of(Minted).document


@routes.post(
    "/v1/token-exchange",
    scope=OPEN,
    direct=True,
    **answers(schema_of(_DOCUMENT), sample_of(_DOCUMENT), status=201),
)
async def exchange(call: Call) -> Reply:
    """Exchange an ID token of continuous integration for a token that lives for minutes.

    The ID token is in the Authorization header. It is exchanged once, and for what the first grant that its claims fit
    says; the token's line in the audit log has the subject and the issuer of the ID token.
    """
    try:
        made, who = await _exchanged(call, id_token(call.headers))
    except NotAuthenticated as error:
        _log.warning("an ID token was refused: %s", error.message)
        raise
    _log.info("%s got the token %s", who, made.token.name)
    return Reply(json.dumps(written(made)).encode(), JSON, NOT_KEPT, status=201)


async def _exchanged(call: Call, text: str) -> tuple[Minted, str]:
    """Returns the new token, and whose ID token it is for."""
    grant, claims = await call.state.id_tokens.judge(text, call.now)
    who = subject(claims)
    request = TokenRequest(
        name=grant.name, scopes=grant.scopes, channels=grant.channels, apps=grant.apps, lifetime=grant.lifetime
    )
    mint = partial(exchange_token, key=exchange_key(claims, text), actor=who, now=call.now)
    turns = call.state.turns_of(RequestKind.CHANGE, bulky=False, direct=False)
    with ExitStack() as held:
        if turns is not None:
            await call.take_turn(turns, call.state.settings.limits.deadline, held)
        return await to_thread.run_sync(partial(mint, call.registry, request)), who
