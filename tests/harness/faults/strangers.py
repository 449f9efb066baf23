"""What strangers publish: contents that are valid, broken and hostile, as the texts that are sent. Seeded, no I/O.

What comes out may be no release at all, so it is a text and no :class:`Content`; each is of the app that was asked for.
Nothing here says which of them have to be refused: that is what is found out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count, cycle, islice
from typing import Any, Final

from promptops.core.digest import MAX_BYTES, canonical
from promptops.core.errors import Invalid
from promptops.core.limits import PATTERN
from promptops.core.schema.meta_schema import TYPES
from promptops.core.template.jinja_syntax import FILTERS, TESTS
from tests.harness.faults.extremes import EXTREMES, Dice, Prompts, prompt_of

HEAVY: Final = 20
"""One content of so many is at a limit or just over it."""

_ODD: Final = (
    *("é", "🎉", "\u202e", "\u200b", "\u2028", "\r\n", "\t", "\ufeff", "\U0010ffff", "e\u0301", "\x7f", "ﷺ"),
    *("'", '"'),
)
_SIMPLE: Final = (
    *("{{a}}", "{{ a }}", "{{{a}}}", "{{a.b.c}}", "{{a-b}}", "{{a b}}", "{{}}", "{{> part }}", "{{\n", "{{a", "a}}"),
    *("{{{{", "}}}}}", "{", "}", "{%", "%}", "{#", "#}", "{{a.b.c.d.e.f.g.h.i.j}}", "{{a", "text", " ", "\n"),
)
_NAMES: Final = ("a", "b", "user", "items_2", "x-y", "_a", "self", "loop", "é", "class", "not")
_FILTERS: Final = (*sorted(FILTERS), "attr", "map", "safe", "format", "nope")
_TESTS: Final = (*sorted(TESTS), "callable", "nope")
_STATEMENTS: Final = (
    *("{% set x = 1 %}", "{% include 'a' %}", "{% macro m() %}{% endmacro %}", "{% raw %}{{{% endraw %}"),
    *("{% with a = 1 %}{% endwith %}", "{% autoescape true %}x{% endautoescape %}", "{% if", "{%", "{# a"),
    *("{% endif %}", "{{ '\\0' }}", "{{ '\\ud800' }}", "{{ a() }}", "{{ a + 1 }}", "{{ a[1:2] }}", "{{ {'a': 1} }}"),
    "{{ 1" + "0" * 400 + " }}",
)
_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**53 - 1,
    "",
    "text",
    "((",
    [],
    ["a"],
    {},
    {"type": "string"},
)
_PATTERNS: Final = (
    *("^a+$", "[a-z]{1,1000}", "(a+)+$", "(?:ab|cd){90}", r"\d\w\s", r"\p{L}+", "é🎉", "(?i)a", "a{1001}", "(("),
    *("[", "*", "(?=a)", "(?<!a)b", r"(a)\1", "a" * (PATTERN + 1), r"\Z", r"\u0041", "(?P<n>a)(?P=n)", "(?>a)", "a++"),
)
_PARAMETERS: Final[Mapping[str, Sequence[Any]]] = {
    "maxTokens": (1, 4096, -1, "many", 2**53),
    "temperature": (0, 0.7, 2, 1e15, "hot"),
    "stop": ("\n", ["a", "b"], [], [[]], {}),
    "toolChoice": ("auto", "none", {"type": "function", "function": {"name": "t0"}}, {"type": None}, []),
    "reasoningEffort": ("low", "default", "", 3),
    "nobodyKnowsThis": (1, {"a": {"b": []}}),
}
_SETTINGS: Final[tuple[Any, ...]] = (*({"format": {"type": "text"}}, {"a": [None]}, {}, {"name": "x"}) * 3, [])
_MODELS: Final = (None, "openai/gpt-4o-2024-08-06", "anthropic/claude-opus-4-6", "mistral/large", "x", "/", "é/🎉")


def contents(number: int, app: str, *, seed: int = 11) -> Iterator[str]:
    """So many contents of an app, each of them different, in an order that the seed decides."""
    yield from islice(_endless(app, Dice(seed)), number)


def _endless(app: str, dice: Dice) -> Iterator[str]:
    extremes = cycle(EXTREMES.values())
    for number in count(1):
        if number % HEAVY == 0:  # the last of a batch, which is being loaded when something else is changed
            prompts = next(extremes)(dice)
        else:
            prompts = dice.choices(_LIGHT, weights=_WEIGHTS)[0](dice)
        # Each has something of its own, or the registry would find that it has it already.
        prompts[f"n{number}"] = prompt_of(f"content {number}")
        text = _written(app, prompts)
        yield _damaged(text, dice) if dice.random() < 0.1 else text


def _written(app: str, prompts: Prompts) -> str:
    """Canonical bytes where there are any: who sends this may send anything."""
    return _json({"app": app, "prompts": prompts, "schema": "promptops.release/1"})


def _json(value: Any) -> str:
    try:
        return canonical(value, limit=2 * MAX_BYTES).decode()
    except Invalid:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _damaged(text: str, dice: Dice) -> str:
    """The same with something that no release has; it may still look like one."""
    document = json.loads(text)
    if dice.random() < 0.5:
        place: Any = document["prompts"]
        while isinstance(place, dict | list) and place:  # somewhere in it another value, as deep as it goes
            step = dice.choice(list(place)) if isinstance(place, dict) else dice.randrange(len(place))
            if dice.random() < 0.4 or not isinstance(place[step], dict | list):
                place[step] = dice.choice(_VALUES)
                break
            place = place[step]
        return _json(document)
    at = dice.randrange(len(document["app"]) + 12, len(text))
    return dice.choice(
        (
            text[:at],
            text[:at] + dice.choice('{}[]",:\\\x01é') + text[at:],
            text[:-1] + ',"more":1}',
            text[:-1] + ',"schema":"promptops.release/1"}',
            text.replace('"content ', '"\\ud800 ', 1),
            text.replace('"content ', '"\\u0000 ', 1),
            text.replace(",", ", ", 1),
            text.replace("release/1", "release/2"),
        )
    )


# --- light ------------------------------------------------------------------------------------------------


def _simple(dice: Dice) -> Prompts:
    pieces = dice.choices((*_SIMPLE, *_ODD), k=dice.choice((1, 5, 40, 400)))
    return {"answer": prompt_of("".join(pieces)), "a/b": prompt_of("{" * dice.randrange(300) + "a" + "}" * 9)}


def _jinja(dice: Dice) -> Prompts:
    text = "".join(_block(dice, 3) for _ in range(dice.randint(1, 6)))
    if dice.random() < 0.15:
        text += dice.choice(_STATEMENTS)
    return {"answer": prompt_of(text, engine="jinja2")}


def _block(dice: Dice, depth: int) -> str:
    kind = dice.randrange(7) if depth else dice.randrange(3)
    if kind == 0:
        return dice.choice((*_ODD, "text", "}}", "%}"))
    if kind <= 2:
        return "{{" + dice.choice(("", "-", " ")) + f" {_expression(dice, 3)} " + dice.choice(("", "-")) + "}}"
    inner, other = _block(dice, depth - 1), _block(dice, depth - 1)
    if kind <= 4:
        elif_ = f"{{% elif {_expression(dice, 2)} %}}x" * dice.choice((0, 0, 1, 5))
        return f"{{% if {_expression(dice, 2)} %}}{inner}{elif_}{{% else %}}{other}{{% endif %}}"
    also = f" if {_expression(dice, 1)}" if dice.random() < 0.3 else ""
    return f"{{% for x in {_name(dice)}{also} %}}{inner}{{{{ loop.index }}}}{{% else %}}{other}{{% endfor %}}"


def _name(dice: Dice) -> str:
    return dice.choice(_NAMES) if dice.random() < 0.1 else dice.choice(_NAMES[:4])


def _expression(dice: Dice, depth: int) -> str:
    if not depth or dice.random() < 0.2:
        return dice.choice((_name(dice), _name(dice), "1", "-1.5", "'é\\n'", "none", "[1, 'a']", "()"))
    inner, other = _expression(dice, depth - 1), _expression(dice, depth - 1)
    usual = dice.random() < 0.95
    return dice.choice(
        (
            f"{inner}.b",
            f"{_name(dice)}['b']",
            f"{_name(dice)}[0]",
            f"({inner}) | {dice.choice(_FILTERS if not usual else ('upper', 'trim', 'tojson', 'length', 'title'))}",
            f"({inner}) | default({other})",
            f"({inner}) is {dice.choice(_TESTS if not usual else ('defined', 'none', 'string', 'mapping'))}",
            f"({inner}) {dice.choice(('==', '<', '>=', 'in', 'not in', 'and', 'or'))} ({other})",
            f"({inner} if {other} else 1)",
            f"not {inner}",
        )
    )


def _schema(dice: Dice, depth: int) -> Any:
    if dice.random() < 0.02:
        return dice.choice(_VALUES)
    some: Any = lambda: _schema(dice, depth - 1) if depth else {"type": dice.choice(TYPES)}  # noqa: E731
    made: dict[str, Callable[[], Any]] = {
        "type": lambda: dice.choice((*TYPES, list(TYPES[:3]), "nope") if dice.random() < 0.1 else TYPES),
        "properties": lambda: {name: some() for name in dice.sample(("a", "é", "$ref", "", "type"), k=2)},
        "items": some,
        "allOf": lambda: [some() for _ in range(dice.randrange(4))] or dice.choice(([{}], [])),
        "anyOf": lambda: [some(), some()],
        "enum": lambda: dice.sample((None, True, 1, "a", "é🎉", [1], {"a": 1}), k=dice.randrange(5)),
        "pattern": lambda: dice.choice(_PATTERNS if dice.random() < 0.3 else _PATTERNS[:8]),
        "patternProperties": lambda: {dice.choice(_PATTERNS[:10]): some()},
        "$ref": lambda: dice.choice(("#", "#/$defs/a", "#/$defs/b", "http://127.0.0.1:9/x", "#/nothing", "%zz", "")),
        "required": lambda: dice.choice((["a"], ["a", "a"], "a", [])),
        "minLength": lambda: dice.choice((0, 1, -1, 2**52, 1.5)),
        "default": lambda: dice.choice(_VALUES[:7]),
        "multipleOf": lambda: dice.choice((1, 0.1, 0, 1e15)),
        "uniqueItems": lambda: dice.choice((True, False, "yes")),
        "unevaluatedProperties": lambda: False,
        "if": some,
        "title": lambda: dice.choice(_ODD),
    }
    weights = [9 if key in ("type", "properties", "items", "allOf", "enum") else 1 for key in made]
    found = {key: made[key]() for key in dict.fromkeys(dice.choices(list(made), weights, k=dice.randint(1, 3)))}
    return {**found, "$defs": {"a": {"type": "string"}, "b": {"$ref": "#/$defs/b"}}} if "$ref" in found else found


def _inputs(dice: Dice) -> Prompts:
    names = [f"a{n}" for n in range(dice.choice((1, 3, 20)))] + ["é b"] * (dice.random() < 0.05)
    text = "".join(f"{{{{{name}}}}}" for name in names[:5])
    return {"answer": prompt_of(text, inputs={name: _schema(dice, dice.randrange(4)) for name in names})}


def _tools(dice: Dice) -> Prompts:
    def tool(number: int) -> dict[str, Any]:
        found: dict[str, Any] = {"name": dice.choice((*(f"t{number}",) * 20, "é🎉", "", "t0"))}
        more = {
            "strict": dice.choice((*(True, False) * 5, None, "yes")),
            "type": dice.choice(("custom", "web_search", "bash_20250124", "mcp_toolset", "", "é")),
            "settings": dice.choice(_SETTINGS),
            "parameters": _schema(dice, 2),
            "description": dice.choice(_ODD) * 50,
        }
        return found | {key: more[key] for key in dice.sample(sorted(more), k=dice.randrange(4))}

    answer = {"response_format": "json_schema", "json_schema": {"name": "x", "schema": _schema(dice, 3)}}
    return {
        "answer": prompt_of(
            "{{a}}",
            tools=[tool(number) for number in range(dice.choice((1, 2, 9)))],
            parameters={name: dice.choice(_PARAMETERS[name]) for name in dice.sample(sorted(_PARAMETERS), k=3)},
            **({"model": model} if (model := dice.choice(_MODELS)) else {}),
            **(answer if dice.random() < 0.5 else {}),
        )
    }


def _many(dice: Dice) -> Prompts:
    names = [f"{dice.choice(('p', 'P', 'p.q', 'a/b/c'))}{n}" for n in range(dice.choice((10, 100, 400)))]
    names += [dice.choice(("../x", "a/../b", "con", "é", "", "a" * 129, "x.lock"))] * (dice.random() < 0.1)
    return {
        name: prompt_of(
            dice.choice(_SIMPLE),
            messages=[
                {"role": role, "content": dice.choice(_ODD)} for role in dice.sample(("user", "system", "tool"), 2)
            ],
        )
        for name in names
    } | {"answer": {"messages": []}}


def _plain(dice: Dice) -> Prompts:
    """What people write."""
    text = "You answer {{name}}.\n" + "Be kind. " * dice.choice((1, 30, 3000)) + dice.choice(_ODD)
    return {
        "answer": prompt_of(text, inputs={"name": {"type": "string"}}, model=_MODELS[1], parameters={"maxTokens": 9})
    }


_LIGHT: Final = (_simple, _jinja, _inputs, _tools, _many, _plain)
_WEIGHTS: Final = (3, 5, 4, 3, 1, 3)
