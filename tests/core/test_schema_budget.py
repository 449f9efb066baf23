"""Values against schemas of other people: right where it is cheap, and an error instead of a wait where it is not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from promptops.core.compiled import require_loadable
from promptops.core.errors import TemplateInvalid, Unloadable, VariableInvalid
from promptops.core.model import Content, Input, Json, Message, Prompt, Role
from promptops.core.schema.input_schema import compile_check, flaw_of, unevaluated
from promptops.core.schema.patterns import refusal, search_of
from promptops.core.template.template import Template

SOON = 60
"""Processor seconds: without a budget each of these takes hours, on any machine."""


def twice(keyword: str, depth: int = 40) -> dict[str, Any]:
    """Definitions of which each refers twice to the next."""
    definitions: dict[str, Any] = {
        f"a{level}": {keyword: [{"$ref": f"#/$defs/a{level + 1}"}] * 2} for level in range(depth)
    }
    return {"$defs": {**definitions, f"a{depth}": {"type": "string"}}, "$ref": "#/$defs/a0"}


def within(keyword: str, schema: Mapping[str, Any], depth: int = 10) -> Mapping[str, Any]:
    """A schema inside as many others."""
    for _ in range(depth):
        schema = {keyword: [schema]}
    return schema


INTRICATE: list[tuple[Mapping[str, Any], Json]] = [
    (twice("allOf"), "x"),
    (twice("anyOf"), 1),
    (twice("oneOf"), "x"),
    ({"not": twice("allOf"), "$defs": twice("allOf")["$defs"]}, "x"),
    ({"$defs": twice("allOf")["$defs"], "dependentSchemas": {"a": {"$ref": "#/$defs/a0"}}}, {"a": 1}),
    ({"$defs": twice("allOf")["$defs"], "propertyNames": {"$ref": "#/$defs/a0"}}, {"a": 1}),
    ({"$defs": twice("allOf")["$defs"], "items": {"$ref": "#/$defs/a0"}}, [1]),
    ({"$defs": twice("allOf")["$defs"], "contains": {"$ref": "#/$defs/a0"}}, ["x"]),
    ({"$defs": twice("allOf")["$defs"], "if": {"$ref": "#/$defs/a0"}, "then": {}}, "x"),
    ({"allOf": [{"contains": {"const": f"a{number}"}} for number in range(300)]}, list(range(20_000))),
    ({"items": {"anyOf": [{"const": number} for number in range(300)]}}, ["x"] * 20_000),
    ({"unevaluatedItems": False, "allOf": [{"prefixItems": [True] * 100}]}, [1] * 20_000),
    ({"items": {"required": [f"a{number}" for number in range(300)]}}, [{}] * 20_000),
    ({"allOf": [{"uniqueItems": True}] * 300}, list(range(20_000))),
    ({"items": {"$ref": "#far"}, "$defs": {"x": {"$anchor": "far"}, "y": {"enum": list(range(10_000))}}}, [1] * 20_000),
    (within("allOf", {"items": {"type": "integer"}}), ["x"] * 20_000),  # each error passes through each of them
]


@pytest.mark.parametrize(("schema", "value"), INTRICATE)
def test_what_would_take_for_ever_is_an_error(schema: Mapping[str, Any], value: Json) -> None:
    began = time.process_time()
    problem = compile_check(schema)(value)
    assert "takes more than 250,000 steps" in problem
    assert time.process_time() - began < SOON


@pytest.mark.parametrize("schema", [twice("allOf"), twice("oneOf"), twice("anyOf"), {"$ref": "#"}, {"$ref": "#/x"}])
def test_a_schema_that_no_value_gets_through_is_named_without_one(schema: Mapping[str, Any]) -> None:
    assert flaw_of(schema)


def test_a_client_raises_and_does_not_hang() -> None:
    prompt = Prompt(
        name="answer",
        messages=(Message(role=Role.USER, content="{{ x }}"),),
        inputs=(Input(name="x", schema=twice("allOf")),),
    )
    template = Template.compile(prompt)
    with pytest.raises(VariableInvalid, match="250,000 steps"):
        template.render({"x": "y"})
    with pytest.raises(VariableInvalid, match="250,000 steps"):  # each call has a budget of its own
        template.render({"x": "y"})


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"uniqueItems": True}, [[1, True, "1", None, [1], {"a": 1}, {"a": 2}, 0, False], [], "aa"], [[1, 1.0]]),
        ({"uniqueItems": True}, [[{"a": [1]}, {"a": [2]}]], [[{"a": 1, "b": 2}, {"b": 2, "a": 1}], [[1], [1]]]),
        ({"uniqueItems": False}, [[1, 1]], []),
        ({"enum": [1, "a", None, {"b": [1]}]}, [1, 1.0, "a", None, {"b": [1.0]}], [True, "b", {"b": 1}, 2**70]),
        ({"enum": [2**52]}, [2**52, float(2**52)], [2**52 + 1]),
        ({"const": {"a": [1, 2]}}, [{"a": [1, 2]}], [{"a": [2, 1]}, [1, 2]]),
        ({"pattern": "b+"}, ["abc", 1], ["ac"]),
        ({"pattern": "^a$"}, ["a"], ["a\n", "ba"]),
        ({"pattern": r"^\u00e9\u{1F600}$"}, ["é😀"], ["e"]),
        ({"pattern": r"^\p{L}+$"}, ["Ångström"], ["1"]),
        ({"pattern": "^.$"}, ["😀"], ["\ud800", "ab"]),
        ({"patternProperties": {"^a": {"type": "string"}}, "additionalProperties": False}, [{"ab": "x"}], [{"a": 1}]),
        ({"patternProperties": {"^a": {}}, "additionalProperties": False}, [{"ab": 1}], [{"b": 1}, {"a": 1, "b": 1}]),
        ({"properties": {"b": {}}, "additionalProperties": {"type": "string"}}, [{"b": 1, "c": "x"}], [{"c": 1}]),
        ({"additionalProperties": {"type": "integer"}, "properties": {"$schema": {}}}, [{"$schema": "x"}], [{"x": ""}]),
        ({"properties": {"a": {}}, "unevaluatedProperties": False}, [{"a": 1}], [{"b": 1}]),
        ({"prefixItems": [{}], "unevaluatedItems": False}, [[1]], [[1, 2]]),
        ({"properties": {"next": {"$ref": "#"}, "v": {"const": 1}}}, [{"next": {"v": 1}}], [{"next": {"v": "x"}}]),
        ({"multipleOf": 0.5}, [1.5], [0.7, 10**400]),
        ({"dependentRequired": {"a": ["b"]}}, [{"a": 1, "b": 1}, {}], [{"a": 1}]),
    ],
)  # fmt: skip
def test_the_right_values_fit(schema: Mapping[str, Any], good: list[Json], bad: list[Json]) -> None:
    check = compile_check(schema)
    assert [(value, check(value)) for value in good if check(value)] == []
    assert [value for value in bad if not check(value)] == []
    assert flaw_of(schema) == ""


def test_six_thousand_objects_are_compared_in_no_time() -> None:
    check = compile_check({"uniqueItems": True})
    began = time.process_time()
    assert check([{"a": number} for number in range(6000)]) == ""
    assert check([{"a": number} for number in range(6000)] + [{"a": 0}])
    assert check([(2**61 - 1) * number for number in range(6000)]) == ""  # numbers of one hash
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("pattern", "construct"),
    [
        ("(?=a)b", "a lookahead"),
        ("(?!a)b", "a lookahead"),
        ("(?<=a)b", "a lookbehind"),
        ("(?<!a)b", "a lookbehind"),
        (r"(a)\1", "a backreference"),
        ("(?>a)b", "an atomic group"),
        ("a{1000}{1000}", "bad repetition operator"),
        ("(a{1000}){1000}", "invalid repetition size"),
        ("(((a{9}){9}){9}){9}", "invalid repetition size"),
        ("(\\pL{100}b){9}", "more than 256 KiB"),
        ("x" * 100_000, "more than 1,000 characters"),
    ],
)
def test_a_pattern_that_has_no_linear_time_is_named_and_passed_over(pattern: str, construct: str) -> None:
    assert refusal(pattern).startswith(construct)
    assert construct in flaw_of({"properties": {"a": {"pattern": pattern}}})
    assert construct in flaw_of({"patternProperties": {pattern: {}}})
    assert compile_check({"pattern": pattern})("anything") == ""
    assert compile_check({"patternProperties": {pattern: False}, "additionalProperties": False})({"a": 1}) == ""
    assert len(unevaluated({"pattern": pattern})) == 1


def test_the_same_words_elsewhere_are_no_patterns() -> None:
    schema: dict[str, Json] = {
        "properties": {"pattern": {"enum": [{"pattern": "(?=a)"}]}, "enum": {"pattern": "a"}},
        "default": {"pattern": "(("},
        "examples": [{"patternProperties": {"((": 1}}],
    }
    assert unevaluated(schema) == ()


@pytest.mark.parametrize("pattern", ["(", "a)", "*a", "[", "a\\"])
def test_what_is_no_regular_expression_is_no_schema(pattern: str) -> None:
    with pytest.raises(TemplateInvalid, match="regular expression"):
        compile_check({"pattern": pattern})


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|a)*$", "(.*a){25}$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_pattern_takes_linear_time(pattern: str) -> None:
    search = search_of(pattern)
    assert search is not None
    began = time.process_time()
    search("a" * 200_000 + "!")
    assert time.process_time() - began < SOON


@pytest.mark.parametrize("place", ["items", "contains", "not", "if", "propertyNames"])
def test_another_dialect_inside_brings_nothing_back(place: str) -> None:
    inner = {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^(a+)+$"}
    value: Json = {"a" * 60 + "!": 1} if place == "propertyNames" else ["a" * 60 + "!"]
    began = time.process_time()
    compile_check({place: inner})(value if place in ("items", "contains", "propertyNames") else "a" * 60 + "!")
    assert time.process_time() - began < SOON


def test_patterns_and_unevaluated_properties_are_not_mixed() -> None:
    schema: dict[str, Json] = {"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False}
    assert "unevaluatedProperties" in flaw_of(schema)
    assert compile_check(schema)({"a" * 60 + "!": 1}) == ""


def test_all_schemas_of_a_release_together_have_a_budget() -> None:
    inputs = tuple(Input(name=f"x{number}", schema=twice("allOf", depth=12)) for number in range(300))
    text = "".join(f"{{{{ {item.name} }}}}" for item in inputs)
    prompt = Prompt(name="answer", messages=(Message(role=Role.USER, content=text),), inputs=inputs)
    began = time.process_time()
    with pytest.raises(Unloadable, match="250,000 steps"):
        require_loadable(Content(app="bot", prompts=(prompt,)))
    assert time.process_time() - began < SOON
