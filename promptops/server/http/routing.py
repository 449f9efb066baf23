"""Routes as they are declared, and the table in which a request finds its own.

A route cannot be declared without saying who may use it. An address is found by its bytes: its fixed parts are matched
as they are written, and a part that names something is decoded once and has to be such a name, so that no two spellings
lead to one thing: everything else is no address at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ConfigDict

from promptops.core.errors import MethodNotAllowed, PromptopsError, RouteNotFound
from promptops.core.evidence.evidence import is_evidence_id
from promptops.core.evidence.run import is_run_id
from promptops.core.model import is_name
from promptops.core.reference import VERSION
from promptops.core.token import Scope, is_token_id
from promptops.server.live.limits import RequestKind
from promptops.wire.snapshot import is_digest

F = TypeVar("F", bound=Callable[..., Any])


OPEN = None
"""The scope of a route that needs no token."""

PARTS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        "channel": is_name,
        "app": is_name,
        "version": lambda text: VERSION.fullmatch(text) is not None,
        "digest": lambda text: is_digest(text if text.startswith("sha256:") else f"sha256:{text}"),
        "token": is_token_id,
        "run": is_run_id,
        "evidence": is_evidence_id,
    }
)
"""What a part of an address may name, and which texts are such a name. A route with any other part is an error."""

_LONGEST = 512
"""Bytes of a path: several times the longest address of a route."""


class Media(StrEnum):
    """What the body of a request is, where a route takes one."""

    JSON = "application/json"
    PROTOBUF = "application/x-protobuf"
    """Also compressed with gzip, as the exporters of OpenTelemetry send it."""


class Body(BaseModel):
    """The JSON body of a request: no value is converted, and an unknown key is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """One thing the server does. ``scope`` is what a token needs for it; OPEN: none, and no token either. ``instead``
    is a scope with which some of its requests are taken too: the handler knows which.

    ``direct`` handlers are coroutines that take the call alone and return a Response; FastAPI only documents them.
    ``reads`` says that running applications ask it. ``query`` describes the parameters a direct route takes after `?`.
    ``errors`` are those it may answer beside the ones that every route has, and ``answer`` names, for a direct route,
    one of the documents in openapi.py. ``media`` is the format of its body; ``largest`` is how many bytes that may
    have, and ``elements`` how many values and names, where other than usual. ``bulky`` ones have answers of megabytes.
    """

    method: str
    path: str
    scope: Scope | None
    handler: Callable[..., Any]
    tag: str
    instead: Scope | None = None
    direct: bool = False
    reads: bool = False
    query: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[type[PromptopsError], ...] = ()
    answer: str = ""
    media: Media = Media.JSON
    largest: int = 0
    elements: int = 0
    bulky: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> RequestKind:
        """The kind of its requests."""
        if self.reads:
            return RequestKind.READ if self.method == "GET" else RequestKind.BEAT
        return RequestKind.LOOKUP if self.method == "GET" or self.scope in (OPEN, Scope.READ) else RequestKind.CHANGE


class Routes:
    """A list of routes that grows by decorators: ``@routes.get("/v1/…", scope=Scope.READ)``."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def get(self, path: str, *, scope: Scope | None, **more: Any) -> Callable[[F], F]:
        """Declare a route that changes nothing. It answers HEAD too."""
        return self.route("GET", path, scope=scope, **more)

    def post(self, path: str, *, scope: Scope | None, **more: Any) -> Callable[[F], F]:
        """Declare a route that changes something."""
        return self.route("POST", path, scope=scope, **more)

    def put(self, path: str, *, scope: Scope | None, **more: Any) -> Callable[[F], F]:
        """Declare a route that sets something."""
        return self.route("PUT", path, scope=scope, **more)

    def delete(self, path: str, *, scope: Scope | None, **more: Any) -> Callable[[F], F]:
        """Declare a route that takes something away."""
        return self.route("DELETE", path, scope=scope, **more)

    def route(
        self,
        method: str,
        path: str,
        *,
        scope: Scope | None,
        direct: bool = False,
        reads: bool = False,
        query: Mapping[str, str] | None = None,
        errors: Sequence[type[PromptopsError]] = (),
        answer: str = "",
        media: Media = Media.JSON,
        largest: int = 0,
        elements: int = 0,
        bulky: bool = False,
        **settings: Any,
    ) -> Callable[[F], F]:
        """Declare a route; ``settings`` go to FastAPI's ``add_api_route``."""

        def declare(handler: F) -> F:
            self._routes.append(
                Route(
                    method=method,
                    path=path,
                    scope=scope,
                    handler=handler,
                    tag=self.tag,
                    direct=direct,
                    reads=reads,
                    query=query or {},
                    errors=tuple(errors),
                    answer=answer,
                    media=media,
                    largest=largest,
                    elements=elements,
                    bulky=bulky,
                    settings=settings,
                )
            )
            return handler

        return declare


@dataclass(slots=True)
class _Node:
    """One place in the tree of addresses, and what may follow it."""

    fixed: dict[bytes, _Node] = field(default_factory=dict)
    named: tuple[str, _Node] | None = None
    methods: dict[str, Route] = field(default_factory=dict)


class Table:
    """All routes, by address.

    Raises:
        ValueError: two routes fit one request, or a part of an address is not in PARTS.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)
        self._find = lru_cache(maxsize=4096)(self._search)

    def find(self, method: str, raw_path: bytes) -> tuple[Route, Mapping[str, str]]:
        """The route for a request, and what its address names.

        Raises:
            RouteNotFound, MethodNotAllowed
        """
        match = self._find(raw_path) if len(raw_path) <= _LONGEST else None
        if match is None:
            raise RouteNotFound("there is nothing at this address", hint="GET /openapi.json lists what there is.")
        methods, names = match
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            taken = sorted({*methods, *(["HEAD"] if "GET" in methods else [])})
            raise MethodNotAllowed(f"this address takes no {method[:20]}", known=taken)
        return route, names

    def _add(self, route: Route) -> None:
        node = self._root
        for part in route.path.split("/")[1:]:
            name = part[1:-1] if part.startswith("{") else ""
            if name and (node.fixed or (node.named and node.named[0] != name) or name not in PARTS):
                raise ValueError(f"{route.path}: '{part}' fits more than one thing, or nothing that is known")
            if not name and (node.named or not part):
                raise ValueError(f"{route.path}: '{part}' fits more than one thing, or nothing")
            if name:
                node.named = node.named or (name, _Node())
                node = node.named[1]
            else:
                node = node.fixed.setdefault(part.encode("ascii"), _Node())
        if route.method in node.methods:
            raise ValueError(f"{route.method} {route.path} is declared twice")
        node.methods[route.method] = route

    def _search(self, raw_path: bytes) -> tuple[dict[str, Route], Mapping[str, str]] | None:
        node, names = self._root, {}
        first, *parts = raw_path.split(b"/")
        if first:
            return None
        for part in parts:
            if node.named is None:
                child = node.fixed.get(part)
                if child is None:
                    return None
                node = child
                continue
            name, node = node.named
            text = unquote_to_bytes(part).decode("utf-8", "replace")
            if not PARTS[name](text):
                return None
            names[name] = f"sha256:{text.removeprefix('sha256:')}" if name == "digest" else text
        return (node.methods, MappingProxyType(names)) if node.methods else None
