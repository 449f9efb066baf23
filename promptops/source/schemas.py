"""JSON Schemas in source files: those of inputs, of tools, and of a prompt's structured answer.

Most inputs have little more than a type. Those are checked here, without importing jsonschema, which is slow to load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache

from promptops.core.digest import parse_canonical
from promptops.core.errors import Invalid
from promptops.core.model import Json
from promptops.core.schema.input_schema import ANNOTATIONS, compile_check, constraints, flaw_of
from promptops.source.text.fields import Fields, shown
from promptops.source.text.strict_yaml import MAX_DEPTH

_MAX_REMEMBERED = 4096  # characters of a schema whose check is cached: 512 of them are 2 MB
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def check_schema(fields: Fields, what: str) -> None:
    """Reports a mapping that is not a JSON Schema, or has a default that does not fit it."""
    problem = _quick(fields.value)
    if problem is None:
        problem = _thorough(json.dumps(fields.value, sort_keys=True))
    if problem:
        fields.add("schema-invalid", None, f"{what}: {problem}")


def read_json_schema(fields: Fields, key: str) -> Mapping[str, Json] | None:
    """Returns the ``jsonSchema`` of a prompt: JSON as text, as in GitHub Models, or a mapping."""
    value = fields.value.get(key)
    if isinstance(value, str):
        value = _parse(fields, key, value)
    elif value is not None and not isinstance(value, Mapping):
        fields.wrong((*fields.path, key), "JSON as text, or a mapping", value)
        return None
    if not isinstance(value, Mapping):
        return None
    schema = value.get("schema", value)
    if not isinstance(schema, Mapping):
        fields.add("schema-invalid", key, f"the schema must be a mapping, got {shown(schema)}")
        return None
    problem = _thorough(json.dumps(schema, sort_keys=True))
    if problem:
        fields.add("schema-invalid", key, f"'{key}': {problem}")
    return value


def _parse(fields: Fields, key: str, text: str) -> Json:
    path = (*fields.path, key)
    try:
        value = parse_canonical(text.encode("utf-8", "surrogatepass"))
    except Invalid as error:
        offset = getattr(error.__cause__, "pos", 0)
        fields.report.add("json-syntax", fields.document.inside(path, offset), f"'{key}': {error.message}")
        return None
    if _depth(value) > MAX_DEPTH:
        fields.add("too-deep", key, f"'{key}' is nested deeper than {MAX_DEPTH} levels")
        return None
    if not isinstance(value, Mapping):
        fields.add("wrong-type", key, f"'{key}' must hold a JSON object, got {shown(value)}")
    return value


def _depth(value: Json) -> int:
    if isinstance(value, Mapping):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _quick(schema: Mapping[str, Json]) -> str | None:
    """Returns the problem of a schema with a type and annotations only, or an empty string; None for other schemas."""
    if not schema.keys() <= ANNOTATIONS | {"type"}:
        return None
    kind = schema.get("type", "object" if "type" in schema else None)
    if not isinstance(kind, str) or kind not in _TYPES:
        return "" if kind is None and not schema.keys() - {"description", "title"} else None
    for key in ("title", "description"):
        if not isinstance(schema.get(key, ""), str):
            return f"'{key}' must be text"
    default = schema.get("default", ...)
    if default is not ... and type(default) not in _TYPES[kind]:
        return None
    return "" if not schema.keys() - {"type", "title", "description", "default", "private"} else None


def _thorough(encoded: str) -> str:
    return _remembered(encoded) if len(encoded) < _MAX_REMEMBERED else _problem(encoded)


@lru_cache(maxsize=512)
def _remembered(encoded: str) -> str:
    return _problem(encoded)


def _problem(encoded: str) -> str:
    from promptops.core.errors import TemplateInvalid

    schema: dict[str, Json] = json.loads(encoded)
    try:
        check = compile_check(schema)
    except TemplateInvalid as error:
        return error.message
    if constraints(schema) == {}:
        return ""
    if flaw := flaw_of(schema):
        return flaw
    problem = check(schema["default"]) if "default" in schema else ""
    return f"its default does not fit: {problem}" if problem else ""
