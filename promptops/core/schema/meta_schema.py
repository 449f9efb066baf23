"""Checks a JSON Schema: the meta-schema of draft 2020-12 as a table, walked once.

The library's own check of a schema costs half a millisecond for each subschema, and a release may have thousands. This
one accepts the same schemas in microseconds and names the place of an error. Source:
https://json-schema.org/draft/2020-12/schema with its vocabularies, and the keywords of older drafts that it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from promptops.core.errors import TemplateInvalid
from promptops.core.limits import PATTERNS, SCHEMA_VALUES
from promptops.core.model import Json
from promptops.core.schema.patterns import broken

_MEDIA: Final = ("image", "file", "audio")
TYPES: Final = ("array", "boolean", "integer", "null", "number", "object", "string")

_ANCHOR = re.compile(r"[A-Za-z_][-A-Za-z0-9._]*")
_Place = tuple["_Place", str] | None
_Judged = str | Iterator[tuple[str, Json]]
"""The problem of a keyword's value, or the schemas in it, each with its step."""


def require_schema(schema: Json) -> None:
    """Checks that a value is a JSON Schema of draft 2020-12.

    Raises:
        TemplateInvalid: it is not a schema, or is too large for a release; the message names the place in it.
    """
    if len(set(patterns(schema))) > PATTERNS:
        raise TemplateInvalid(f"not a JSON Schema that a prompt may have: over {PATTERNS:,} regular expressions")
    pending: list[tuple[Json, _Place]] = [(schema, None)]
    values = 0
    while pending:
        subschema, place = pending.pop()
        values += 1
        if isinstance(subschema, bool) and values <= SCHEMA_VALUES:
            continue
        if not isinstance(subschema, Mapping):
            raise _invalid(place, "a schema is a mapping, true or false")
        for key, value in subschema.items():
            values += 1 + _size(value)
            if values > SCHEMA_VALUES:
                raise TemplateInvalid(f"not a JSON Schema that a prompt may have: over {SCHEMA_VALUES:,} values")
            judged = _KEYWORDS[key](value) if key in _KEYWORDS else ""
            if isinstance(judged, str):
                if judged:
                    raise _invalid((place, key), judged)
                continue
            pending += [(inner, ((place, key), step) if step else (place, key)) for step, inner in judged]


def patterns(schema: Json) -> Iterator[str]:
    """Yields the regular expressions of a JSON Schema, also of a value that may be no valid schema."""
    pending: list[Json] = [schema]
    while pending:
        subschema = pending.pop()
        for key, value in subschema.items() if isinstance(subschema, Mapping) else ():
            if key == "pattern" and isinstance(value, str):
                yield value
            elif key == "patternProperties" and isinstance(value, Mapping):
                yield from value
                pending += value.values()
            elif (judge := _KEYWORDS.get(key, _any)) in _HOLDING and not isinstance(inner := judge(value), str):
                pending += [item for _, item in inner]


def _invalid(place: _Place, problem: str) -> TemplateInvalid:
    steps = []
    while place is not None:
        place, step = place
        steps.append(step[:40])
    where = ".".join(reversed(steps))
    return TemplateInvalid(f"not a JSON Schema: {where}: {problem}" if where else f"not a JSON Schema: {problem}")


def _size(value: Json) -> int:
    """Returns the length of a list, else 0: a mapping is counted when it is visited as a schema."""
    return len(value) if isinstance(value, Sequence) and not isinstance(value, str) else 0


# --- what a keyword may have --------------------------------------------------------------------------


def _schema(value: Json) -> _Judged:
    return iter((("", value),))


def _schemas(value: Json) -> _Judged:
    if not isinstance(value, list | tuple) or not value:
        return "a list of schemas that is not empty"
    return ((f"{number}", item) for number, item in enumerate(value))


def _schema_map(value: Json) -> _Judged:
    return iter(value.items()) if isinstance(value, Mapping) else "a mapping of schemas"


def _pattern_map(value: Json) -> _Judged:
    if isinstance(value, Mapping):
        for key in value:
            if problem := _pattern(key):
                return problem
    return _schema_map(value)


def _dependencies(value: Json) -> _Judged:
    if not isinstance(value, Mapping):
        return "a mapping of schemas or lists of names"
    named = [item for item in value.values() if isinstance(item, list | tuple)]
    problem = next(filter(None, map(_names, named)), "")
    return problem or ((key, item) for key, item in value.items() if not isinstance(item, list | tuple))


