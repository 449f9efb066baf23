"""Contents at the limits of what a release may be made of: a little under, at, and a little over each."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Final

from promptops.core.digest import MAX_BYTES, MAX_DEPTH
from promptops.core.limits import (
    INPUTS,
    PATTERNS,
    PROMPTS,
    RELEASE_NODES,
    SCHEMA_VALUES,
    TAGS,
    TEMPLATE_NODES,
    VALUES,
)
from promptops.core.template.jinja_syntax import MAX_COMPARED

Dice = random.Random
Prompts = dict[str, dict[str, Any]]
"""The prompts of a release in its format, before anything was asked of them."""


def prompt_of(text: str, **more: Any) -> dict[str, Any]:
    """A prompt of one message."""
    return {"messages": [{"role": "user", "content": text}], **more}


def _about(dice: Dice, limit: int) -> int:
    """A little under, at, or a little over."""
    return limit + dice.choice((-limit // 20, -limit // 50, 0, 1))


def _nested(dice: Dice, limit: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(_about(dice, limit)):
        schema = {"items": schema}
    return schema


def _doubling(dice: Dice) -> Any:
    """So many lines, each of which refers to the next one twice."""
    count = dice.choice((8, 12, 60, 2000))
    schemas: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(count)}
    return {"$defs": {**schemas, f"d{count}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def _takes(schema: Any) -> Prompts:
    return {"answer": prompt_of("{{a}}", inputs={"a": schema})}


def _says(text: str) -> Prompts:
    return {"answer": prompt_of(text, engine="jinja2")}


EXTREMES: Final[Mapping[str, Callable[[Dice], Prompts]]] = {
    "doubling references": lambda dice: _takes(_doubling(dice)),
    "Jinja tags": lambda dice: _says("{{a}}" * (_about(dice, TEMPLATE_NODES) // 2 - 1)),
    "tags": lambda dice: {"answer": prompt_of("{{a}}" * _about(dice, TAGS))},
    "a schema's values": lambda dice: _takes({"enum": list(range(_about(dice, SCHEMA_VALUES - 3)))}),
    "braces": lambda dice: {"answer": prompt_of("{" * dice.choice((1, 2, 3, 39_999, 900_000)) + "a}}")},
    "patterns": lambda dice: _takes(
        {"anyOf": [{"pattern": f"^{n}(?:ab|cd){{90}}$"} for n in range(_about(dice, PATTERNS))]}
    ),
    "deep": lambda dice: _takes(_nested(dice, MAX_DEPTH - 5)),
    "Jinja parentheses": lambda dice: _says("{{ " + "(" * (n := dice.choice((40, 90, 5000))) + "a" + ")" * n + " }}"),
    "inputs": lambda dice: {
        "answer": prompt_of("", inputs={f"a{n}": {"type": "integer"} for n in range(_about(dice, INPUTS))})
    },
    "Jinja comparisons": lambda dice: _says("{{ a" + " < a" * _about(dice, MAX_COMPARED) + " }}"),
    "a circle": lambda dice: _takes(
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    ),
    "Jinja of a release": lambda dice: {
        f"p{n}": prompt_of("{{a}}{{b}}" * (_about(dice, RELEASE_NODES) // 28), engine="jinja2") for n in range(7)
    },
    "values": lambda dice: {"answer": prompt_of("", parameters={"stop": [[]] * _about(dice, VALUES - 30)})},
    "Jinja ifs": lambda dice: _says("{% if a %}" * (n := dice.choice((20, 60, 900))) + "{% endif %}" * n),
    "bytes": lambda dice: {"answer": prompt_of("é🎉" * (_about(dice, MAX_BYTES - 300) // 6))},
    "a constant": lambda dice: _says("{{ [" + "1," * dice.choice((500, 1990, 2000)) + "] }}"),
    "prompts": lambda dice: {f"p{n}": {"messages": []} for n in range(_about(dice, PROMPTS - 1))},
    "Jinja filters": lambda dice: _says("{{ a" + " | upper" * dice.choice((20, 60, 900)) + " }}"),
    "allOf": lambda dice: _takes({"allOf": [{"type": "string"}] * (_about(dice, SCHEMA_VALUES) // 3)}),
    "unevaluated": lambda dice: _takes({"unevaluatedProperties": False, "patternProperties": {"^a": {}}}),
}
