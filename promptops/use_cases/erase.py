"""Erasing what was captured of calls, as a row."""

from __future__ import annotations

from promptops.core import free_text
from promptops.core.errors import AppNotFound, KeyReused, NotAllowed, RegistryMismatch
from promptops.core.outcomes.call_id import LONGEST
from promptops.core.outcomes.erasure import Erasure
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.erase import LONGEST_KEY, EraseRequest, erase
from promptops.use_cases.fields import CHANGE, KEY, body
from promptops.use_cases.use_case import UseCase


def _require(request: EraseRequest, scope: Scope, rights: Rights) -> None:
    """Check the app and channel of a call; those of a key are on every channel, and maybe of every app."""
    parts = request.call.split(":")
    app, channel = parts[2:4] if len(parts) == 8 else (request.app, "")
    rights.require(scope, channel=channel, app=app)
    token = rights.token
    if request.call or token is None:
        return
    if "*" not in token.channels or (not app and "*" not in token.apps):
        raise NotAllowed(
            "a key's calls are on every channel"
            + ("" if app else ", of every app")
            + ", and this token is not for all",
            scope=scope.value,
            hint="Name an app of the token, or erase calls one by one.",
        )


ERASE = UseCase(
    name="erase",
    method="POST",
    path="/v1/erasures",
    scope=Scope.ADMIN,
    doc="""Remove what was captured of a call, or of all calls of a key until now.

    Sums and counts stay. The audit log has the fact, without the key: with its units, which only the registry's secret
    relates to it. `of_key` is what the application gives as `key=`.
    """,
    run=lambda registry, request, caller: erase(registry, request, actor=caller.actor, now=caller.now),
    request=EraseRequest,
    answer=Erasure,
    body=("Erase", "Whose calls, and why."),
    sample={"call": "", "units": ["9f86d081884c7d65"], "reason": "request 4711"},
    fields=(
        KEY,
        body("of_key", max_length=LONGEST_KEY, example="user-4711"),
        body("call", max_length=LONGEST, example=""),
        body("app", max_length=63, example="support-bot"),
        body("reason", max_length=free_text.LONGEST, example="request 4711"),
    ),
    errors=(AppNotFound, RegistryMismatch, KeyReused),
    largest=CHANGE,
    require=_require,
)
