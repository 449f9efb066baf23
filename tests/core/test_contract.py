"""What changed between two contents, and how much that changes the contract with the calling code."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from promptops.core.contract import bump_of, compare, compare_release
from promptops.core.model import (
    AnswerCheck,
    Bump,
    Change,
    Content,
    Engine,
    Input,
    Json,
    Message,
    Prompt,
    ResponseFormat,
    Role,
    Tool,
)
from promptops.core.release_bytes import content_from_bytes, encode
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
        # The default is the same; only what a person reads about it is not.
        {"inputs": inputs(tone={"type": "string", "default": "kind", "description": "How it sounds"})},
        [(PATCH, "inputs.tone", "description of input 'tone'")],
    ),
    (
        {"inputs": inputs(question={"type": "string", "title": "Q", "description": "…", "examples": ["Why?"]})},
        [(PATCH, "inputs.question", "description of input 'question'")],
    ),
    (
        {"inputs": inputs(question={"type": "string", "private": True})},
        [(PATCH, "inputs.question", "input 'question' is now private")],
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
    # what is checked of the answer, and not sent
    (
        {"checks": (AnswerCheck(kind="contains", wanted="[1]"),)},
        [(PATCH, "checks", "checks of the answer")],
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
    (
        {"messages": (replace(SYSTEM, content="Be brief."), replace(USER, content="{{question}}?"))},
        [
            (PATCH, "messages[0].content", "wording of the system message"),
            (PATCH, "messages[1].content", "wording of the user message"),
        ],
    ),
    (
        {"messages": (replace(SYSTEM, content="Be brief."),)},
        [
            (MINOR, "messages[1]", "user message removed"),
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
    (
        {"tools": (replace(SEARCH, type="web_search"), STOP)},
        [(MAJOR, "tools.search.type", "tool 'search' is a web_search now, was a function")],
    ),
    ({"tools": (replace(SEARCH, strict=True), STOP)}, [(MINOR, "tools.search.strict", "strict of tool 'search'")]),
    (
        {"tools": (replace(SEARCH, settings={"size": "low"}), STOP)},
        [(MINOR, "tools.search.settings", "settings of tool 'search'")],
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


def part(prompt: Prompt, field: str) -> str | None:
    """The part of a prompt that a change names, as people read it: text as it is, everything else as JSON."""
    name, _, rest = field.partition(".")
    key, _, of_tool = rest.partition(".")
    if name.startswith("messages["):
        message = prompt.written[int(name[len("messages[") : -1])]
        return str(message.role) if rest == "role" else message.content
    if field == "template":
        return str(prompt.engine)
    if field == "tools":
        return ", ".join(tool.name for tool in prompt.tools)
    if name == "tools":
        tool = next(tool for tool in prompt.tools if tool.name == key)
        value: Any = getattr(tool, of_tool or "parameters")
        return value if of_tool in ("description", "type") else _json(value)
    if name == "inputs":
        return _json(next(item.schema for item in prompt.inputs if item.name == key))
    if name == "parameters":
        return _json(prompt.parameters[key]) if key in prompt.parameters else None
    if field == "checks":
        return _json([{check.kind: check.wanted} for check in prompt.checks]) if prompt.checks else None
    value = getattr(prompt, field)
    return None if value is None else value if isinstance(value, str) else _json(value)


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


@pytest.mark.parametrize(("different", "expected"), RULES)
def test_each_change_has_its_bump_its_field_and_its_words(
    different: dict[str, Any], expected: list[tuple[Bump, str, str]]
) -> None:
    new = replace(BASE, **different)
    changes = compare(content(BASE), content(new))
    assert [(change.bump, change.field, change.summary) for change in changes] == expected
    assert {change.prompt for change in changes} <= {"answer"}
    for change in changes:
        before = None if change.summary.endswith(" added") else part(BASE, change.field)
        after = None if change.summary.endswith(" removed") else part(new, change.field)
        assert (change.before, change.after) == (before, after)
    assert bump_of(changes) is (expected[0][0] if expected else Bump.NONE)


def test_a_first_release_has_no_changes() -> None:
    assert compare(None, content(BASE)) == ()
    assert bump_of(()) is Bump.NONE


def test_prompts_that_come_are_minor_and_prompts_that_go_are_major() -> None:
    other = Prompt(name="other", messages=(SYSTEM, USER))
    text = "[system]\nBe kind.\n\n[user]\n{{question}}"
    (added,) = compare(content(BASE), content(BASE, other))
    assert added == Change(bump=MINOR, prompt="other", field="", summary="prompt added", before=None, after=text)
    (removed,) = compare(content(BASE, other), content(BASE))
    assert removed == Change(bump=MAJOR, prompt="other", field="", summary="prompt removed", before=text, after=None)
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


def test_a_message_in_front_of_many_alike_is_one_change() -> None:
    """A conversation as an example has hundreds of messages, and some are said again and again."""
    talk = (USER, Message(role=Role.ASSISTANT, content="Yes.")) * 150
    old, new = (content(replace(BASE, messages=messages)) for messages in (talk, (SYSTEM, *talk)))
    assert [(change.field, change.summary) for change in compare(old, new)] == [("messages[0]", "system message added")]


def test_a_schema_without_an_envelope_is_the_shape_of_the_answer() -> None:
    old, described, other = (
        content(replace(BASE, json_schema=schema))
        for schema in ({"type": "object"}, {"type": "object", "description": "…"}, {"type": "array"})
    )
    assert [change.bump for change in compare(old, described)] == [PATCH]
    assert [change.bump for change in compare(old, other)] == [MAJOR]


def test_what_is_set_for_the_first_time_has_no_text_before() -> None:
    old = content(replace(BASE, json_schema=None, tools=(replace(SEARCH, strict=True), STOP)))
    new = content(replace(BASE, json_schema={"type": "object"}, tools=(replace(SEARCH, strict=False), STOP)))
    assert [(change.field, change.before, change.after) for change in compare(old, new)] == [
        ("json_schema", None, '{"type":"object"}'),
        ("tools.search.strict", "true", "false"),
    ]


def test_a_model_that_an_application_chose_itself_may_be_pinned() -> None:
    old, new = content(replace(BASE, model=None)), content(BASE)
    assert [change.summary for change in compare(old, new)] == ["model (none) → openai/gpt-4o-2024-08-06"]


def test_another_app_is_another_contract() -> None:
    assert compare(content(BASE), Content(app="other", prompts=(BASE,))) == (
        Change(bump=MAJOR, prompt="", field="app", summary="another app", before="bot", after="other"),
    )


@given(CONTENTS, CONTENTS)
def test_there_is_a_change_exactly_where_the_bytes_differ(old: Content, new: Content) -> None:
    assert bool(compare(old, new)) == (encode(old) != encode(new))


@given(CONTENTS, CONTENTS)
def test_the_bytes_of_a_release_have_the_changes_of_its_content(old: Content, new: Content) -> None:
    for data, other in ((encode(old), new), (encode(old), old)):
        assert compare_release(data, other) == compare(content_from_bytes(data), other)


@given(CONTENTS, CONTENTS)
def test_changes_do_not_depend_on_the_order_of_prompts(old: Content, new: Content) -> None:
    turned = replace(new, prompts=new.prompts[::-1])
    assert compare(old, turned) == compare(old, new)
