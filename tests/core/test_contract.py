"""What changed between two contents, and how much that changes the contract with the calling code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from promptops.core.contract import bump_of, compare
from promptops.core.model import Bump, Change, Content, Engine, Input, Json, Message, Prompt, ResponseFormat, Role, Tool
from promptops.core.release import encode
from tests.core.contents import CONTENTS

MAJOR, MINOR, PATCH = Bump.MAJOR, Bump.MINOR, Bump.PATCH

SYSTEM = Message(role=Role.SYSTEM, content="Be kind.")
USER = Message(role=Role.USER, content="{{question}}")
ENVELOPE: dict[str, Json] = {
    "name": "answer",
    "schema": {"type": "object", "properties": {"title": {"type": "string"}}},
}
SEARCH = Tool(name="search", description="Searches.", parameters={"type": "object", "required": ["q"]})
STOP = Tool(name="stop")
BASE = Prompt(
    name="answer",
    messages=(SYSTEM, USER),
    model="openai/gpt-4o-2024-08-06",
    parameters={"temperature": 0.2},
    inputs=(Input(name="question"), Input(name="tone", schema={"type": "string", "default": "kind"})),
    tools=(SEARCH, STOP),
    response_format=ResponseFormat.JSON_SCHEMA,
    json_schema=ENVELOPE,
)


def content(*prompts: Prompt) -> Content:
    return Content(app="bot", prompts=prompts)


def inputs(**schemas: dict[str, Json]) -> tuple[Input, ...]:
    known = {item.name: item.schema for item in BASE.inputs} | schemas
    return tuple(Input(name=name, schema=schema) for name, schema in known.items())


def envelope(schema: dict[str, Json], **more: Json) -> dict[str, Json]:
    return {**ENVELOPE, "schema": schema, **more}


TITLE: dict[str, Json] = {"type": "object", "properties": {"title": {"type": "string"}}}

# What is different in the new prompt, and the changes that makes: bump, field, words.
RULES: list[tuple[dict[str, Any], list[tuple[Bump, str, str]]]] = [
    ({}, []),
    # inputs
    ({"inputs": inputs(name={"type": "string"})}, [(MAJOR, "inputs.name", "required input 'name' added")]),
    ({"inputs": inputs(name={"default": None})}, [(MINOR, "inputs.name", "optional input 'name' added")]),
    ({"inputs": BASE.inputs[:1]}, [(MAJOR, "inputs.tone", "input 'tone' removed")]),
    (
        {"inputs": (BASE.inputs[1], Input(name="query"))},
        [
            (MAJOR, "inputs.query", "required input 'query' added"),
            (MAJOR, "inputs.question", "input 'question' removed"),
        ],
    ),
    ({"inputs": inputs(question={"type": "array"})}, [(MAJOR, "inputs.question", "input 'question' retyped")]),
    ({"inputs": inputs(question={})}, [(MAJOR, "inputs.question", "input 'question' retyped")]),
    ({"inputs": inputs(tone={"type": "string"})}, [(MAJOR, "inputs.tone", "input 'tone' is now required")]),
    (
        {"inputs": inputs(question={"type": "string", "default": ""})},
        [(MINOR, "inputs.question", "input 'question' is now optional")],
    ),
    (
        {"inputs": inputs(tone={"type": "string", "default": "dry"})},
        [(MINOR, "inputs.tone", "default of input 'tone' changed")],
    ),
    (
        {"inputs": inputs(tone={"type": "integer", "default": 1})},
        [
            (MAJOR, "inputs.tone", "input 'tone' retyped"),
            (MINOR, "inputs.tone", "default of input 'tone' changed"),
        ],
    ),
    (
        {"inputs": inputs(question={"type": "string", "title": "Q", "description": "…", "examples": ["Why?"]})},
        [(PATCH, "inputs.question", "description of input 'question'")],
    ),
    ({"inputs": BASE.inputs[::-1]}, []),
    # what decides the answer
    (
        {"model": "openai/gpt-4o-2024-11-20"},
        [(MINOR, "model", "model openai/gpt-4o-2024-08-06 → openai/gpt-4o-2024-11-20")],
    ),
    ({"model": None}, [(MINOR, "model", "model openai/gpt-4o-2024-08-06 → (none)")]),
    ({"parameters": {"temperature": 1}}, [(MINOR, "parameters.temperature", "temperature 0.2 → 1")]),
    (
        {"parameters": {"seed": 7}},
        [
            (MINOR, "parameters.seed", "seed (unset) → 7"),
            (MINOR, "parameters.temperature", "temperature 0.2 → (unset)"),
        ],
    ),
    # messages
    (
        {"messages": (replace(SYSTEM, content="Be brief."), USER)},
        [(PATCH, "messages[0].content", "wording of the system message")],
    ),
    (
        {"messages": (replace(SYSTEM, role=Role.DEVELOPER), USER)},
        [(MINOR, "messages[0].role", "role system → developer")],
    ),
    ({"messages": (USER,)}, [(MINOR, "messages[0]", "system message removed")]),
    (
        {"messages": (Message(role=Role.DEVELOPER, content="New."), SYSTEM, USER)},
        [(MINOR, "messages[0]", "developer message added")],
    ),
    (
        {"messages": (USER, SYSTEM)},
        [(MINOR, "messages[0]", "user message added"), (MINOR, "messages[1]", "user message removed")],
    ),
    (
        {"messages": (replace(SYSTEM, content="Be brief."), USER, Message(role=Role.ASSISTANT, content="So:"))},
        [
            (MINOR, "messages[2]", "assistant message added"),
            (PATCH, "messages[0].content", "wording of the system message"),
        ],
    ),
    ({"engine": Engine.JINJA2}, [(PATCH, "template", "template language simple → jinja2")]),
    # tools
    ({"tools": (SEARCH,)}, [(MAJOR, "tools.stop", "tool 'stop' removed")]),
    ({"tools": (SEARCH, STOP, Tool(name="ask"))}, [(MINOR, "tools.ask", "tool 'ask' added")]),
    (
        {"tools": (replace(SEARCH, parameters={"type": "object"}), STOP)},
        [(MAJOR, "tools.search.parameters", "parameters of tool 'search' changed")],
    ),
    (
        {"tools": (replace(SEARCH, parameters={**SEARCH.parameters, "description": "What to look for"}), STOP)},
        [(PATCH, "tools.search.parameters", "descriptions in tool 'search'")],
    ),
    (
        {"tools": (replace(SEARCH, description="Looks it up."), STOP)},
        [(PATCH, "tools.search.description", "description of tool 'search'")],
    ),
    ({"tools": (STOP, SEARCH)}, [(PATCH, "tools", "tools in another order")]),
    # the answer
    (
        {"response_format": ResponseFormat.TEXT},
        [(MAJOR, "response_format", "response format json_schema → text")],
    ),
    ({"json_schema": None}, [(MAJOR, "json_schema", "output schema changed")]),
    ({"json_schema": envelope({"type": "object"})}, [(MAJOR, "json_schema", "output schema changed")]),
    ({"json_schema": envelope(TITLE, strict=True)}, [(MAJOR, "json_schema", "output schema changed")]),
    (
        # A property called `title` is a property; a `title` beside it is an annotation.
        {"json_schema": envelope({"type": "object", "properties": {}, "title": "Answer"})},
        [(MAJOR, "json_schema", "output schema changed")],
    ),
    (
        {"json_schema": {**envelope({**TITLE, "title": "Answer", "description": "…"}), "name": "reply"}},
        [(PATCH, "json_schema", "names and descriptions in the output schema")],
    ),
]


@pytest.mark.parametrize(("different", "expected"), RULES)
def test_each_change_has_its_bump_its_field_and_its_words(
    different: dict[str, Any], expected: list[tuple[Bump, str, str]]
) -> None:
    changes = compare(content(BASE), content(replace(BASE, **different)))
    assert [(change.bump, change.field, change.summary) for change in changes] == expected
    assert {change.prompt for change in changes} <= {"answer"}
    assert bump_of(changes) is (expected[0][0] if expected else Bump.NONE)


def test_a_first_release_has_no_changes() -> None:
    assert compare(None, content(BASE)) == ()
    assert bump_of(()) is Bump.NONE


def test_prompts_that_come_are_minor_and_prompts_that_go_are_major() -> None:
    other = Prompt(name="other", messages=(USER,))
    (added,) = compare(content(BASE), content(BASE, other))
    assert added == Change(
        bump=MINOR, prompt="other", field="", summary="prompt added", before=None, after="[user]\n{{question}}"
    )
    (removed,) = compare(content(BASE, other), content(BASE))
    assert (removed.bump, removed.prompt, removed.summary) == (MAJOR, "other", "prompt removed")
    # A new name is one prompt less and one more.
    renamed = compare(content(other), content(replace(other, name="another")))
    assert [(change.bump, change.prompt) for change in renamed] == [(MAJOR, "other"), (MINOR, "another")]


def test_changes_are_sorted_by_bump_then_prompt_then_field() -> None:
    old = content(replace(BASE, name="b"), replace(BASE, name="a"))
    new = Content(
        app="bot",
        prompts=tuple(
            replace(prompt, model=None, messages=(SYSTEM, replace(USER, content="?")), inputs=BASE.inputs[:1])
            for prompt in old.prompts
        ),
    )
    assert [(change.bump, change.prompt, change.field) for change in compare(old, new)] == [
        (MAJOR, "a", "inputs.tone"),
        (MAJOR, "b", "inputs.tone"),
        (MINOR, "a", "model"),
        (MINOR, "b", "model"),
        (PATCH, "a", "messages[1].content"),
        (PATCH, "b", "messages[1].content"),
    ]


def test_a_change_carries_both_texts() -> None:
    (change,) = compare(content(BASE), content(replace(BASE, messages=(replace(SYSTEM, content="Be brief."), USER))))
    assert (change.before, change.after) == ("Be kind.", "Be brief.")


def test_another_app_is_another_contract() -> None:
    (change,) = compare(content(BASE), Content(app="other", prompts=(BASE,)))
    assert (change.bump, change.field, change.before, change.after) == (MAJOR, "app", "bot", "other")


@given(CONTENTS, CONTENTS)
def test_there_is_a_change_exactly_where_the_bytes_differ(old: Content, new: Content) -> None:
    assert bool(compare(old, new)) == (encode(old) != encode(new))


@given(CONTENTS, CONTENTS)
def test_changes_do_not_depend_on_the_order_of_prompts(old: Content, new: Content) -> None:
    turned = replace(new, prompts=new.prompts[::-1])
    assert compare(old, turned) == compare(old, new)
