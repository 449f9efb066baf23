"""Frozen dataclasses <-> JSON, by the annotations of their fields: text, numbers, times, enums, tuples, mappings.

The values of a ``Mapping[str, object]`` are any JSON.

A field at its default is left out, so that a class can grow fields with defaults and older records keep their bytes.
Reading is strict: only declared fields, each of exactly its type. Times are aware and
become UTC to the microsecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import TypeVar, cast, get_args, get_origin, get_type_hints

from promptops.core.model import Json

T = TypeVar("T")


def to_json(value: object, *, without: tuple[str, ...] = ()) -> Json:
    """The value as JSON; ``without`` names fields of it that are left out."""
    kind = type(value)
    if kind in _defaults or is_dataclass(kind):
        return {
            name: item if type(item) is str else to_json(item)  # most are: a whole fsck writes a million of them
            for name, default in _fields(kind)
            if name not in without and (item := getattr(value, name)) != default
        }
    match value:
        case Enum():
            return str(value.value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case tuple() | list():
            return [item if type(item) is str else to_json(item) for item in value]
        case Mapping():
            return {key: to_json(item) for key, item in value.items()}
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"{kind.__name__} has no form in JSON")


_defaults: dict[type, tuple[tuple[str, object], ...]] = {}


def _fields(kind: type) -> tuple[tuple[str, object], ...]:
    """The fields of a dataclass with their defaults."""
    if kind not in _defaults:
        _defaults[kind] = tuple((field.name, field.default) for field in fields(kind))
    return _defaults[kind]


def from_json(kind: type[T], value: object, path: str, *, without: tuple[str, ...] = ()) -> T:
    """Returns an instance of the dataclass ``kind``; ``without`` names fields that are absent and keep their defaults.

    Raises:
        ValueError: a field does not fit; the message names its path.
    """
    hints, required = _known(kind)
    if not isinstance(value, dict) or not required <= value.keys() <= hints.keys() - set(without):
        raise ValueError(f"{path} does not have the fields {', '.join(required)}, or has others")
    return kind(**{name: _from_json(hints[name], item, f"{path}.{name}") for name, item in value.items()})


_seen: dict[type, tuple[dict[str, object], set[str]]] = {}


def _known(kind: type) -> tuple[dict[str, object], set[str]]:
    """The type of each field, and the fields without a default."""
    if kind not in _seen:
        names = {field.name for field in fields(kind) if field.default is MISSING}
        _seen[kind] = get_type_hints(kind), names
    return _seen[kind]


def _from_json(hint: object, value: object, path: str) -> object:
    if hint is object:  # any JSON
        return value
    if get_origin(hint) is UnionType:
        inner = next(h for h in get_args(hint) if h is not NoneType)
        return None if value is None else _from_json(inner, value, path)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{path} is not a list")
        (inner, *_) = get_args(hint)
        if inner is str and all(type(item) is str for item in value):  # the digests of thousands of cases
            return tuple(value)
        return tuple(_from_json(inner, item, path) for item in value)
    if get_origin(hint) is Mapping:
        if not isinstance(value, dict):
            raise ValueError(f"{path} is not an object")
        return {key: _from_json(get_args(hint)[1], item, f"{path}.{key}") for key, item in value.items()}
    kind = cast("type[object]", hint)
    if is_dataclass(kind):
        return from_json(kind, value, path)
    if kind is datetime and isinstance(value, str):
        return datetime.fromisoformat(value)
    if issubclass(kind, Enum) and isinstance(value, str):
        return kind(value)
    if type(value) is not kind:
        raise ValueError(f"{path} is not of type {kind.__name__}")
    return value
