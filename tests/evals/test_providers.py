"""Answers of both APIs are read strictly, and addresses and keys come from the environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from promptops.core.answers.reading import Api
from promptops.core.errors import Invalid
from promptops.core.suite.answer import ToolCall
from promptops.evals.providers import endpoint, read_answer


def environment(**said: tuple[str, str]) -> Callable[[str], tuple[str, str]]:
    """An environment with these addresses and keys."""
    return lambda provider: said.get(provider, ("", ""))


def chat(message: Mapping[str, Any], finish: str | None = "stop", **more: Any) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}], **more}).encode()


def test_a_text() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2}
    got = read_answer(Api.CHAT, chat({"content": "Hi"}, usage=usage, model="m", system_fingerprint="f"))
    assert (got.text, got.finish, got.input_tokens, got.output_tokens) == ("Hi", "stop", 7, 2)
    assert (got.served_model, got.fingerprint) == ("m", "f")


@pytest.mark.parametrize(
    ("message", "finish", "text", "ends"),
    [
        ({"content": None, "refusal": "I cannot"}, "stop", "I cannot", "refusal"),
        ({"content": "half"}, "length", "half", "length"),
        ({"content": None}, "content_filter", "", "content_filter"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "thinking"}]}, "stop", "a", "stop"),
        ({"content": "a"}, None, "a", "stop"),
        ({"content": "a"}, "", "a", "stop"),
        ({"content": "a"}, "model_length", "a", "length"),
        ({"content": "a"}, "insufficient_system_resource", "a", "insufficient_system_resource"),
        ({"content": "a"}, "a_new_word", "a", "a_new_word"),
    ],
)
def test_how_an_answer_ends(message: Mapping[str, Any], finish: str | None, text: str, ends: str) -> None:
    got = read_answer(Api.CHAT, chat(message, finish))
    assert (got.text, got.finish) == (text, ends)
    assert got.input_tokens is None, "what is not known is not 0"


def test_calls_of_tools() -> None:
    calls = [
        {"function": {"name": "find", "arguments": '{"a": 1}'}},
        {"function": {"name": "broken", "arguments": "{"}},
        {"type": "custom", "custom": {"name": "sql", "input": "select"}},
    ]
    got = read_answer(Api.CHAT, chat({"content": None, "tool_calls": calls}, "stop"))
    assert got.finish == "tool_calls"
    assert got.tool_calls == (
        ToolCall(name="find", arguments={"a": 1}),
        ToolCall(name="broken", arguments=None),
        ToolCall(name="sql", arguments="select"),
    )


def test_messages_of_anthropic() -> None:
    document = {
        "content": [{"type": "text", "text": "Let me look."}, {"type": "tool_use", "name": "find", "input": {"a": 1}}],
        "stop_reason": "tool_use",
        "model": "claude",
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 10, "output_tokens": 3},
    }
    got = read_answer(Api.MESSAGES, json.dumps(document).encode())
    assert (got.text, got.finish, got.input_tokens) == ("Let me look.", "tool_calls", 15)
    assert got.tool_calls == (ToolCall(name="find", arguments={"a": 1}),)
    cut = {**document, "stop_reason": "max_tokens", "content": []}
    assert read_answer(Api.MESSAGES, json.dumps(cut).encode()).finish == "length"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"[]", b'{"choices": []}', b'{"choices": [{}]}', b"null", b"1"]
)
@pytest.mark.parametrize("api", list(Api))
def test_what_is_no_answer_is_malformed(api: Api, body: bytes) -> None:
    with pytest.raises(ValueError):
        read_answer(api, body)


def test_known_providers_need_a_key_and_others_an_address() -> None:
    found = endpoint("openai", environment(openai=("", "k")))
    assert (found.url, found.key, found.host) == ("https://api.openai.com/v1", "k", "api.openai.com")
    with pytest.raises(Invalid, match="no key for openai") as missing:
        endpoint("openai", environment())
    assert "OPENAI_API_KEY" in missing.value.hint
    with pytest.raises(Invalid, match="not known where") as unknown:
        endpoint("my-lab", environment())
    assert "MY_LAB_BASE_URL" in unknown.value.hint


def test_a_model_on_this_machine_needs_no_key_and_a_key_never_travels_in_the_open() -> None:
    assert endpoint("local", environment(local=("http://127.0.0.1:8080/v1/", ""))).url == "http://127.0.0.1:8080/v1"
    with pytest.raises(Invalid, match="not encrypted"):
        endpoint("lab", environment(lab=("http://models.lan/v1", "secret")))
