"""The JSON Schema of an input: the part that constrains a value, and a check that is compiled once.

Annotations (``title``, ``description``, ``default``, ``examples`` …) constrain nothing. Nothing is ever fetched: a
``$ref`` stays inside its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

from promptops.core.errors import ExtraMissing
from promptops.core.model import Json
from promptops.core.schema.meta_schema import patterns, require_schema
from promptops.core.schema.patterns import has_keyword, is_mixed, refusal

ANNOTATIONS = frozenset(
    {
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$comment",
        "$schema",
        "private",
    }
)
"""Schema keywords that inform a reader and constrain no value. ``private`` is ours: see :class:`Input`."""

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

STEPS: Final = 250_000
"""Steps that checking one value may take: about a second on a slow machine."""

RELEASE_STEPS: Final = 1_000_000
"""Steps that looking for flaws in all schemas of a release may take."""

_TEXT: Final = {"type": "string"}
"""The schema of most inputs."""
_TANGLES = frozenset({"$ref", "$dynamicRef", "unevaluatedItems", "unevaluatedProperties"})
_PROBES: tuple[Json, ...] = (None, True, 0, "", [], {})
_TOO_LONG = f"checking it takes more than {STEPS:,} steps: its schema is too intricate for this value"

T = TypeVar("T")

Check: TypeAlias = Callable[[Json], str]
"""Returns the problem of a value in words; empty for a valid one."""


def constraints(schema: Json) -> Json:
    """The schema without its annotations, at every level where a schema can stand.

    A property that is called ``title`` is a property, not an annotation: only places that JSON Schema 2020-12 calls a
    subschema are looked into. ``required``, ``enum`` and a list of types are sets: their order does not count.
    """
    if not isinstance(schema, Mapping):
        return schema
    return {key: _constraint(key, value) for key, value in schema.items() if key not in ANNOTATIONS}


def is_open(schema: Mapping[str, Json]) -> bool:
    """Returns whether the schema accepts every JSON value: it has only annotations."""
    return constraints(schema) == {}


def is_text(schema: Mapping[str, Json]) -> bool:
    """Returns whether the schema accepts every text and nothing else."""
    return schema == _TEXT or constraints(schema) == _TEXT


def compile_check(schema: Mapping[str, Json]) -> Check:
    """Compile a JSON Schema (2020-12) into a check of values.

    Raises:
        TemplateInvalid: the mapping is not a JSON Schema.
        ExtraMissing: jsonschema is not installed.
    """
    try:
        from promptops.core.schema.validation import TooLong, Validation
    except ImportError as error:
        raise ExtraMissing("checking a value needs jsonschema", hint="pip install jsonschema") from error
    require_schema(schema)
    validation = Validation(schema, steps=STEPS)

    def check(value: Json) -> str:
        try:
            error = validation.error(value)
        except TooLong:
            return _TOO_LONG
        except ValueError as problem:
            return str(problem)
        return "" if error is None else f"{_at(error.absolute_path)}{_short(error.message)}"

    return check


def first_flaw(schemas: Iterable[tuple[T, Mapping[str, Json]]]) -> tuple[T, str] | None:
    """Returns the first schema with a flaw, and the flaw. All schemas share one budget of steps."""
    left = RELEASE_STEPS
    for which, schema in schemas:
        flaw, left = _probed(schema, left)
        if flaw:
            return which, flaw
    return None


def flaw_of(schema: Mapping[str, Json]) -> str:
    """Describes why a JSON Schema cannot be evaluated as it is written; empty if it can.

    The reasons are a pattern that RE2 does not take, a reference that is circular or leads nowhere, and so many
    subschemas that even the smallest values use up the budget.

    Raises:
        TemplateInvalid: the mapping is not a JSON Schema.
    """
    return _probed(schema, STEPS)[0]


def _probed(schema: Mapping[str, Json], left: int) -> tuple[str, int]:
    """Returns the flaw of a schema, and how many of these steps are left."""
    if part := next(iter(unevaluated(schema)), ""):
        return f"{part}, which cannot be evaluated in linear time", left
    if not has_keyword(schema, _TANGLES):
        return "", left  # without references each subschema is visited once or twice
    from promptops.core.schema.validation import Steps, TooLong, Validation

    validation = Validation(schema, steps=STEPS)
    steps = Steps(left)
    for value in _PROBES:
        try:
            validation.error(value, within=steps)
        except (TooLong, ValueError) as error:
            return (_TOO_LONG if isinstance(error, TooLong) else str(error)), steps.left
    return "", steps.left


def unevaluated(schema: Mapping[str, Json]) -> tuple[str, ...]:
    """Names the parts of a JSON Schema that are ignored. Values pass there, because a release may exist already."""
    refusals = [(pattern, refusal(pattern)) for pattern in patterns(schema)]
    parts = [f"the pattern '{pattern[:80]}' has {construct}" for pattern, construct in refusals if construct]
    if refusals and is_mixed(schema):
        parts.append("`unevaluatedProperties` stands beside `patternProperties`")
    return tuple(parts)


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
