"""Turns an error into the answer to a request: ``application/problem+json``, with the headers of its status.

An answer repeats nothing of a request that could be a secret, and of a bug it has only the number in the log. A token
that may not see every channel and app gets the same 404 for what does not exist and for what it may not see.
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
from promptops.server.http.advice import link
from promptops.wire.problem import MEDIA_TYPE, status_of, to_problem

RETRY_AFTER: Final = 2
"""Seconds after which a client may try again when the registry did not answer: short, yet it spares a busy database."""

_SHOWN = 3  # faults of a body that one answer lists; a wrong document may have thousands
_SECRET = re.compile(rb"pops_\w+")


def problem(error: PromptopsError) -> Response:
    """Returns the answer for an error."""
    headers = {"cache-control": "no-store"}
    if isinstance(error, TooManyRequests):
        headers["retry-after"] = str(error.retry_after)
    elif isinstance(error, Unavailable):
        headers["retry-after"] = str(RETRY_AFTER)
    elif isinstance(error, NotAuthenticated):
        headers["www-authenticate"] = "Bearer"
    elif isinstance(error, MethodNotAllowed):
        headers["allow"] = ", ".join(error.known)
    return _answer(to_problem(error, link), status_of(type(error)), headers)


def broken(number: str) -> Response:
    """Returns the answer for an unexpected error; the log has it under ``number``."""
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
    """Returns the error without the names of other channels and apps, for tokens that may not see everything."""
    if isinstance(error, (ChannelNotFound, AppNotFound, NothingDeployed)):
        return type(error)(error.message)
    if isinstance(error, (RegistryUnavailable, RegistryNotInitialised)):  # their messages name the database
        return type(error)("the registry cannot be used now", hint="The server's log says why.")
    return error


def malformed(flaws: Sequence[Mapping[str, Any]]) -> RequestInvalid:
    """Returns the error for pydantic's findings in a request: where and what, never the value."""
    texts = [f"{'.'.join(str(part)[:80] for part in flaw['loc'])}: {flaw['msg']}" for flaw in flaws[:_SHOWN]]
    more = f" (and {len(flaws) - _SHOWN} more)" if len(flaws) > _SHOWN else ""
    return RequestInvalid("; ".join(texts) + more, hint="GET /openapi.json describes what is taken.")


def redacted(text: bytes) -> bytes:
    """Returns the text without tokens: a caller may have put one where a name belongs."""
    return _SECRET.sub("pops_…".encode(), text)


def _answer(document: Mapping[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(redacted(body), status_code=status, headers=dict(headers), media_type=MEDIA_TYPE)
