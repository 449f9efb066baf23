"""The JSON Schema of an input: what of it constrains a value, and a check compiled once.

Annotations (``title``, ``description``, ``default``, ``examples`` …) constrain nothing. Nothing is ever fetched: a
``$ref`` stays inside its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from promptops.core.errors import ExtraMissing, TemplateInvalid
from promptops.core.model import Json

ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema"}
)
"""Schema keywords that tell a reader something and constrain no value."""

_SCHEMAS = frozenset(
    {
        "items",
        "additionalProperties",
        "contains",
        "not",
        "if",
        "then",
        "else",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
        "additionalItems",
    }
)
_SCHEMA_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_SCHEMA_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})

Check: TypeAlias = Callable[[Json], str]
"""A value -> what is wrong with it in words, or an empty string."""


def constraints(schema: Json) -> Json:
    """The schema without its annotations, at every level where a schema can stand.

    A property that is called ``title`` is a property, not an annotation: only places that JSON Schema 2020-12 calls a
    subschema are looked into. ``required``, ``enum`` and a list of types are sets: their order does not count.
    """
    if not isinstance(schema, Mapping):
        return schema
    return {key: _constraint(key, value) for key, value in schema.items() if key not in ANNOTATIONS}


def is_open(schema: Mapping[str, Json]) -> bool:
    """True where the schema takes any JSON value: it has nothing but annotations."""
    return constraints(schema) == {}


def is_text(schema: Mapping[str, Json]) -> bool:
    """True where the schema takes any text and nothing else."""
    return constraints(schema) == {"type": "string"}


def compile_check(schema: Mapping[str, Json]) -> Check:
    """Compile a JSON Schema (2020-12) into a check of values.

    Raises:
        TemplateInvalid: for what is not a JSON Schema.
        ExtraMissing: where jsonschema is not installed.
    """
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError, best_match
        from referencing import Registry
        from referencing.exceptions import Unresolvable
    except ImportError as error:
        raise ExtraMissing("checking a value needs jsonschema", hint="pip install jsonschema") from error
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        problem = error.message if isinstance(error, SchemaError) else "nested too deeply"
        raise TemplateInvalid(f"not a JSON Schema: {problem}") from error
    validator = Draft202012Validator(schema, registry=Registry())

    def check(value: Json) -> str:
        try:
            error = best_match(validator.iter_errors(value))
        except Unresolvable as unresolved:
            return f"its schema refers to {unresolved.ref}, which is not in it"
        except RecursionError:
            return "nested too deeply"
        return "" if error is None else f"{_at(error.absolute_path)}{_short(error.message)}"

    return check


def _constraint(key: str, value: Json) -> Json:
    if key in _SCHEMA_MAPS and isinstance(value, Mapping):
        return {name: constraints(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        if key in _SCHEMA_LISTS:
            return [constraints(item) for item in value]
        if key in ("required", "type", "enum"):
            return sorted(value, key=repr)
        return value
    return constraints(value) if key in _SCHEMAS else value


def _at(path: Sequence[str | int]) -> str:
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return f"{where}: " if where else ""


def _short(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:200]} … {message[-80:]}"
