"""Schemas that an API is strict about: each object says which properties it has, and that it has no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from promptops.core.model import LISTS, OBJECTS, Json, Prompt, ResponseFormat, Tool
from promptops.core.models.refusal import Refusal

_KEYWORDS: Final = frozenset(
    ("type", "properties", "$ref", "anyOf", "oneOf", "allOf", "enum", "const", "items", "$defs", "additionalProperties")
)
_NO_PARAMETERS: Final = Tool(name="-").parameters
"""Those of a tool that takes none: they are sent as strictly as each API wants them."""
_INNER: Final = ("properties", "$defs", "definitions")
_LISTED: Final = ("anyOf", "oneOf", "allOf", "prefixItems")


def strict_schemas(prompt: Prompt, source: str, *, every: bool, all_required: bool) -> Iterator[Refusal]:
    """The schemas that an API is strict about: of tools, and of the answer (``every``: without ``strict`` too)."""
    for at, tool in enumerate(prompt.tools):
        if (
            tool.strict
            and tool.parameters != _NO_PARAMETERS
            and (problem := _looseness(tool.parameters, all_required=all_required))
        ):
            yield Refusal(place=("tools", at), message=f"the strict tool '{tool.name}': {problem}", source=source)
    if prompt.response_format is not ResponseFormat.JSON_SCHEMA or prompt.json_schema is None:
        return
    schema = prompt.json_schema
    inner = schema.get("schema")
    if isinstance(inner, OBJECTS):
        strict, schema = schema.get("strict") is True, inner
    else:
        strict = False
        if "name" in schema and not schema.keys() & _KEYWORDS:
            problem = "`jsonSchema` has a `name` and no `schema`, so it says nothing of the answer"
            yield Refusal(place=("jsonSchema",), message=problem, source=source, hint="jsonSchema: {name, schema}")
            return
    if (strict or every) and (problem := _looseness(schema, all_required=all_required)):
        yield Refusal(place=("jsonSchema",), message=f"the schema of the answer: {problem}", source=source)


def _looseness(schema: Json, *, all_required: bool, at: str = "$") -> str:
    """Says where a schema is not as strict as an API wants it; empty if it is strict all through."""
    if not isinstance(schema, OBJECTS):
        return ""
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties:
        if schema.get("additionalProperties") is not False:
            return f"the object at {at} needs `additionalProperties: false`"
        required = schema.get("required")
        listed = required if isinstance(required, LISTS) else ()
        left = [name for name in properties if name not in listed] if isinstance(properties, OBJECTS) else []
        if all_required and left:
            return f"'{left[0][:80]}' at {at} is not in `required`, where every property has to be"
    for place, inner in _inner(schema, at):
        if problem := _looseness(inner, all_required=all_required, at=place):
            return problem
    return ""


def _inner(schema: Mapping[str, Json], at: str) -> Iterator[tuple[str, Json]]:
    for key in _INNER:
        named = schema.get(key)
        for name, inner in named.items() if isinstance(named, OBJECTS) else ():
            yield f"{at}.{name[:80]}", inner
    for key in _LISTED:
        listed = schema.get(key)
        for inner in listed if isinstance(listed, LISTS) else ():
            yield at, inner
    if "items" in schema:
        yield f"{at}[]", schema["items"]
