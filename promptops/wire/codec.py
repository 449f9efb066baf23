"""Documents <-> JSON: one language for HTTP, for ``--json`` and for the JSON Schemas that are published.

A document is a frozen dataclass below :mod:`promptops.wire.documents`. Its fields are the keys, in their order; a field
that would be a keyword of Python has an underscore at its end (``from_`` is ``from``). Every key is always written,
null included, and times are ISO 8601 in UTC with a ``Z``.

Reading ignores keys that are not declared, because a newer version may have added them. A field with a default may be
missing, because an older version did not write it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, cast, get_args, get_origin, get_type_hints

from promptops.core.errors import Invalid
from promptops.core.model import Json
from promptops.core.timestamp import timestamp

T = TypeVar("T")

_NAMES: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}


def to_json(document: object) -> dict[str, Json]:
    """Returns the JSON object of a document."""
    return {_key(field): _to_json(getattr(document, field.name)) for field in fields(cast("Any", document))}


def from_json(kind: type[T], value: object, path: str = "$") -> T:
    """Returns the document that a JSON object holds.

    Raises:
        Invalid: with the path of what is missing, or of another type.
    """
    if not isinstance(value, Mapping):
        raise Invalid(f"{path} is not an object")
    values = {}
    for field, hint in _fields(cast("Any", kind)):
        key = _key(field)
        if key in value:
            values[field.name] = _from_json(hint, value[key], f"{path}.{key}")
        elif field.default is MISSING:
            raise Invalid(f"{path} has no '{key}'")
    return kind(**values)


def schema_of(hint: object) -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of a document, or of the type of one of its fields."""
    if hint is object:
        return {}
    if get_origin(hint) is UnionType:
        return {"anyOf": [{"type": "null"} if part is NoneType else schema_of(part) for part in get_args(hint)]}
    if get_origin(hint) is tuple:
        return {"type": "array", "items": schema_of(get_args(hint)[0])}
    if get_origin(hint) is Mapping:
        return {"type": "object", "additionalProperties": schema_of(get_args(hint)[1])}
    if hint is datetime:
        return {"type": "string", "format": "date-time"}
    if not is_dataclass(hint):
        return {"type": _NAMES[cast("type", hint)]}
    declared = _fields(cast("Any", hint))
    return {
        "type": "object",
        "title": cast("type", hint).__name__.removesuffix("Document"),
        "properties": {_key(field): schema_of(part) for field, part in declared},
        "required": [_key(field) for field, _ in declared if field.default is MISSING],
    }


def _key(field: Field[Any]) -> str:
    return field.name.rstrip("_")


@cache
def _fields(kind: Any) -> tuple[tuple[Field[Any], object], ...]:
    hints = get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind))


def _to_json(value: object) -> Json:
    match value:
        case datetime():
            return timestamp(value)
        case tuple() | list():
            return [_to_json(item) for item in value]
        case Mapping():
            return {key: _to_json(item) for key, item in value.items()}
        case None | bool() | int() | float() | str():
            return value
    return to_json(value)


def _from_json(hint: object, value: object, path: str) -> object:
    if hint is object:
        return value
    origin, parts = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return None if value is None else _from_json(next(p for p in parts if p is not NoneType), value, path)
    if origin is tuple:
        if not isinstance(value, list):
            raise Invalid(f"{path} is not a list")
        return tuple(_from_json(parts[0], item, f"{path}[{place}]") for place, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise Invalid(f"{path} is not an object")
        return {key: _from_json(parts[1], item, f"{path}.{key}") for key, item in value.items()}
    if is_dataclass(hint):
        return from_json(cast("type[object]", hint), value, path)
    if hint is datetime:
        return _moment(value, path)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise Invalid(f"{path} is not of type {_NAMES[cast('type', hint)]}")
    return value


def _moment(value: object, path: str) -> datetime:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Invalid(f"{path} is not a time in ISO 8601 with an offset")
    return at
