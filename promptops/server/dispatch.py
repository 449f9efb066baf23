"""From the gate to the handler: directly, or through FastAPI with a body that was read strictly and a deadline.

The body is read here and nowhere else, so that no handler can take more than the server allows or wait for ever. Of
FastAPI only the route itself runs: the gate has found it already, and what goes wrong comes out to edge.py as raised.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

from anyio import to_thread
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from promptops.core.digest import parse_canonical
from promptops.core.errors import DeadlineExceeded, Invalid, RequestInvalid, RequestTooLarge
from promptops.core.model import Json
from promptops.server.call import IN_SCOPE, Call
from promptops.server.routing import Route
from promptops.server.settings import Limits

_LARGE: Final = 64 << 10
"""Bodies over this are parsed in a thread, since the others would wait for it."""


class Dispatch:
    """Brings calls to handlers. ``documented`` has FastAPI's route for each route that is not direct."""

    def __init__(self, documented: Mapping[Route, APIRoute], limits: Limits) -> None:
        self._apps: dict[Route, ASGIApp] = {
            route: AsyncExitStackMiddleware(found.app) for route, found in documented.items()
        }
        self._bodies = {route for route, found in documented.items() if found.body_field is not None}
        self._limits = limits
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, call: Call, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call.

        Raises:
            PromptopsError: the body is refused, or the time is over; or what the handler raises.
        """
        limit = max(self._limits.body, route.largest)
        _require_size(call.headers, limit)
        if route.direct:
            response = await route.handler(call)
            await response(scope, receive, send)
            return
        body = await self._body(call, receive, limit)
        document = await self._document(call, route, body)
        scope["path_params"] = dict(call.path)
        scope[IN_SCOPE] = replace(call, document=document)
        await self._in_time(self._apps[route], scope, _again(body, receive), send)

    async def _body(self, call: Call, receive: Receive, limit: int) -> bytes:
        """The body, up to the limit, and within the deadline."""
        if b"transfer-encoding" not in call.headers and call.headers.get(b"content-length", b"0") == b"0":
            return b""
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.deadline):
                while True:
                    message = await receive()
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise _too_large(limit)
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            raise DeadlineExceeded(
                f"the body of the request did not arrive within {self._limits.deadline:g} s; nothing was done"
            ) from None

    async def _document(self, call: Call, route: Route, body: bytes) -> Json:
        if not body:
            return None
        if route not in self._bodies:
            raise RequestInvalid("this address takes no body")
        if call.headers.get(b"content-encoding", b"identity") != b"identity":
            raise RequestInvalid("the body is compressed, which is not taken")
        if call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise RequestInvalid("the body is not said to be JSON", hint="Content-Type: application/json")
        try:
            if len(body) > _LARGE:
                return await to_thread.run_sync(_parse, body, len(body))
            return _parse(body, len(body))
        except Invalid as error:
            raise RequestInvalid(f"the body: {error.message[:300]}") from None

    async def _in_time(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Let FastAPI answer within the deadline. A change that takes longer goes on by itself; nobody hears of it."""
        said = asyncio.Event()
        over = False

        async def send_in_time(message: Message) -> None:
            if not over:
                said.set()
                await send(message)

        task: asyncio.Task[None] = asyncio.ensure_future(app(scope, receive, send_in_time))
        try:
            await asyncio.wait({task}, timeout=self._limits.deadline)
        except asyncio.CancelledError:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            raise
        if task.done() or said.is_set():
            await task
            return
        over = True
        self._late.add(task)
        task.add_done_callback(self._end)
        raise DeadlineExceeded(
            f"this took more than {self._limits.deadline:g} s, and it is not known whether it was done",
            hint="Ask again with the same Idempotency-Key: it is done once.",
        )

    def _end(self, task: asyncio.Task[None]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked was told that the outcome is not known


def _parse(body: bytes, limit: int) -> Json:
    return parse_canonical(body, limit=limit)


def _require_size(headers: Mapping[bytes, bytes], limit: int) -> None:
    length = headers.get(b"content-length")
    if length is not None and (not length.isdigit() or len(length) > 15 or int(length) > limit):
        raise _too_large(limit)


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(f"the body is over {limit:,} bytes", hint="A release of one app has at most 1 MiB.")


def _again(body: bytes, receive: Receive) -> Receive:
    """What brings the body that was read already, once, and then what comes after it."""
    read = False

    async def receive_again() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
