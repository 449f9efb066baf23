"""JSON Schemas in source files: what cannot be evaluated, or would take for ever, is a finding at its place."""

from __future__ import annotations

import json

import pytest

from promptops.core.model import Input
from tests.core.test_schema_budget import twice
from tests.source.memory import prompt_findings

HEAD = "model: openai/gpt-4o-2024-08-06\nmessages: [{role: user, content: '{{x}}'}]\n"
SCHEMAS = [
    ({"pattern": "(?=a)b"}, "a lookahead `(?=`"),
    ({"pattern": r"(a)\1"}, "a backreference"),
    ({"patternProperties": {"(?<!x)y": {}}}, "a lookbehind"),
    ({"items": {"anyOf": [{"pattern": "(a{1000}){1000}"}]}}, "invalid repetition size"),
    ({"pattern": "(("}, "not a regular expression"),
    ({"$ref": "#"}, "nested too deeply"),
    ({"$ref": "https://example.com/schema"}, "which is not in it"),
    (twice("allOf"), "takes more than 250,000 steps"),
    ({"items": twice("anyOf"), "default": [1], "$defs": twice("anyOf")["$defs"]}, "takes more than 250,000 steps"),
    ({"uniqueItems": True, "default": [{"a": 1}, {"a": 1.0}]}, "its default does not fit"),
]


@pytest.mark.parametrize(("schema", "said"), SCHEMAS)
def test_a_schema_of_an_input_is_refused_at_its_place(schema: object, said: str) -> None:
    (found,) = prompt_findings(f"{HEAD}inputs:\n  x: {json.dumps(schema)}\n")
    assert (found.code, found.line) == ("schema-invalid", 4)
    assert said in found.message


@pytest.mark.parametrize(("schema", "said"), SCHEMAS[:4])
def test_a_schema_of_a_tool_or_an_answer_is_refused_too(schema: dict[str, object], said: str) -> None:
    text = HEAD.replace("{{x}}", "hi")
    whole = json.dumps({"type": "object", "properties": {"x": schema}})
    tool = prompt_findings(f"{text}tools:\n- name: find\n  parameters: {whole}\n")
    answer = prompt_findings(f"{text}responseFormat: json_schema\njsonSchema: {whole}\n")
    assert [(found.code, said in found.message) for found in (*tool, *answer)] == [("schema-invalid", True)] * 2


def test_what_json_schema_takes_and_python_does_not_is_taken() -> None:
    schema = {"type": "string", "pattern": r"^\p{Lu}\u00e9$", "default": "Åé"}
    assert prompt_findings(f"{HEAD}inputs:\n  x: {json.dumps(schema)}\n") == []


def test_a_large_default_is_checked_in_time() -> None:
    schema = {"uniqueItems": True, "default": [{"a": number} for number in range(3000)]}
    assert prompt_findings(f"{HEAD}inputs:\n  x: {json.dumps(schema)}\n") == []


@pytest.mark.parametrize(
    ("schema", "private"),
    [
        ({"type": "string", "private": True}, True),
        ({"type": "string", "private": False}, False),
        ({"private": True, "pattern": "^x"}, True),
        ({"type": "object", "properties": {"to": {"type": "string", "private": True}}}, True),
        ({"anyOf": [{"type": "null"}, {"type": "string", "private": True}]}, True),
        ({"type": "string", "description": "private"}, False),
    ],
)
def test_an_input_is_private_if_any_part_of_its_schema_is(schema: dict[str, object], private: bool) -> None:
    assert prompt_findings(f"{HEAD}inputs:\n  x: {json.dumps(schema)}\n") == []
    assert Input(name="x", schema=schema).private is private  # type: ignore[arg-type]


def test_private_is_true_or_false_and_no_word_that_could_be_taken_for_either() -> None:
    for schema in ({"type": "string", "private": "yes"}, {"type": "string", "pattern": "^x", "private": 1}):
        (found,) = prompt_findings(f"{HEAD}inputs:\n  x: {json.dumps(schema)}\n")
        assert "true or false" in found.message
