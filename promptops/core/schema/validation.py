"""Checks a value against a JSON Schema (2020-12) within a budget of steps, so that it ends in time.

jsonschema walks the schema. This module counts a step for each subschema or keyword that is evaluated, and replaces
keywords that compare every item with every other, or run a regular expression, by ones that take linear time. So what
`$ref`, `allOf` and the like expand to is cut off at the same place in `promptops check` and in a client.
Nothing is ever fetched. Imports jsonschema: only :mod:`promptops.core.schema.input_schema` imports this, when a schema
needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from jsonschema.validators import create
from referencing import Registry
from referencing.exceptions import Unresolvable

from promptops.core.limits import values_in
from promptops.core.model import Json
from promptops.core.schema.patterns import is_mixed, search_of

_CHARACTERS = 100
"""Characters of a text that cost one step: hashing or searching them takes about as long as one visit of a subschema.
"""

_BIG = 1 << 53
"""From here on equal hashes are easy to construct, so numbers are compared as texts."""

Errors: TypeAlias = Iterator[ValidationError]


@dataclass(slots=True)
class Steps:
    """The steps that are left of a budget."""

    left: int


class TooLong(Exception):
    """The budget is used up."""


@dataclass(slots=True, kw_only=True)
class _Run:
    """One check of one value: the steps that are left, and what is known about the schema from earlier checks."""

    steps: Steps
    size: int
    mixed: bool
    keys: dict[int, Any] = field(default_factory=dict)


_run: ContextVar[_Run] = ContextVar("run")


class Validation:
    """A schema, ready to check values. Safe to share between threads."""

    __slots__ = ("_keys", "_mixed", "_size", "_steps", "_validator")

    def __init__(self, schema: Mapping[str, Json], *, steps: int) -> None:
        """Take a valid JSON Schema, and how many steps each check may take."""
        self._steps = steps
        self._size = values_in(schema)
        self._mixed = is_mixed(schema)
        self._keys: dict[int, Any] = {}
        token = _run.set(_Run(steps=Steps(left=steps), size=self._size, mixed=self._mixed))
        try:
            self._validator = _Checked(schema, registry=Registry())
        finally:
            _run.reset(token)

    def error(self, value: Json, *, within: Steps | None = None) -> ValidationError | None:
        """Returns the most informative error, or None. ``within`` is a budget that several checks share.

        Raises:
            TooLong: the budget is used up.
            ValueError: the schema cannot judge the value; the message has the reason.
        """
        token = _run.set(
            _Run(steps=within or Steps(left=self._steps), size=self._size, mixed=self._mixed, keys=self._keys)
        )
        try:
            best: ValidationError | None = best_match(self._validator.iter_errors(value))
            return best
        except Unresolvable as unresolved:
            raise ValueError(f"its schema refers to {unresolved.ref[:200]}, which is not in it") from unresolved
        except RecursionError as error:
            raise ValueError("nested too deeply") from error
        except ArithmeticError as error:
            raise ValueError("a number in it is too large to be compared") from error
        finally:
            _run.reset(token)


def _pay(steps: int) -> _Run:
    run = _run.get()
    run.steps.left -= steps
    if run.steps.left < 0:
        raise TooLong
    return run


def _paid_items(schema: Any) -> Iterable[tuple[str, Any]]:
    """Returns the keywords of a subschema and pays a step for each: jsonschema reads them at every visit."""
    if not isinstance(schema, Mapping):
        raise ValueError("its schema refers to a value that is not a schema")
    _pay(1 + len(schema))
    return schema.items()


def _counted(keyword: Callable[..., Errors | None]) -> Callable[..., Errors]:
    """Wraps a keyword so that it pays for what it loops over, and for the text of its errors."""

    @wraps(keyword)
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
        _pay(1 + (len(value) if isinstance(value, list | dict) and keyword not in _HASHED else 0))
        for error in keyword(validator, value, instance, schema) or ():
            _pay(1 + len(error.message) // _CHARACTERS)
            yield error

    return counted


def _reference(keyword: Callable[..., Errors], validator: Any, value: str, instance: Any, schema: Any) -> Errors:
    """A pointer costs its length; for a name (``#node``) the library searches the whole schema."""
    pointer = value == "#" or value.startswith("#/")
    _pay(5 + value.count("/") if pointer else _run.get().size)
    yield from keyword(validator, value, instance, schema)


def _unevaluated(keyword: Callable[..., Errors], validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
    """Pays for the library's way, which compares every item with every evaluated one."""
    size = len(instance) if isinstance(instance, list | dict) else 0
    if not _pay(size + size * size // _CHARACTERS).mixed or isinstance(instance, list):
        yield from keyword(validator, value, instance, schema)


def _unique(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
    if value is True and isinstance(instance, list):
        seen = set()
        for item in instance:
            seen.add(_key(item))
        if len(seen) < len(instance):
            yield ValidationError(f"{_short(instance)} has non-unique elements")


def _enum(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
    run = _run.get()
    if id(value) not in run.keys:
        run.keys[id(value)] = {_key(item) for item in value}
    if _key(instance) not in run.keys[id(value)]:
        yield ValidationError(f"{_short(instance)} is not one of {_short(value)}")


def _const(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
    if _key(instance) != _key(value):
        yield ValidationError(f"{_short(value)} was expected")


def _pattern(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
    if isinstance(instance, str) and (search := search_of(value)) is not None:
        _pay(1 + len(instance) // _CHARACTERS)
        if not search(instance):
            yield ValidationError(f"{_short(instance)} does not match {_short(value)}")


def _pattern_properties(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
    if isinstance(instance, dict):
        for pattern, subschema in value.items():
            for name in _found([pattern], instance):
                yield from validator.descend(instance[name], subschema, path=name, schema_path=pattern)


def _additional(validator: Any, value: Any, instance: Any, schema: Any) -> Errors:
    patterns = schema.get("patternProperties", {})
    if not isinstance(instance, dict) or any(search_of(pattern) is None for pattern in patterns):
        return
    extras = sorted(instance.keys() - schema.get("properties", {}).keys() - _found(patterns, instance))
    if isinstance(value, dict):
        for extra in extras:
            yield from validator.descend(instance[extra], value, path=extra)
    elif value is False and extras:
        verb = "was" if len(extras) == 1 else "were"
        shown = ", ".join(map(repr, extras[:10]))
        yield ValidationError(f"Additional properties are not allowed ({shown} {verb} unexpected)")


def _found(patterns: Iterable[str], names: Iterable[str]) -> set[str]:
    """Returns the names that match one of the patterns."""
    matching = set()
    for pattern in patterns:
        search = search_of(pattern)
        for name in names if search is not None else ():
            _pay(1 + len(name) // _CHARACTERS)
            if search is not None and search(name):
                matching.add(name)
    return matching


def _key(value: Json) -> Any:
    """A key that is equal for values that JSON Schema calls equal: ``1`` and ``1.0``, but not ``1`` and ``true``."""
    match value:
        case None | bool():
            _pay(1)
            return ("", value)
        case str():
            _pay(1 + len(value) // _CHARACTERS)
            return value
        case int() | float():
            _pay(1)
            whole = int(value) == value
            return str(int(value)) if whole and abs(value) >= _BIG else (0, value)
        case Mapping():
            _pay(1 + len(value))
            return frozenset((name, _key(item)) for name, item in value.items())
    _pay(1 + len(value))
    return tuple(map(_key, value))


def _short(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:120]} … {text[-40:]}"


def _checked() -> Any:
    stock: Mapping[str, Any] = Draft202012Validator.VALIDATORS
    keywords = {name: _counted(keyword) for name, keyword in stock.items()}
    own: dict[str, Callable[..., Errors]] = {
        "uniqueItems": _unique,
        "enum": _enum,
        "const": _const,
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional,
        **{name: partial(_reference, stock[name]) for name in ("$ref", "$dynamicRef")},
        **{name: partial(_unevaluated, stock[name]) for name in ("unevaluatedItems", "unevaluatedProperties")},
    }
    keywords |= {name: _counted(keyword) for name, keyword in own.items()}
    made = create(
        meta_schema=Draft202012Validator.META_SCHEMA,
        validators=keywords,
        type_checker=Draft202012Validator.TYPE_CHECKER,
        applicable_validators=_paid_items,
    )
    evolve = made.evolve

    def stay(self: Any, **changes: Any) -> Any:
        """Removes a ``$schema`` inside a schema, which would select the library's own keywords, without counting."""
        schema = changes.get("schema")
        if isinstance(schema, Mapping) and "$schema" in schema:
            changes["schema"] = {key: value for key, value in schema.items() if key != "$schema"}
        return evolve(self, **changes)

    made.evolve = stay  # type: ignore[method-assign]
    return made


_HASHED = frozenset({_enum, _const})
"""Keywords whose value is prepared once for each schema, so that they do not pay for its length."""

_Checked = _checked()
