"""A prompt as an application gets it: rendered, and what is served in its stead when there is none."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from promptops.client.prompt import Fallback, Prompt, Reason, Source, Variant
from promptops.core.errors import Invalid, MissingVariable, UnknownVariable
from promptops.core.model import Engine, Input, Json, Message, Role
from promptops.core.model import Prompt as Definition
from tests.client.prompts import GPT, ORDER, RENDERED, SEARCH, VALUES, made


def test_rendering_has_the_names_that_hands_know() -> None:
    found = made()
    assert found.render(**VALUES) == found.compile(**VALUES) == found.format(**VALUES) == RENDERED
    assert found.inputs == ("question", "tone")
    assert [message.role for message in found.definition.written] == [Role.SYSTEM, Role.USER]


def test_a_variable_may_be_called_as_a_parameter_of_ours_would_be() -> None:
    found = made(messages=(Message(role=Role.USER, content="{{self}} {{key}} {{name}}"),))
    assert found.render(self="a", key="b", name="c") == [{"role": "user", "content": "a b c"}]
    assert found.to_openai(self="a", key="b", name="c")["messages"] == [{"role": "user", "content": "a b c"}]


@pytest.mark.parametrize("way", ["render", "to_openai", "to_openai_responses", "to_anthropic"])
def test_every_way_is_strict_about_variables(way: str) -> None:
    found = made(parameters={"maxTokens": 10})
    with pytest.raises(MissingVariable):
        getattr(found, way)(tone="kind")
    with pytest.raises(UnknownVariable):
        getattr(found, way)(**VALUES, more="x")


def test_what_is_handed_out_is_the_callers_own() -> None:
    found = made(parameters={"maxTokens": 10, "stop": ["x"]}, tools=(SEARCH,))
    found.to_openai(**VALUES).clear()
    found.parameters.clear()
    spoiled: Any = found.to_openai(**VALUES)
    spoiled["tools"][0]["function"]["parameters"]["properties"].clear()
    spoiled["stop"].append("y")
    spoiled["messages"].clear()
    again: Any = found.to_openai(**VALUES)
    assert again["tools"][0]["function"]["parameters"] == SEARCH.parameters
    assert (again["stop"], again["messages"]) == (["x"], RENDERED)
    assert found.parameters == {"maxTokens": 10, "stop": ["x"]}


def test_jinja_is_rendered_for_every_api() -> None:
    template = "{% for item in items %}{{ item.name }}{% if not loop.last %}, {% endif %}{% endfor %}"
    found = made(
        messages=(Message(role=Role.USER, content=template),),
        engine=Engine.JINJA2,
        inputs=(Input(name="items", schema={"type": "array"}),),
        parameters={"maxTokens": 5},
    )
    items: list[Json] = [{"name": "a"}, {"name": "b"}]
    spoken = [{"role": "user", "content": "a, b"}]
    assert found.to_openai(items=items)["messages"] == spoken
    assert found.to_openai_responses(items=items)["input"] == spoken
    assert found.to_anthropic(items=items)["messages"] == spoken


@pytest.mark.parametrize(
    "value",
    [
        "Why? {{question}}",
        [{"role": "user", "content": "Why? {{question}}"}],
        [Message(role=Role.USER, content="Why? {{question}}")],
        {"messages": [{"role": "user", "content": "Why? {{question}}"}]},
        {"messages": "Why? {{question}}"},
        {"messages": "Why? {{ question }}", "template": "jinja2"},
        Definition(name="x", messages=(Message(role=Role.USER, content="Why? {{question}}"),)),
    ],
)
def test_a_fallback_is_whatever_is_at_hand(value: Fallback) -> None:
    found = Prompt.fallback("bot/answer", value, channel="prod")
    assert (found.app, found.name, found.channel) == ("bot", "bot/answer", "prod")
    assert (found.source, found.reason, found.variant) == (Source.FALLBACK, Reason.DEFAULT, Variant.STABLE)
    assert (found.version, found.digest, found.revision, found.model) == ("", "", 0, None)
    assert found.render(question="So?") == [{"role": "user", "content": "Why? So?"}]


def test_a_fallback_leaves_aside_what_only_the_prompt_it_stands_for_takes() -> None:
    found = Prompt.fallback("bot/answer", "We will be back. {{question}}")
    assert found.render(question="So?", documents=["a", "b"], tone="kind")[0]["content"] == "We will be back. So?"
    with pytest.raises(MissingVariable):
        found.render(tone="kind")


@pytest.mark.parametrize("spelling", ["file", "ours"])
def test_a_fallback_keeps_model_parameters_tools_and_schema(spelling: str) -> None:
    names = {
        "file": ("modelParameters", "responseFormat", "jsonSchema"),
        "ours": ("parameters", "response_format", "json_schema"),
    }[spelling]
    value: dict[str, Any] = {
        "model": GPT,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "{{question}}"}],
        "tools": [{"type": "function", "function": {"name": "search", "description": "Looks it up."}}],
        **dict(zip(names, ({"maxTokens": 9}, "json_schema", {"name": "order", "schema": ORDER}), strict=True)),
    }
    found = Prompt.fallback("bot/answer", value)
    value["messages"].clear()
    value[names[0]]["maxTokens"] = 1
    call = found.to_openai(question="Why?")
    assert (call["model"], call["messages"]) == ("gpt-4o-2024-08-06", RENDERED)
    assert call["max_completion_tokens"] == 9
    assert call["response_format"] == {"type": "json_schema", "json_schema": {"name": "order", "schema": ORDER}}
    assert call["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "search",
                "description": "Looks it up.",
                "parameters": {"type": "object", "properties": {}},
            },
        }
    ]


def test_a_prompt_that_was_handed_out_may_be_the_fallback() -> None:
    found = Prompt.fallback("bot/answer", made(parameters={"maxTokens": 9}))
    assert (found.source, found.version, found.model) == (Source.FALLBACK, "", GPT)
    assert found.render(**VALUES) == RENDERED


@pytest.mark.parametrize(
    "value",
    [
        7,
        None,
        [],
        ["text"],
        [{"role": "user"}],
        [{"role": "nobody", "content": "x"}],
        [{"role": "user", "content": 7}],
        {},
        {"messages": []},
        {"messages": "x", "modell": "y"},
        {"messages": "x", "parameters": []},
        {"messages": "x", "parameters": {"stop": {1}}},
        {"messages": "x", "model": 7},
        {"messages": "x", "tools": [{}]},
        {"messages": "x", "responseFormat": "xml"},
    ],
)
def test_what_is_no_fallback_is_said_to_be_none(value: Any) -> None:
    with pytest.raises(Invalid, match="the fallback of 'bot/answer' is no prompt"):
        Prompt.fallback("bot/answer", value)


def test_the_parameters_are_to_read_and_no_arguments_of_a_call() -> None:
    found = made(parameters={"maxTokens": 10, "stop": ["x"]}).parameters
    assert (found["maxTokens"], found.get("seed"), list(found), len(found)) == (10, None, ["maxTokens", "stop"], 2)
    assert found == {"maxTokens": 10, "stop": ["x"]} == found.copy() == dict(found.items())
    assert json.loads(json.dumps(found)) == found == deepcopy(found) == pickle.loads(pickle.dumps(found))

    def create(**arguments: object) -> object:
        return arguments

    spreads: list[Callable[[], object]] = [
        lambda: create(model="m", **found),
        lambda: {**found},
        lambda: dict(found),
        lambda: {"model": "m"} | found,
    ]
    for spread in spreads:
        with pytest.raises(Invalid, match="is no call of a provider") as raised:
            spread()
        assert "create(**prompt.to_openai(question=…))" in raised.value.hint
    with pytest.raises(Invalid):
        create(**made().parameters)  # nor by accident, where a prompt has none
