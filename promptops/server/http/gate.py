"""The one place where it is decided who may do what: every request passes here before any handler sees it.

In this order: the host it is for, its token, how many there were, its address, the token's scope and what it is for,
its parameters. So without a valid token nothing is learned, not even which addresses there are, except of the routes
that are declared OPEN.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from promptops import clock
from promptops.core.errors import (
    HostNotServed,
    MethodNotAllowed,
    NotAuthenticated,
    OriginRefused,
    RequestInvalid,
    RequestTooLarge,
    RouteNotFound,
    TooManyRequests,
)
from promptops.server.http.call import Call, Hold, never_gone
from promptops.server.http.routing import Route, Table
from promptops.server.live.access import Access, bearer
from promptops.server.live.limits import RequestKind, address_of
from promptops.server.live.server_state import ServerState

ROUTE: Final = "promptops.route"
ACCESS: Final = "promptops.access"
"""Where the log, the metrics and the last answer find them in the scope of a request."""

HOLD: Final = "promptops.hold"
"""Where protocol.py leaves the :data:`Hold` of a connection, in the scope of a request."""

_HELD_SECONDS = 1.0
"""Seconds that a caller waits for each refusal beyond 20 a second, which slows a loop that never pauses."""

_EVERYBODY = Access(None)
_ONCE = frozenset(
    {b"host", b"origin", b"content-length", b"content-type", b"if-match", b"idempotency-key", b"promptops-actor"}
)
_OWN_PAGES = (b"same-origin", b"none")
"""Values of Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/) for requests from the server's own pages."""


Dispatch = Callable[[Call, Route, Scope, Receive, Send], Awaitable[None]]
"""Brings an admitted call to its handler."""


class Gate:
    """Judges requests. ``parameters`` says of each route which parameters it takes, and which of them once only."""

    def __init__(
        self, dispatch: Dispatch, *, table: Table, parameters: Mapping[Route, Mapping[str, bool]], state: ServerState
    ) -> None:
        self._dispatch = dispatch
        self._table = table
        self._parameters = parameters
        self._state = state
        self._settings = state.settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand an admitted request on.

        Raises:
            PromptopsError: it is not admitted; or what the handler raises.
        """
        headers = self._headers(scope)
        self._require_host(headers)
        self._require_origin(headers)
        route, names, lost = self._find(scope)
        access = scope[ACCESS] = await self._access(scope, route)
        if lost is not None:
            raise lost
        assert route is not None
        scope[ROUTE] = route
        if route.scope is not None:
            named = {"channel": names.get("channel", ""), "app": names.get("app", "")}
            if route.instead is None or not access.allows(route.instead, **named):
                access.require(route.scope, **named)
        call = Call(
            state=self._state,
            access=access,
            method=scope["method"],
            path=names,
            query=self._query(scope["query_string"], self._parameters[route]),
            headers=headers,
            hold=scope.get(HOLD, never_gone),
        )
        await self._dispatch(call, route, scope, receive, send)

    def _headers(self, scope: Scope) -> Mapping[bytes, bytes]:
        raw: Sequence[tuple[bytes, bytes]] = scope["headers"]
        if sum([len(name) + len(value) + 4 for name, value in raw]) > self._settings.limits.headers:
            raise RequestTooLarge(f"the headers are over {self._settings.limits.headers:,} bytes")
        headers = dict(raw)
        if len(headers) < len(raw):
            names = [name for name, _ in raw]
            if twice := next((name for name in _ONCE if names.count(name) > 1), None):
                raise RequestInvalid(f"the request has more than one header {twice.decode()}")
        return headers

    def _require_host(self, headers: Mapping[bytes, bytes]) -> None:
        if self._settings.hosts:
            host = headers.get(b"host", b"").decode("latin-1").lower()
            name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
            if name not in self._settings.hosts:
                raise HostNotServed(
                    "this server does not answer to that host name",
                    hint="Ask the operator of the server to allow this host name.",
                )

    def _require_origin(self, headers: Mapping[bytes, bytes]) -> None:
        """Refuse a page of another site on a server without tokens: the page could use its reader's browser."""
        if self._settings.auth:
            return
        origin = headers.get(b"origin")
        own = origin is None or origin.partition(b"://")[2].lower() == headers.get(b"host", b"").lower() != b""
        if not own or headers.get(b"sec-fetch-site", b"none") not in _OWN_PAGES:
            raise OriginRefused(
                "a page of another site sent this request, and this server requires no token",
                hint="Use the server's own origin, or create a token and let the server require one.",
            )

    def _find(self, scope: Scope) -> tuple[Route | None, Mapping[str, str], RouteNotFound | MethodNotAllowed | None]:
        try:
            return *self._table.find(scope["method"], scope["raw_path"]), None
        except (RouteNotFound, MethodNotAllowed) as lost:
            return None, {}, lost

    async def _access(self, scope: Scope, route: Route | None) -> Access:
        """The rights of a request's token; counts the request for its token, or without one for its address."""
        if not self._settings.auth or (route is not None and route.scope is None):
            if route is not None and route.method != "GET" and self._settings.auth:  # a change without a token is tried
                await self._count(scope, address_of(scope.get("client")), self._state.counter.take_nothing)
            return _EVERYBODY
        tokens, counter, address = self._state.tokens, self._state.counter, address_of(scope.get("client"))
        try:
            digest = bearer(scope["headers"], tokens.seen)
        except NotAuthenticated:
            await self._count(scope, address, counter.take_nothing)
            raise
        try:
            token = await tokens.of(digest, clock.now())
        except NotAuthenticated:
            await self._count(scope, address, counter.take_unknown)
            raise
        kind = RequestKind.LOOKUP if route is None else route.kind
        await self._count(scope, token.id, partial(counter.take, kind=kind))
        return Access(token, digest)

    async def _count(self, scope: Scope, owner: str, take: Callable[[str], None]) -> None:
        """Count a request. A caller that is refused too often has to wait, or refusals would take all the time.

        Raises:
            TooManyRequests
        """
        try:
            take(owner)
        except TooManyRequests:
            if self._state.counter.refuses_often(owner):
                hold: Hold = scope.get(HOLD, never_gone)
                hold(True)
                await asyncio.sleep(_HELD_SECONDS)
            raise

    def _query(self, raw: bytes, known: Mapping[str, bool]) -> Mapping[str, tuple[str, ...]]:
        if not raw:
            return {}
        if raw.count(b"&") >= self._settings.limits.parameters:
            raise RequestInvalid(f"there are more than {self._settings.limits.parameters} parameters")
        parameters: dict[str, tuple[str, ...]] = {}
        try:
            pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
        except (UnicodeDecodeError, ValueError):
            raise RequestInvalid("the part after the question mark cannot be read") from None
        for name, value in pairs:
            if name not in known or (known[name] and name in parameters) or "\0" in value:
                taken = f"It takes: {', '.join(sorted(known))}." if known else "It takes none."
                raise RequestInvalid(
                    f"the parameter {name[:80]!r} is not taken by this address, or not like this", hint=taken
                )
            parameters[name] = (*parameters.get(name, ()), value)
        return parameters
