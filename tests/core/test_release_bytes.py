"""Content <-> canonical bytes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from promptops.core.digest import digest
from promptops.core.errors import Invalid
from promptops.core.features import CHECKS, ESCAPES, TOOL_MESSAGES, requires_of
from promptops.core.model import (
    AnswerCheck,
    Content,
    Engine,
    Input,
    Message,
    Prompt,
    ResponseFormat,
    Role,
    Tool,
    ToolCall,
)
from promptops.core.release_bytes import content_from_bytes, content_to_json, encode
from tests.core.contents import CONTENTS, in_order

HELLO = Prompt(name="answer", messages=(Message(role=Role.USER, content="Hello {{name}}"),))


@given(CONTENTS)
def test_a_content_is_read_back_as_it_was_written(content: Content) -> None:
    data = encode(content)
    back = content_from_bytes(data)
    assert back == in_order(content)
    assert encode(back) == data


@given(CONTENTS)
def test_the_order_of_prompts_and_inputs_does_not_change_the_digest(content: Content) -> None:
    assert digest(encode(content)) == digest(encode(in_order(content)))


def test_keys_at_their_default_are_left_out() -> None:
    assert content_to_json(Content(app="bot", prompts=(HELLO,))) == {
        "schema": "promptops.release/1",
        "app": "bot",
        "prompts": {"answer": {"messages": [{"role": "user", "content": "Hello {{name}}"}]}},
    }


def test_everything_that_decides_behaviour_is_in_the_digest() -> None:
    message = Message(role=Role.USER, content="Hello {{name}}")
    prompts = [
        HELLO,
        Prompt(name="other", messages=HELLO.messages),
        Prompt(name="answer", messages=()),
        Prompt(name="answer", messages=(message, message)),
        Prompt(name="answer", messages=(Message(role=Role.SYSTEM, content=message.content),)),
        Prompt(name="answer", messages=(message,), model="openai/gpt-4o-2024-08-06"),
        Prompt(name="answer", messages=(message,), parameters={"seed": 1}),
        Prompt(name="answer", messages=(message,), engine=Engine.JINJA2),
        Prompt(name="answer", messages=(message,), inputs=(Input(name="name"),)),
        Prompt(name="answer", messages=(message,), tools=(Tool(name="search"),)),
        Prompt(name="answer", messages=(message,), response_format=ResponseFormat.JSON_OBJECT),
        Prompt(name="answer", messages=(message,), json_schema={}),
        Prompt(name="answer", messages=(message,), checks=(AnswerCheck(kind="contains", wanted="[1]"),)),
        Prompt(name="answer", messages=(message,), checks=(AnswerCheck(kind="startsWith", wanted="[1]"),)),
        Prompt(name="answer", messages=(message,), escapes=True),
        Prompt(name="answer", messages=(replace(message, name="ann"),)),
        Prompt(name="answer", messages=(replace(message, tool_call_id="ann"),)),
        Prompt(name="answer", messages=(replace(message, tool_calls=(ToolCall(id="1", name="a", arguments={}),)),)),
        Prompt(name="answer", messages=(replace(message, tool_calls=(ToolCall(id="2", name="a", arguments={}),)),)),
    ]
    contents = [Content(app="bot", prompts=(prompt,)) for prompt in prompts]
    contents += [Content(app="bot", prompts=()), Content(app="bot2", prompts=(HELLO,))]
    assert len({digest(encode(content)) for content in contents}) == len(contents)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (Content(app="bot", prompts=(HELLO, HELLO)), "two prompts of one name"),
        (
            Content(app="bot", prompts=(Prompt(name="x", messages=(), inputs=(Input(name="a"), Input(name="a"))),)),
            "prompt 'x' has two inputs of one name",
        ),
        (
            Content(app="bot", prompts=(Prompt(name="x", messages=(), tools=(Tool(name="a"), Tool(name="a"))),)),
            "prompt 'x' has two tools of one name",
        ),
        (
            Content(app="bot", prompts=(Prompt(name="x", messages=(), parameters={"seed": 2**53}),)),
            "$.prompts.x.parameters.seed",
        ),
    ],
)
def test_a_content_that_cannot_be_a_release_is_refused(content: Content, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        encode(content)
    assert problem in caught.value.message


SAID = {"role": "user", "content": "hi"}


def document(**prompt: Any) -> dict[str, Any]:
    return {"schema": "promptops.release/1", "app": "bot", "prompts": {"x": {"messages": [], **prompt}}}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "$ is not an object"),
        ({}, "$.schema is None"),
        ({**document(), "schema": "promptops.release/2"}, "$.schema is 'promptops.release/2'"),
        ({**document(), "budget": 1}, "$ has the unknown key 'budget'"),
        ({**document(), "app": "No App"}, "$.app: 'No App' is not an app's name"),
        ({**document(), "app": 1}, "$.app is not text"),
        ({**document(), "prompts": []}, "$.prompts is not an object"),
        ({**document(), "prompts": {"../x": {"messages": []}}}, "'../x' is not a prompt's name"),
        ({**document(), "prompts": {"x": {}}}, "$.prompts.x.messages is not a list"),
        (document(messages="text"), "$.prompts.x.messages is not a list"),
        (document(messages=["text"]), "$.prompts.x.messages[0] is not an object"),
        (
            document(messages=[{"role": "robot", "content": ""}]),
            "messages[0].role: 'robot' is not one of system, developer",
        ),
        (document(messages=[{"role": "user"}]), "$.prompts.x.messages[0].content is not text"),
        (document(messages=[{"role": "user", "content": "", "nmae": "x"}]), "messages[0] has the unknown key 'nmae'"),
        (document(model=1), "$.prompts.x.model is not text"),
        (document(engine="mustache"), "$.prompts.x.engine: 'mustache' is not one of simple, jinja2"),
        (document(parameters=[1]), "$.prompts.x.parameters is not an object"),
        (document(inputs={"1x": {}}), "$.prompts.x.inputs: '1x' is not a variable's name"),
        (document(inputs={"x": "string"}), "$.prompts.x.inputs.x is not an object"),
        (document(tools=[{"description": "x"}]), "$.prompts.x.tools[0].name is not text"),
        (document(response_format="xml"), "$.prompts.x.response_format: 'xml' is not one of"),
        (document(json_schema="{}"), "$.prompts.x.json_schema is not an object"),
        (document(weight=1), "$.prompts.x has the unknown key 'weight'"),
        (document(checks={"contains": "a"}), "$.prompts.x.checks is not a list"),
        (document(checks=["a"]), "$.prompts.x.checks[0] is not an object"),
        (document(checks=[{}]), "$.prompts.x.checks[0] is not of one kind"),
        (document(checks=[{"contains": "a", "equals": "b"}]), "$.prompts.x.checks[0] is not of one kind"),
        (document(checks=[{"regex": "a"}]), "$.prompts.x.checks[0] has the unknown key 'regex'"),
        (document(checks=[{"contains": ""}]), "$.prompts.x.checks[0]: 'contains' is empty"),
        (document(checks=[{"json_path": {"path": "$..a", "equals": 1}}]), "'$..a' is not a path"),
        (document(checks=[{"contains": "a"}] * 21), "$.prompts.x.checks are 21, and at most 20 are allowed"),
        (document(checks=[{"contains": "a"}]), "a prompt has checks, and $.requires does not have 'checks'"),
        (document(escapes=True), "a prompt has escapes, and $.requires does not have 'escapes'"),
        (document(messages=[{**SAID, "name": 1}]), "$.prompts.x.messages[0].name is not text"),
        (document(messages=[{**SAID, "tool_calls": {}}]), "$.prompts.x.messages[0].tool_calls is not a list"),
        (
            document(messages=[{**SAID, "tool_calls": [{"id": "1", "name": "a"}]}]),
            "[0].arguments is not an object",
        ),
        (document(messages=[{**SAID, "tool_calls": [{"function": {}}]}]), "[0] has the unknown key 'function'"),
        (document(messages=[{**SAID, "name": "ann"}]), "$.requires does not have 'tool-messages'"),
        (document(escapes=1), "$.prompts.x.escapes is not true or false"),
    ],
)
def test_bytes_that_are_no_release_are_refused_with_their_path(value: object, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        content_from_bytes(json.dumps(value).encode())
    assert problem in caught.value.message


def test_a_release_with_checks_is_read_by_clients_that_have_them_and_its_bytes_are_these() -> None:
    """Golden bytes: what other clients read, and what every later version writes."""
    checks = (
        AnswerCheck(kind="contains", wanted="[1]"),
        AnswerCheck(kind="json_path", wanted={"path": "$.a", "equals": [1.0, None]}),
    )
    checked = Content(app="bot", prompts=(Prompt(name="answer", messages=(), checks=checks),), requires=(CHECKS,))
    data = encode(checked)
    assert data == (
        b'{"app":"bot","prompts":{"answer":{"checks":[{"contains":"[1]"},{"json_path":{"equals":[1,null],"path":"$.a"}}],'
        b'"messages":[]}},"requires":["checks"],"schema":"promptops.release/1"}'
    )
    assert digest(data) == "sha256:42fd21a92d406fcda2bfe3c670c2bb6ff7417bcb4e96019d3916e233cbba433f"
    assert content_from_bytes(data) == checked


def test_a_release_with_escapes_is_read_by_clients_that_have_them_and_its_bytes_are_these() -> None:
    """Golden bytes: what other clients read, and what every later version writes."""
    message = Message(role=Role.USER, content='{{ "{{" }} a }}')
    content = Content(
        app="bot", prompts=(Prompt(name="answer", messages=(message,), escapes=True),), requires=(ESCAPES,)
    )
    data = encode(content)
    assert data == (
        b'{"app":"bot","prompts":{"answer":{"escapes":true,"messages":'
        b'[{"content":"{{ \\"{{\\" }} a }}","role":"user"}]}},'
        b'"requires":["escapes"],"schema":"promptops.release/1"}'
    )
    assert digest(data) == "sha256:8d4af37e98028e8b99692333ae435c72a8084cf4a2f42d7249746488369262da"
    assert content_from_bytes(data) == content
    assert requires_of(data) == (ESCAPES,)


def test_a_release_with_calls_of_tools_is_read_by_clients_that_have_them_and_its_bytes_are_these() -> None:
    """Golden bytes: what other clients read, and what every later version writes."""
    call = ToolCall(id="call_1", name="weather", arguments={"city": "Bern"})
    messages = (
        Message(role=Role.USER, content="Hi", name="ann"),
        Message(role=Role.ASSISTANT, content="", tool_calls=(call,)),
        Message(role=Role.TOOL, content="12", tool_call_id="call_1"),
    )
    content = Content(app="bot", prompts=(Prompt(name="answer", messages=messages),), requires=(TOOL_MESSAGES,))
    data = encode(content)
    assert data == (
        b'{"app":"bot","prompts":{"answer":{"messages":[{"content":"Hi","name":"ann","role":"user"},'
        b'{"content":"","role":"assistant","tool_calls":[{"arguments":{"city":"Bern"},"id":"call_1","name":"weather"}]},'
        b'{"content":"12","role":"tool","tool_call_id":"call_1"}]}},'
        b'"requires":["tool-messages"],"schema":"promptops.release/1"}'
    )
    assert digest(data) == "sha256:d1010f3af9832fa97fbdf4f3b4ca508577bd4f24bb6b206b50061f981e4d352a"
    assert content_from_bytes(data) == content
    assert requires_of(data) == (TOOL_MESSAGES,)
