"""What an application brings itself is read as a prompt file is, and when it is first seen, not in the outage."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from promptops import Client, Invalid, PromptNotFound, VariableInvalid
from promptops.client.prompt import Prompt
from promptops.core.model import Message, Placeholder, Role, ToolCall
from tests.client.clients import Maker
from tests.client.fake_server import FakeServer

GPT = "openai/gpt-4o-2024-08-06"
FILE: dict[str, Any] = {
    "name": "Answer",
    "description": "Answers a question.",
    "model": GPT,
    "modelParameters": {"max_tokens": 5, "topP": 0.5},
    "messages": [
        {"role": "System", "content": "Keys look like ${{ secrets.TOKEN }}, tags like {{ '{{' }} x }}."},
        {"role": "User", "content": "{{ customer.name }} asks: {{q}}"},
    ],
    "responseFormat": "json_schema",
    "jsonSchema": '{"name": "order", "schema": {"type": "object", "properties": {}}}',
    "testData": [{"q": "Why?", "customer": {"name": "Ann"}, "expected": 1}],
    "evaluators": [{"name": "polite", "string": {"contains": "please"}}, "broken"],
    "inputs": {"q": {"type": "string", "alias": "THE/QUESTION"}, "customer": {"type": "object"}},
    "checks": [{"contains": "order"}],
}


@pytest.mark.parametrize("value", [{}, [], {"messages": "hi", "modell": "x"}, {"messages": 7}, 7, object()])
def test_a_fallback_that_is_no_prompt_is_an_error_though_the_server_is_up(
    client_of: Maker, server: FakeServer, value: Any
) -> None:
    client = client_of(server.url)
    assert client.get_prompt("bot/answer").version == "1.0.0"
    with pytest.raises(Invalid, match="the fallback of 'bot/answer' is no prompt"):
        client.get_prompt("bot/answer", fallback=value)
    with pytest.raises(Invalid, match="the fallback of 'bot/answer' is no prompt"):
        client.call("bot/answer", fallback=value)


def test_a_fallback_that_was_changed_is_read_again(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url)
    value: dict[str, Any] = {"messages": [{"role": "user", "content": "{{q}}"}]}
    client.get_prompt("bot/answer", fallback=value)
    value["messages"][0]["role"] = "nobody"
    with pytest.raises(Invalid):
        client.get_prompt("bot/answer", fallback=value)
    value["messages"] = [{"role": "user", "content": "Other: {{q}}"}]
    assert client.get_prompt("bot/no", fallback=value).render(q="a")[0]["content"] == "Other: a"


def test_the_fallbacks_of_a_client_are_read_when_it_is_made(client_of: Maker, server: FakeServer) -> None:
    client = client_of(server.url, fallbacks={"bot/answer": "A", "bot/gone": FILE})
    assert client.get_prompt("bot/answer").version == "1.0.0"
    assert client.get_prompt("bot/gone").source == "fallback"
    assert client.get_prompt("bot/gone", fallback="B").render()[0]["content"] == "B"
    with pytest.raises(PromptNotFound):
        client.get_prompt("bot/other")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"bot/answer": {}}, "the fallback of 'bot/answer' is no prompt: a prompt needs `messages`"),
        ({"bot": "x"}, "'bot', which is not a prompt"),
        ({"bot/answer@1.0.0": "x"}, "which is not a prompt"),
        ({None: "x"}, "None is not text"),
        (["bot/answer"], "fallbacks is not a mapping"),
    ],
)
def test_a_client_is_not_made_with_a_fallback_that_is_none(server: FakeServer, given: Any, problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        Client(server.url, channel="prod", cache_dir=False, fallbacks=given)


def test_the_mapping_of_a_prompt_file_means_what_it_means_in_the_file() -> None:
    found = Prompt.fallback("bot/answer", FILE)
    call = found.to_openai(q="Why?", customer={"name": "Ann"}, more="x")
    assert (call["model"], call["max_completion_tokens"], call["top_p"]) == ("gpt-4o-2024-08-06", 5, 0.5)
    assert [message["content"] for message in call["messages"]] == [
        "Keys look like ${{ secrets.TOKEN }}, tags like {{ x }}.",
        "Ann asks: Why?",
    ]
    assert call["response_format"]["json_schema"]["name"] == "order"
    assert [check.kind for check in found.definition.checks] == ["contains"]
    with pytest.raises(Invalid):
        found.render(q=5, customer={})


def test_a_fallback_has_a_place_for_the_messages_of_a_conversation() -> None:
    place: dict[str, Any] = {"role": "placeholder", "name": "history", "optional": True, "max": 2}
    user: dict[str, Any] = {"role": "user", "content": "{{q}}", "name": "ann"}
    history = [{"role": "user", "content": "{{q}}"}]
    for value in ([place, user], {"messages": [place, user], "model": GPT}):
        found = Prompt.fallback("bot/answer", value)
        assert found.messages[0] == Placeholder(name="history", optional=True, most=2)
        assert found.render(q="a", history=history, unknown=1) == [*history, {**user, "content": "a"}]
        assert len(found.render(q="a")) == 1
        again = Prompt.fallback("bot/answer", [*found.messages, {"role": "user", "content": "x", "name": "ann"}])
        assert again.messages[:2] == found.messages
    alone = Prompt.fallback("bot/answer", [Placeholder(name="history"), Message(role=Role.USER, content="{{q}}")])
    with pytest.raises(Invalid, match="'history'"):
        alone.render(q="a")
    with pytest.raises(Invalid, match=r"unknown key 'optionel'"):
        Prompt.fallback("bot/answer", [{"role": "placeholder", "name": "history", "optionel": True}, user])


def test_a_fallback_has_examples_with_tools() -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "{{q}}", "name": "bob"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "content": "found", "tool_call_id": "c1"},
    ]
    for value in (messages, {"messages": messages}):
        found = Prompt.fallback("bot/answer", value)
        assert found.definition.written[1].tool_calls == (ToolCall(id="c1", name="find", arguments={"q": 1}),)
        assert [message["role"] for message in found.to_openai(q="a")["messages"]] == ["user", "assistant", "tool"]
        again = Prompt.fallback("bot/answer", [*found.messages, {"role": "user", "content": "x", "name": "ann"}])
        assert again.messages[:3] == found.messages
        assert Prompt.fallback("bot/answer", {"messages": list(found.messages)}).messages == found.messages


def test_a_text_is_read_as_the_text_of_a_file() -> None:
    assert Prompt.fallback("bot/a", "${{ secrets.T }} {{q}}").render(q="a")[0]["content"] == "${{ secrets.T }} a"
    assert Prompt.fallback("bot/a", "{{ '{{' }} {{q}} {{#if}}").render(q="a")[0]["content"] == "{{ a {{#if}}"


@pytest.mark.parametrize(
    ("value", "problem", "hint"),
    [
        ({"messages": [{"role": "user", "content": "x", "cahce": 1}]}, r"messages\[0\].cahce: unknown key", ""),
        ([{"role": "user", "content": "x", "rol": "user"}], r"messages\[0\].rol: unknown key", "role"),
        ({"messages": "x", "parameters": {"temprature": 1}}, "unknown parameter 'temprature'", "temperature"),
        (
            [{"role": "user", "content": [{"type": "image", "file": "files/a.png"}]}],
            r"content\[0\].file: 'files/a.png' is a file of an app's folder, and there is no folder here",
            "`data` or `url`",
        ),
        ({"messages": "x", "parameters": {"temperature": "hot"}}, "'temperature' must be a number", ""),
        ({"messages": "x", "parameters": {}, "modelParameters": {}}, "are the same key", ""),
        ({"messages": "x", "tools": [{"name": "f", "note": 1}]}, r"tools\[0\].note: unknown key 'note'", ""),
        (
            {"messages": "x", "tools": [{"type": "function", "function": {"name": "f"}, "note": 1}]},
            r"tools\[0\].note: unknown key 'note'",
            "",
        ),
        ({"messages": "x", "model": GPT, "modelParameters": {"topK": 3}}, "takes no parameter 'topK'", ""),
        ({"messages": "x", "model": "anthropic/claude-sonnet-4-5-20250929"}, "no `maxTokens`", "modelParameters"),
        ({"messages": "{% if %}", "template": "jinja2"}, r"messages\[0\].content: not Jinja", ""),
        ({"messages": "{{> greeting}}"}, "there is no partial 'greeting'", ""),
        ("{{> greeting}}", "there is no partial 'greeting'", ""),
        ("\ud800", "lone surrogate", ""),
        ({"messages": [{"role": "user", "content": "a \ud800"}]}, "lone surrogate", ""),
        ({"messages": [{"role": "tool", "content": "x"}]}, "tool_call_id", ""),
        ({"messages": "x", "responseFormat": "json_schema"}, "needs a `jsonSchema`", ""),
        ({"messages": "{{q}}", "inputs": {"q": {"type": "strin"}}}, "schema", ""),
    ],
)
def test_what_a_file_could_not_say_is_an_error_that_names_the_prompt(value: Any, problem: str, hint: str) -> None:
    with pytest.raises(Invalid, match=rf"(?s)the fallback of 'bot/answer' is no prompt: .*{problem}") as raised:
        Prompt.fallback("bot/answer", value)
    assert hint in raised.value.hint


def test_a_model_may_float_or_be_unknown_in_a_fallback() -> None:
    for model in ("openai/gpt-4o", "gpt-4o", "local/llama", None):
        found = Prompt.fallback("bot/answer", {"messages": "hi", "model": model, "modelParameters": {"max_tokens": 5}})
        assert (found.model, found.parameters) == (model, {"maxTokens": 5})


@pytest.mark.parametrize("model", ["gemini/gemini-3-pro", "vertex/gemini-3-pro", "mistral/voxtral-small-2507"])
def test_a_fallback_may_be_for_the_own_api_of_its_provider_alone(model: str) -> None:
    content = [{"type": "text", "text": "{{q}}"}, {"type": "audio", "url": "https://example.com/a.mp3"}]
    found = Prompt.fallback("bot/answer", {"model": model, "messages": [{"role": "user", "content": content}]})
    assert "https://example.com/a.mp3" in json.dumps(found.request(q="What is said?").body)
    with pytest.raises(Invalid, match="audio by a URL cannot be sent"):
        found.to_openai(q="What is said?")


@pytest.mark.parametrize("model", ["anthropic/claude-sonnet-4-5-20250929", "openai/gpt-4o-2024-08-06"])
def test_examples_with_tools_are_sent_where_no_sample_fits_a_schema(model: str) -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Bern?"},
        {"role": "assistant", "tool_calls": [called]},
        {"role": "tool", "tool_call_id": "c1", "content": "12 degrees"},
        {"role": "user", "content": "{{ticket}}"},
    ]
    given = {"model": model, "messages": messages, "tools": [{"name": "weather"}], "parameters": {"maxTokens": 9}}
    found = Prompt.fallback("bot/answer", {**given, "inputs": {"ticket": {"type": "string", "pattern": "^T-[0-9]+$"}}})
    assert "12 degrees" in json.dumps(found.request(ticket="T-1").body["messages"])


def test_a_fallback_in_the_outage_is_the_one_that_was_read(
    client_of: Maker, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = client_of(server.url)
    with caplog.at_level(logging.WARNING, "promptops"):
        first = client.get_prompt("no/where", fallback=FILE)
        again = client.get_prompt("no/where", fallback={**FILE})
    assert first.template is again.template  # read once
    assert (first.channel, first.reason, first.name) == ("prod", "DEFAULT", "no/where")
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)].count("no/where") == 1


@pytest.mark.parametrize("name", [None, 5, b"bot/answer", ["bot/answer"], {}, ("bot", "answer")])
def test_a_name_that_is_not_text_is_invalid(client_of: Maker, server: FakeServer, name: Any) -> None:
    client = client_of(server.url)
    release = client.release("bot")
    for ask in (
        client.get_prompt,
        client.call,
        client.release,
        client.fetch,
        release.prompt,
        lambda wrong: client.get_prompt(wrong, hold="h"),
        lambda wrong: client.get_prompt(wrong, version="1.0.0"),
        lambda wrong: client.get_prompt(wrong, fallback="x"),
        lambda wrong: client.get_prompt(wrong, channel="prod"),
        lambda wrong: Prompt.fallback(wrong, "x"),
        lambda wrong: Client(server.url, channel="prod", required=[wrong]),
        lambda wrong: Client(server.url, channel="prod", versions=[wrong]),
    ):
        with pytest.raises(Invalid, match="is not text"):
            ask(name)


@pytest.mark.parametrize("given", ["You are {{age}}.", [{"role": "user", "content": "You are {{age}}."}]])
@pytest.mark.parametrize(("value", "shown"), [(30, "30"), (None, "null"), ("old", "old"), ([1], "[1]")])
def test_a_text_takes_what_the_prompt_that_it_replaces_may_declare(given: Any, value: Any, shown: str) -> None:
    """The prompt of the registry may say `type: integer`, or list null: a fallback must not refuse those."""
    assert Prompt.fallback("bot/answer", given).render(age=value)[0]["content"] == f"You are {shown}."


def test_a_mapping_is_held_to_the_inputs_that_it_declares() -> None:
    given = {"messages": "You are {{age}}.", "inputs": {"age": {"type": "integer"}}}
    assert Prompt.fallback("bot/answer", given).render(age=30)[0]["content"] == "You are 30."
    with pytest.raises(VariableInvalid):
        Prompt.fallback("bot/answer", given).render(age="old")
