"""The outermost layer: every request is counted and answered here, also after unexpected errors.

It keeps three rules: every answer says that it comes from this API, a refusal is application/problem+json, and neither
the log nor an answer has anything of the request but its method, its address without the part after `?`, and the public
id of its token. Successful reads of running applications are counted and not logged.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from promptops.core.errors import PromptopsError, RegistryUnavailable
from promptops.server.http.forwarded import Proxies
from promptops.server.http.gate import ACCESS, ROUTE
from promptops.server.http.problems import broken, concealed, malformed, problem, redacted
from promptops.server.live.access import Access
from promptops.server.live.exhaustion import end_if_exhausted
from promptops.server.live.limits import RequestKind
from promptops.server.live.metrics import Metrics

_ANSWERED: Final = "promptops.answered"
"""Where the scope of a request has the errors that were answered already."""

_OWN: Final = ((b"promptops-api", b"1"), (b"x-content-type-options", b"nosniff"))
# Bytes of an address that the log shows: enough for every route, and an invented one cannot fill the log.
_LONGEST = 200
# Seconds between two log lines about a registry that does not answer: each failing request would write one.
_PAUSE = 60.0
# Bytes of a body that are handed to the connection at once: uvicorn's own limit for what waits to be written.
_PIECE = 64 << 10

log = logging.getLogger("promptops.server")
access_log = logging.getLogger("promptops.server.live.access")

Inner = Callable[[Scope, Receive, Send], Awaitable[None]]


class Edge:
    """Answers for everything that the gate and the handlers raise."""

    def __init__(self, inner: Inner, metrics: Metrics, proxies: Proxies) -> None:
        self._inner = inner
        self._proxies = proxies
        self._metrics = metrics
        self._log_again_at = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        begun = time.perf_counter()
        answered: list[Exception] = []
        scope[_ANSWERED] = answered
        status = 0
        self._proxies.name_client(scope)

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = (*message["headers"], *_OWN)
            if len(message.get("body", b"")) > _PIECE:
                await _in_pieces(message, send)
            else:
                await send(message)

        try:
            await self._inner(scope, receive, send_on)
        except Exception as error:  # noqa: BLE001 the last layer: every error becomes an answer
            if error not in answered:
                answer = self._answer(error, scope)
                if not status:
                    await answer(scope, receive, send_on)
        finally:
            self._note(scope, status, time.perf_counter() - begun)

    async def answer(self, request: Request, error: Exception) -> Response:
        """Returns the answer for an error of a handler that FastAPI called. FastAPI raises an unexpected one again."""
        request.scope[_ANSWERED].append(error)
        return self._answer(error, request.scope)

    def _answer(self, error: Exception, scope: Scope) -> Response:
        end_if_exhausted(error)
        if isinstance(error, RequestValidationError):
            return problem(malformed(error.errors()))
        if isinstance(error, PromptopsError):
            if isinstance(error, RegistryUnavailable):
                self._log_outage(error)
            access = scope.get(ACCESS)
            seen = isinstance(access, Access) and access.everything
            return problem(error if seen else concealed(error))
        number = secrets.token_hex(6)
        log.error("error %s: %s %s", number, scope["method"][:20], _path(scope), exc_info=error)
        return broken(number)

    def _log_outage(self, error: RegistryUnavailable) -> None:
        """Log why requests fail, once a minute at most. Most answers conceal it, as it may name the database."""
        if time.monotonic() >= self._log_again_at:
            self._log_again_at = time.monotonic() + _PAUSE
            log.warning("the registry does not answer: %s", error.message)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get(ROUTE)
        method = scope["method"] if route is not None else "-"
        stream = route is not None and route.answer == "events"
        self._metrics.count(route.path if route else "-", method, status, None if stream else seconds)
        went_well = status < 400 and (route is None or route.kind is not RequestKind.CHANGE)
        level = logging.DEBUG if went_well else logging.INFO
        if not access_log.isEnabledFor(level):
            return
        access = scope.get(ACCESS)
        token = access.token.id if isinstance(access, Access) and access.token is not None else "-"
        client = scope.get("client") or ("-",)
        verb, path, ms = scope["method"][:20], _path(scope), round(seconds * 1000, 1)
        fields = {"client": client[0], "token": token, "method": verb, "path": path, "status": status, "ms": ms}
        access_log.log(
            level, "%s %s %s %s %d %.1f ms", client[0], token, verb, path, status, ms, extra={"fields": fields}
        )


async def _in_pieces(message: Message, send: Send) -> None:
    """Send a large body as its client reads it, so that no full copy waits for a client that does not."""
    body, more = memoryview(message["body"]), message.get("more_body", False)
    for start in range(0, len(body), _PIECE):
        end = start + _PIECE
        await send({**message, "body": bytes(body[start:end]), "more_body": more or end < len(body)})


def _path(scope: Scope) -> str:
    """The address on one line, fit for a log."""
    raw = scope.get("raw_path") or b""
    shown = redacted(raw[:_LONGEST]).decode("utf-8", "replace")
    return shown if shown.isprintable() else repr(shown)
