"""How an endpoint answers, and what the OpenAPI document has about it: schemas, examples and headers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from promptops.core.model import Json
from promptops.wire.codec import schema_of


def answered(value: Mapping[str, Json] | bytes, *, status: int = 200) -> Response:
    """An answer that is kept nowhere: what it says may be different a moment later, or is for one reader alone."""
    body = value if isinstance(value, bytes) else _dumped(value)
    return Response(body, status_code=status, media_type="application/json", headers={"cache-control": "no-store"})


def _dumped(value: Mapping[str, Json]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def answers(
    schema: Mapping[str, Any],
    example: object,
    *,
    takes: Mapping[str, Json] | None = None,
    headers: Sequence[Mapping[str, Any]] = (),
    status: int = 200,
) -> dict[str, Any]:
    """What goes to FastAPI about an endpoint: its answer, an example of the body it takes, and the headers it takes."""
    content = {"application/json": {"schema": schema, "example": example}}
    return {
        "status_code": status,
        "response_model": None,
        "responses": {status: {"description": "The answer.", "content": content}},
        "openapi_extra": {"parameters": [*headers]} | ({} if takes is None else _body(takes)),
    }


def _body(example: Mapping[str, Json]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"example": example}}}}


def _header(name: str, description: str, schema: Mapping[str, Any], *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


ACTOR: Final = _header(
    "Promptops-Actor",
    "Who makes the change, in UTF-8; recorded together with the token's name.",
    {"type": "string", "maxLength": 200, "example": "Ada Brandt <ada@parcelwise.example>"},
)
KEY: Final = _header(
    "Idempotency-Key",
    "Makes the change one that is done once: a retry with the same key gets the first answer.",
    {"type": "string", "minLength": 1, "maxLength": 200, "example": "9b2f4f0e-6f0c-4f0e-9d7a-2f1f6f6f7c11"},
    required=True,
)
EXPECTED: Final = _header(
    "If-Match",
    "Refuse unless the channel is at this revision.",
    {"type": "string", "pattern": '^"[0-9]{1,16}"$', "example": '"7"'},
)


def object_of(**parts: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object that has all of these."""
    return {"type": "object", "properties": dict(parts), "required": list(parts)}


def list_of(kind: type) -> dict[str, Any]:
    """The schema of a list of these."""
    return {"type": "array", "items": schema_of(kind)}
