"""The OpenAPI document: what FastAPI knows of the routes, and what only we know of them.

That is: what the parts of an address look like, which token each route needs, how errors look, and the documents that
direct routes answer with, each with an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI

from promptops._version import __version__
from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    DeadlineExceeded,
    NotAllowed,
    NotAuthenticated,
    PromptopsError,
    RegistryUnavailable,
    RequestInvalid,
    RequestTooLarge,
    TooManyRequests,
)
from promptops.server.http.routing import Route
from promptops.wire.codec import schema_of
from promptops.wire.documents.outcomes import REPORT_KEY, ReportKeyDocument
from promptops.wire.problem import MEDIA_TYPE, status_of
from promptops.wire.snapshot import RELEASES

Schema = dict[str, Any]

_NAME = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"
_HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_DIGEST: Final[Schema] = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$", "example": f"sha256:{_HEX}"}
_VERSION: Final[Schema] = {"type": "string", "pattern": r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$", "example": "1.4.0"}

PARTS: Final[Mapping[str, Schema]] = {
    "channel": {"type": "string", "pattern": _NAME, "example": "prod"},
    "app": {"type": "string", "pattern": _NAME, "example": "support-bot"},
    "version": _VERSION,
    "digest": {"type": "string", "pattern": "^(sha256:)?[0-9a-f]{64}$", "example": f"sha256:{_HEX}"},
    "token": {"type": "string", "pattern": "^t[0-9A-Za-z]{11}$", "example": "tYh3KxWq0Lm9"},
    "run": {"type": "string", "pattern": "^[0-9a-f]{32}$", "example": "4bf92f3577b34da6a3ce929d0e0e4736"},
    "evidence": {
        "type": "string",
        "pattern": "^[0-9a-f]{32}(?:[.][1-9][0-9]{0,5})?$",
        "example": "4bf92f3577b34da6a3ce929d0e0e4736.1",
    },
}
"""What the parts of an address look like."""

_PROBLEM: Final[Schema] = {
    "type": "object",
    "description": "RFC 9457. `code` names the error and never changes; `facts` are its numbers and names.",
    "required": ["type", "title", "status", "detail", "code", "kind", "hint", "facts"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What, which, got and expected."},
        "code": {"type": "string"},
        "kind": {"type": "string"},
        "hint": {"type": "string", "description": "What to do next, in plain words."},
        "facts": {"type": "object"},
        "advice": {
            "type": "array",
            "description": "The parts of `hint` that are an action. Left out where there are none.",
            "items": {
                "type": "object",
                "required": ["text", "action", "arguments"],
                "properties": {
                    "text": {"type": "string", "description": "The part of `hint` that says it."},
                    "action": {"type": "string"},
                    "arguments": {"type": "object"},
                    "method": {"type": "string", "description": "Left out where no route does it."},
                    "path": {"type": "string"},
                },
            },
        },
    },
}

_REF: Final[Schema] = {
    "type": "object",
    "required": ["version", "digest"],
    "additionalProperties": False,
    "properties": {"version": _VERSION, "digest": _DIGEST},
}
_NO_REF: Final[Schema] = {"anyOf": [_REF, {"type": "null"}]}
_EXTENSIONS: Final[Schema] = {
    "type": "object",
    "description": "What a newer version adds. Readers ignore what they do not know.",
}
_POINTER: Final[Schema] = {
    "type": "object",
    "required": ["revision", "stable", "canary", "weight", "salt", "last_good"],
    "additionalProperties": False,
    "properties": {
        "revision": {"type": "integer", "minimum": 1},
        "stable": {**_NO_REF, "description": "Null where the app is off: nothing of it is served."},
        "canary": _NO_REF,
        "weight": {"type": "integer", "minimum": 0, "maximum": 10000, "description": "Of 10,000."},
        "salt": {"type": "string"},
        "last_good": {**_NO_REF, "description": "Where a rollback would go."},
        "extensions": _EXTENSIONS,
    },
}
_SNAPSHOT: Final[Schema] = {
    "type": "object",
    "required": ["schema", "digest", "registry", "lineage", "epoch", "channel", "cursor", "apps"],
    "additionalProperties": False,
    "properties": {
        "schema": {"type": "string", "enum": ["promptops.snapshot/1", "promptops.event/1"]},
        "digest": {**_DIGEST, "description": "Of the canonical bytes of everything else."},
        "registry": {"type": "string"},
        "lineage": {"type": "string"},
        "epoch": {"type": "integer", "minimum": 1},
        "channel": {"type": "string"},
        "cursor": {"type": "integer", "minimum": 0},
        "apps": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Pointer"}},
        "extensions": _EXTENSIONS,
    },
}
_EXAMPLE: Final[Schema] = {
    "schema": "promptops.snapshot/1",
    "digest": f"sha256:{_HEX}",
    "registry": "shop",
    "lineage": "0b0e6c7e8a0c4d0f9f0a3c2b1d0e9f8a",
    "epoch": 1,
    "channel": "prod",
    "cursor": 42,
    "apps": {
        "support-bot": {
            "revision": 7,
            "stable": {"version": "1.4.0", "digest": f"sha256:{_HEX}"},
            "canary": None,
            "weight": 0,
            "salt": "",
            "last_good": {"version": "1.3.0", "digest": f"sha256:{_HEX[::-1]}"},
        }
    },
}

COMPONENTS: Final[Mapping[str, Schema]] = {"Problem": _PROBLEM, "Pointer": _POINTER, "Snapshot": _SNAPSHOT}


def _object(*names: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": [*properties], "properties": properties, "description": ", ".join(names)}


def _json(schema: Schema, example: object) -> Schema:
    return {"application/json": {"schema": schema, "example": example}}


def _text(media_type: str, example: str) -> Schema:
    return {media_type: {"schema": {"type": "string"}, "example": example}}


_RELEASE_EXAMPLE = {"schema": "promptops/1", "app": "support-bot", "prompts": {}}
_TAGGED: Final[Schema] = {"ETag": {"schema": {"type": "string"}, "description": "The digest, in quotes: strong."}}

ANSWERS: Final[Mapping[str, Schema]] = {
    "snapshot": {"content": _json({"$ref": "#/components/schemas/Snapshot"}, _EXAMPLE), "headers": _TAGGED},
    "release": {"content": _json({"type": "object"}, _RELEASE_EXAMPLE), "headers": _TAGGED},
    "releases": {
        "content": _json(
            _object(
                schema={"type": "string", "enum": [RELEASES]},
                releases={"type": "object", "additionalProperties": {"type": "string"}},
            ),
            {"schema": RELEASES, "releases": {f"sha256:{_HEX}": '{"app":"support-bot",…}'}},
        )
    },
    "events": {
        "content": _text(
            "text/event-stream",
            'retry: 1000\nid: 0b0e….1.42\nevent: change\ndata: {"schema":"promptops.event/1",…}\n\n',
        )
    },
    "healthy": {"content": _json(_object(status={"type": "string", "enum": ["ok"]}), {"status": "ok"})},
    "ready": {
        "content": _json(
            _object(
                status={"type": "string"},
                reasons={"type": "array", "items": {"type": "string"}},
                changes={"type": "string"},
            ),
            {"status": "ready", "reasons": [], "changes": "notify"},
        )
    },
    "metrics": {"content": _text("text/plain", "promptops_streams 12.0\n")},
    "report-key": {
        "content": _json(
            schema_of(ReportKeyDocument),
            {
                "schema": REPORT_KEY,
                "registry": "shop",
                "lineage": "0b0e6c7e-8a0c-4d0f-9f0a-3c2b1d0e9f8a",
                "secret": "…",
            },
        )
    },
    "openapi": {"content": _json({"type": "object"}, {"openapi": "3.1.0"})},
    "schemas": {
        "content": _json(
            {"type": "object", "properties": {"schemas": {"type": "object"}}, "required": ["schemas"]},
            {"schemas": {"release-1": {"$id": "urn:promptops:release:1"}}},
        )
    },
}
"""What direct routes answer with."""

_UNCHANGED = frozenset({"snapshot", "release"})
_EVERY: Final = (RequestInvalid, RequestTooLarge, TooManyRequests, RegistryUnavailable, DeadlineExceeded)


def responses(route: Route) -> dict[int | str, Schema]:
    """What a route answers, beside what FastAPI finds out by itself."""
    described: dict[int | str, Schema] = {}
    if route.answer:
        described[200] = {"description": "It is here.", **ANSWERS[route.answer]}
    if route.answer in _UNCHANGED:
        described[304] = {"description": "It is still what If-None-Match says."}
    if route.answer == "ready":
        described[503] = {"description": "It is not ready; the reasons are codes of errors.", **ANSWERS["ready"]}
    if route.scope is None:
        return described
    by_status: dict[int, list[type[PromptopsError]]] = {}
    for kind in dict.fromkeys((*_every(route), *route.errors)):
        by_status.setdefault(status_of(kind), []).append(kind)
    described[400] = {
        **_problem(400, [RequestInvalid]),
        "description": "This is no HTTP, or its headers are too large.",
    }
    for status, kinds in sorted(by_status.items()):
        described[status] = _problem(status, kinds)
    return described


def _every(route: Route) -> Iterator[type[PromptopsError]]:
    yield from (NotAuthenticated, NotAllowed)
    if "{channel}" in route.path:
        yield ChannelNotFound
    if "{app}" in route.path:
        yield AppNotFound
    yield from _EVERY


def _problem(status: int, kinds: Iterable[type[PromptopsError]]) -> Schema:
    codes = [PromptopsError.code.fget(kind.__new__(kind)) for kind in kinds]  # type: ignore[attr-defined]
    first = next(iter(kinds))
    example = {
        "type": "about:blank",
        "title": first.kind,
        "status": status,
        "detail": "what, which, got and expected",
        "code": codes[0],
        "kind": first.kind,
        "hint": "what to do next",
        "facts": {},
    }
    return {
        "description": " · ".join(f"`{code}`" for code in codes),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }


def parameters(route: Route) -> list[Schema]:
    """The parameters that FastAPI does not see, because the handler takes the call alone."""
    if not route.direct:
        return []
    named = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    described: list[Schema] = [{"name": name, "in": "path", "required": True, "schema": PARTS[name]} for name in named]
    for name, description in route.query.items():
        schema = {"type": "array", "items": {**PARTS[name], "description": description}, "maxItems": 100}
        required = name == "digest"
        described.append(
            {"name": name, "in": "query", "required": required, "schema": schema, "description": description}
        )
    if route.answer in _UNCHANGED:
        described.append({"name": "If-None-Match", "in": "header", "required": False, "schema": {"type": "string"}})
    if route.answer == "events":
        described.append({"name": "Last-Event-ID", "in": "header", "required": False, "schema": {"type": "string"}})
    return described


def document(api: FastAPI, routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document."""
    document_: dict[str, Any] = api.openapi()
    schemas = document_.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(COMPONENTS)
    document_["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token that an administrator made."}
    }
    for route in routes:
        operation = document_["paths"][route.path][route.method.lower()]
        operation["security"] = [] if route.scope is None else [{"token": []}]
        operation["x-promptops-scope"] = "" if route.scope is None else route.scope.value
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                parameter["schema"] = PARTS[parameter["name"]]
        if operation.get("description", "").rstrip(".") == operation["summary"]:
            del operation["description"]  # FastAPI repeats the docstring where there is no more of it
        _restore_nulls(route, operation)
    return document_


def _restore_nulls(route: Route, operation: Schema) -> None:
    """Put the examples in again as they were given: FastAPI leaves out what is null in them."""
    for status, answer in {**responses(route), **route.settings.get("responses", {})}.items():
        for media_type, content in answer.get("content", {}).items():
            if "example" in content:
                operation["responses"][str(status)]["content"][media_type]["example"] = content["example"]


def described() -> Mapping[str, Any]:
    """What the document says of the whole."""
    return {
        "title": "promptops registry",
        "version": __version__,
        "summary": "Releases of prompts, what is live of them on which channel, and every change of that.",
        "description": (
            "Every answer has the header `Promptops-Api: 1`. Errors are `application/problem+json`. "
            "Send a token as `Authorization: Bearer pops_…`."
        ),
    }
