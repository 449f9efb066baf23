"""An error -> the answer to a request: ``application/problem+json``, with the headers that go with its status.

The rule it keeps: nothing of a request is repeated that could be a secret, and a bug shows its number in the log and
nothing else. Who may not see every channel and app gets the same 404 for what is not there and for what is not theirs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    MethodNotAllowed,
    NotAuthenticated,
    NothingDeployed,
    PromptopsError,
    RegistryNotInitialised,
    RegistryUnavailable,
    RequestInvalid,
    TooManyRequests,
    Unavailable,
)
from promptops.wire.problem import MEDIA_TYPE, status_of, to_problem

RETRY_AFTER: Final = 2
"""Seconds after which it is worth to ask again what the registry could not answer."""

_SHOWN = 3
_SECRET = re.compile(rb"pops_\w+")


def problem(error: PromptopsError) -> Response:
    """The answer that tells of an error."""
    headers = {"cache-control": "no-store"}
    if isinstance(error, TooManyRequests):
        headers["retry-after"] = str(error.retry_after)
    elif isinstance(error, Unavailable):
        headers["retry-after"] = str(RETRY_AFTER)
    elif isinstance(error, NotAuthenticated):
        headers["www-authenticate"] = "Bearer"
    elif isinstance(error, MethodNotAllowed):
        headers["allow"] = ", ".join(error.known)
    return _answer(to_problem(error), status_of(type(error)), headers)


def broken(number: str) -> Response:
    """The answer when the server met an error of its own; ``number`` finds it in the log."""
    document = {
        "type": "about:blank",
        "title": "Error",
        "status": 500,
        "detail": "the server met an error of its own",
        "code": "internal-error",
        "kind": "Error",
        "hint": f"Its log has it under {number}.",
        "facts": {},
    }
    return _answer(document, 500, {"cache-control": "no-store"})


def concealed(error: PromptopsError) -> PromptopsError:
    """The error as it is told to who may not see everything: without names of what else there is."""
    if isinstance(error, (ChannelNotFound, AppNotFound, NothingDeployed)):
        return type(error)(error.message)
    if isinstance(error, (RegistryUnavailable, RegistryNotInitialised)):  # which say where the database is
        return type(error)("the registry cannot be used now", hint="The server's log says why.")
    return error


def malformed(flaws: Sequence[Mapping[str, Any]]) -> RequestInvalid:
    """The error for what pydantic says of a request: where and what, never the value."""
    said = [f"{'.'.join(str(part)[:80] for part in flaw['loc'])}: {flaw['msg']}" for flaw in flaws[:_SHOWN]]
    more = f" (and {len(flaws) - _SHOWN} more)" if len(flaws) > _SHOWN else ""
    return RequestInvalid("; ".join(said) + more, hint="GET /openapi.json describes what is taken.")


def redacted(said: bytes) -> bytes:
    """The same without what looks like a token: somebody may have put theirs where a name belongs."""
    return _SECRET.sub("pops_…".encode(), said)


def _answer(document: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(redacted(body), status_code=status, headers=dict(headers), media_type=MEDIA_TYPE)
