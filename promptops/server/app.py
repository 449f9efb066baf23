"""Settings -> the server as one ASGI application: edge around gate around handlers.

FastAPI documents every route, and runs those that are not direct. Nothing reaches a route but through the gate.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from promptops.core.errors import PromptopsError
from promptops.server.api import audit, client_reads, event_stream, exchange, health, outcomes, traces, use_cases
from promptops.server.http import openapi
from promptops.server.http.dispatch import Dispatch, StrictRoute
from promptops.server.http.edge import Edge
from promptops.server.http.forwarded import Proxies
from promptops.server.http.gate import Gate
from promptops.server.http.routing import Route, Table
from promptops.server.live.server_state import ServerState
from promptops.server.settings import Settings

_DOCUMENTS: Final[dict[tuple[Route, ...], Mapping[str, Any]]] = {}
"""What documents the servers of this process, by their routes: to make it takes four fifths of a server's making."""


def routes() -> tuple[Route, ...]:
    """Everything the server does."""
    reading = (*health.routes, *client_reads.routes, *event_stream.routes)
    return (*reading, *outcomes.routes, *traces.routes, *use_cases.routes, *audit.routes)


class Server:
    """The ASGI application. ``api`` is FastAPI's half of it, ``state`` what it has while it runs."""

    def __init__(self, settings: Settings, declared: Sequence[Route]) -> None:
        self.state = ServerState(settings)
        self.routes = tuple(declared)
        self.api = FastAPI(
            **openapi.described(), lifespan=self._lifespan, openapi_url=None, docs_url=None, redoc_url=None
        )
        self.api.router.route_class = StrictRoute
        for route in self.routes:
            self._add(route)
        if self.routes not in _DOCUMENTS:
            _DOCUMENTS[self.routes] = openapi.document(self.api, self.routes)
        document = _DOCUMENTS[self.routes]
        self.state.documentation = json.dumps(document, ensure_ascii=False).encode()
        operations = {route: document["paths"][route.path][route.method.lower()] for route in self.routes}
        dispatch = Dispatch(
            self.api, {route for route, found in operations.items() if "requestBody" in found}, settings.limits
        )
        parameters = {route: _parameters(found) for route, found in operations.items()}
        gate = Gate(dispatch, table=Table(self.routes), parameters=parameters, state=self.state)
        self._edge = Edge(gate, self.state.metrics, Proxies(settings.proxies))
        for kind in (PromptopsError, RequestValidationError, Exception):
            self.api.add_exception_handler(kind, self._edge.answer)
        self._flaw = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._edge(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.api.router(scope, receive, partial(self._say, send))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _say(self, send: Send, message: Message) -> None:
        """Why it cannot start goes to the log as one line, where Starlette would say where in the code."""
        if message["type"] == "lifespan.startup.failed" and self._flaw:
            message = {**message, "message": self._flaw}
        await send(message)

    def stop(self) -> None:
        """The server is about to end: close every stream, so that the end does not wait for them."""
        self.state.feed.end_followers()

    def _add(self, route: Route) -> None:
        summary, _, description = (route.handler.__doc__ or "").strip().partition("\n")
        self.api.add_api_route(
            route.path,
            _documented if route.direct else route.handler,
            methods=[route.method],
            tags=[route.tag],
            summary=summary.rstrip("."),
            description=" ".join(description.split("Raises:")[0].split()),
            operation_id=route.handler.__name__,
            **{
                **({"response_class": Response} if route.direct else {}),
                **route.settings,
                "responses": {**openapi.responses(route), **route.settings.get("responses", {})},
                "openapi_extra": {"parameters": openapi.parameters(route), **route.settings.get("openapi_extra", {})},
            },
        )

    @asynccontextmanager
    async def _lifespan(self, _api: FastAPI) -> AsyncIterator[None]:
        try:
            await self.state.open()
        except PromptopsError as error:
            self._flaw = error.message
            raise
        try:
            yield
        finally:
            await self.state.close()


def create_app(settings: Settings, declared: Iterable[Route] | None = None) -> Server:
    """The server for these settings.

    Raises:
        ValueError: two routes fit one request, or one names what no part of an address can be.
    """
    own = (*routes(), *(exchange.routes if settings.issuers else ()))
    return Server(settings, tuple(own if declared is None else declared))


async def _documented() -> None:
    # What FastAPI gets in place of a direct handler, to describe it; the gate never brings anything here. A docstring
    # would become part of the description.
    return None


def _parameters(operation: Mapping[str, Any]) -> Mapping[str, bool]:
    """The parameters a route takes after `?`, and whether each is taken once only."""
    taken = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    return {each["name"]: each["schema"].get("type") != "array" for each in taken}