def _any(value: Json) -> str:
    return ""


def _text(value: Json) -> str:
    return "" if isinstance(value, str) else "it must be text"


def _pattern(value: Json) -> str:
    if not isinstance(value, str):
        return "a regular expression is text"
    problem = broken(value)
    return f"not a regular expression: {problem}" if problem else ""


def _anchor(value: Json) -> str:
    return "" if isinstance(value, str) and _ANCHOR.fullmatch(value) else "it must be a name"


def _identifier(value: Json) -> str:
    return "" if isinstance(value, str) and "#" not in value.removesuffix("#") else "a URI without a fragment"


def _flag(value: Json) -> str:
    return "" if isinstance(value, bool) else "it must be true or false"


def _number(value: Json) -> str:
    return "" if isinstance(value, int | float) and not isinstance(value, bool) else "it must be a number"


def _positive(value: Json) -> str:
    return _number(value) or ("" if float(value) > 0 else "it must be over 0")  # type: ignore[arg-type]


def _count(value: Json) -> str:
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    return "" if whole and int(value) >= 0 else "it must be a whole number, 0 or more"  # type: ignore[arg-type]


def _list(value: Json) -> str:
    return "" if isinstance(value, list | tuple) else "it must be a list"


def _names(value: Json) -> str:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        return "it must be a list of names"
    return "" if len(set(value)) == len(value) else "a name is in the list twice"


def _name_lists(value: Json) -> str:
    if not isinstance(value, Mapping):
        return "a mapping of lists of names"
    return next(filter(None, map(_names, value.values())), "")


def _type(value: Json) -> str:
    kinds = value if isinstance(value, list | tuple) else (value,)
    if not kinds or not all(isinstance(kind, str) and kind in TYPES for kind in kinds):
        return f"a type is one of {', '.join(TYPES)}, or a list of them{_meant(kinds)}"
    return "" if len(set(map(str, kinds))) == len(kinds) else "a type is in the list twice"


def _meant(kinds: Sequence[Json]) -> str:
    """Returns what was meant by a type that there is not."""
    for kind in kinds:
        if kind in _MEDIA:
            return f"; '{kind}' is the type of a whole input, alone and not below it"
        if isinstance(kind, str) and kind not in TYPES:
            near = get_close_matches(kind[:100].lower(), (*TYPES, *_MEDIA), n=1, cutoff=0.7)
            return f"; did you mean '{near[0]}'?" if near else ""
    return ""


def _vocabulary(value: Json) -> str:
    flags = isinstance(value, Mapping) and all(isinstance(item, bool) for item in value.values())
    return "" if flags else "a mapping of true or false"


_HOLDING = (_schema, _schemas, _schema_map, _dependencies)
"""The keywords that hold schemas."""

_KEYWORDS: dict[str, Callable[[Json], _Judged]] = {
    **dict.fromkeys(
        ("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then"),
        _schema,
    ),
    **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties"), _schema),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _schemas),
    **dict.fromkeys(("$defs", "definitions", "dependentSchemas", "properties"), _schema_map),
    "patternProperties": _pattern_map,
    "dependencies": _dependencies,
    **dict.fromkeys(("$comment", "$dynamicRef", "$recursiveRef", "$ref", "$schema"), _text),
    **dict.fromkeys(("contentEncoding", "contentMediaType", "description", "format", "title"), _text),
    **dict.fromkeys(("$anchor", "$dynamicAnchor", "$recursiveAnchor"), _anchor),
    "$id": _identifier,
    "$vocabulary": _vocabulary,
    "pattern": _pattern,
    **dict.fromkeys(("deprecated", "readOnly", "uniqueItems", "writeOnly"), _flag),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum"), _number),
    "multipleOf": _positive,
    **dict.fromkeys(("maxContains", "maxItems", "maxLength", "maxProperties"), _count),
    **dict.fromkeys(("minContains", "minItems", "minLength", "minProperties"), _count),
    **dict.fromkeys(("enum", "examples"), _list),
    "required": _names,
    "dependentRequired": _name_lists,
    "type": _type,
    **dict.fromkeys(("const", "default"), _any),
}
