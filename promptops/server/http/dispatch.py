"""Calls the handlers: directly, or through FastAPI with a body that was read strictly and a deadline.

Only :mod:`promptops.server.http.bodies` reads bodies, so that no handler can take more than the server allows or wait
for ever. FastAPI finds the route of a call by itself, the same as the gate did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from promptops.core.errors import DeadlineExceeded, RequestInvalid
from promptops.server.http.bodies import Bodies, require_size
from promptops.server.http.call import IN_SCOPE, Call
from promptops.server.http.routing import Media, Route
from promptops.server.live.exhaustion import end_if_exhausted
from promptops.server.live.limits import RequestKind
from promptops.server.live.tasks import end
from promptops.server.settings import Limits


class Dispatch:
    """Passes calls to their handlers. ``api`` is FastAPI's application, which has every route that is not direct.

    ``with_body`` are the routes that take a body.
    """

    def __init__(self, api: ASGIApp, with_body: Collection[Route], limits: Limits) -> None:
        self._api = api
        self._with_body = with_body
        self._limits = limits
        self._bodies = Bodies(limits)
        self._late: set[asyncio.Task[None]] = set()

    async def __call__(self, call: Call, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call.

        Raises:
            PromptopsError: the body is refused, the deadline is over, or the handler raised it.
        """
        with ExitStack() as held:
            if route.direct:
                if route in self._with_body:
                    call = replace(call, document=await self._bodies.read(call, route, receive, held))
                else:
                    require_size(call.headers, self._limits.body)
                await self._take_turn(call, route, held)
                response = await route.handler(call)
                await response(scope, receive, send)
                return
            if route.media is Media.PROTOBUF:
                call = replace(call, body=await self._bodies.read_protobuf(call, route, receive, held))
            elif route in self._with_body:
                call = replace(call, document=await self._bodies.read(call, route, receive, held))
            elif require_size(call.headers, self._limits.body) or b"transfer-encoding" in call.headers:
                raise RequestInvalid("this address takes no body")
            await self._take_turn(call, route, held)
            asked = {**scope, "method": route.method, IN_SCOPE: call}  # HEAD is answered as GET, without its body
            await self._in_time(self._api, asked, receive, send, held.pop_all())

    async def _take_turn(self, call: Call, route: Route, held: ExitStack) -> None:
        """Wait for the call's turn, where the number of calls of its kind at a time is limited."""
        turns = call.state.turns_of(route.kind, bulky=route.bulky, direct=route.direct)
        if turns is not None:
            await call.take_turn(turns, self._limits.deadline, held)
            if route.kind is RequestKind.CHANGE:
                held.enter_context(call.state.pace.slowly())

    async def _in_time(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, held: ExitStack) -> None:
        """Let FastAPI answer within the deadline. A change that takes longer goes on, its answer is dropped, and its
        resources are released when it ends."""
        answering = asyncio.Event()
        over = False

        async def send_in_time(message: Message) -> None:
            if not over:
                answering.set()
                await send(message)

        task: asyncio.Task[None] = asyncio.ensure_future(_run(app, scope, receive, send_in_time))
        task.add_done_callback(lambda _task: held.close())
        try:
            await asyncio.wait({task}, timeout=self._limits.deadline)
        except asyncio.CancelledError:
            await end(task)
            raise
        if task.done() or answering.is_set():
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
        error = None if task.cancelled() else task.exception()
        if error is not None:  # the answer was that the outcome is not known
            end_if_exhausted(error)


class StrictRoute(APIRoute):
    """A route of FastAPI that takes the JSON of the body from the call, where it was read strictly and once."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_judged(request: Request) -> Response:
            return await answer(_Judged(request.scope, request.receive))

        return answer_judged


class _Judged(Request):
    """A request whose body was read already."""

    async def body(self) -> bytes:
        return b"" if self.scope[IN_SCOPE].document is None else b"{}"

    async def json(self) -> Any:
        return self.scope[IN_SCOPE].document


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)
