"""What `check` lets pass is typed as the SDKs' arguments, and arrives at a server through the SDKs as it was built."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import anthropic
import openai
import pytest

from promptops.client.prompt import Prompt
from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.finding import Severity
from tests.interop.test_requests import CHAT, CLAUDE, RESPONSES
from tests.source.memory import checked
from tests.support.model_server import ModelServer, Reply, model_server
from tests.support.prompts_by_chance import CLAUDE as CLAUDE_MODELS
from tests.support.prompts_by_chance import GPT, SHAPES, Made, made

WANTED = 100
"""Prompts of each shape and provider, of which the check lets some pass and refuses the others."""


@cache
def passing(models: tuple[str, ...], shape: str) -> Sequence[tuple[Made, Prompt]]:
    """The prompts that `check` has no error for, as an application gets them."""
    passed = []
    for seed in range(WANTED):
        file = made(seed, models, shape)
        loaded = checked({"answer.prompt.yml": file.text})
        if not any(finding.severity is Severity.ERROR for finding in loaded.findings):
            content = loaded.app("bot").content
            assert content is not None
            passed.append((file, Prompt.fallback("bot/answer", content.prompts[0])))
    return passed


def answer(body: Mapping[str, Any], _: int) -> Reply:
    """An answer that each SDK reads: what it has no field for it leaves alone."""
    chat = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}
    usage = {"input_tokens": 1, "output_tokens": 1, "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    document = {
        "id": "x",
        "object": "chat.completion",
        "type": "message",
        "role": "assistant",
        "created": 1,
        "model": body.get("model", ""),
        "choices": [chat],
        "output": [],
        "content": [{"type": "text", "text": "ok"}],
        "stop_reason": "end_turn",
        "usage": usage,
    }
    return Reply(body=json.dumps(document).encode(), headers={"content-type": "application/json"})


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server(answer) as running:
        yield running


def typed(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the SDK has types for: what it has no argument for goes beside them."""
    return {key: value for key, value in call.items() if key not in ("extra_body", "extra_headers")}


def body_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """What the SDK is to send for these arguments."""
    return {**typed(call), **call.get("extra_body", {})}


def arrives(server: ModelServer, create: Callable[..., object], call: Mapping[str, Any]) -> None:
    """Calls the SDK, and compares what the server got with what was built."""
    create(**call)
    assert server.asked[-1] == body_of(call)
    assert call.get("extra_headers", {}).items() <= server.headers[-1].items()


@pytest.mark.parametrize("shape", SHAPES)
def test_openai_gets_chat_completions_as_they_were_built(server: ModelServer, shape: str) -> None:
    client = openai.OpenAI(api_key="k", base_url=server.url, max_retries=0)
    sent: Counter[str] = Counter()
    for file, prompt in passing(GPT, shape):
        try:
            call = prompt.to_openai(**file.values)
        except (Invalid, ParameterNotTaken):
            continue  # which only the Responses API takes
        CHAT.validate_python(typed(call))
        arrives(server, client.chat.completions.create, call)
        sent[file.model] += 1
    assert sent.total() > WANTED / 5
    assert sent.keys() == set(GPT)


@pytest.mark.parametrize("shape", SHAPES)
def test_openai_gets_responses_as_they_were_built(server: ModelServer, shape: str) -> None:
    client = openai.OpenAI(api_key="k", base_url=server.url, max_retries=0)
    sent: Counter[str] = Counter()
    for file, prompt in passing(GPT, shape):
        try:
            call = prompt.to_openai_responses(**file.values)
        except (Invalid, ParameterNotTaken):
            continue  # which only chat completions take
        RESPONSES.validate_python(typed(call))
        arrives(server, client.responses.create, call)
        sent[file.model] += 1
    assert sent.total() > WANTED / 5
    assert sent.keys() == set(GPT)


@pytest.mark.parametrize("shape", SHAPES)
def test_anthropic_gets_messages_as_they_were_built(server: ModelServer, shape: str) -> None:
    client = anthropic.Anthropic(api_key="k", base_url=server.url.removesuffix("/v1"), max_retries=0)
    sent: Counter[str] = Counter()
    for file, prompt in passing(CLAUDE_MODELS, shape):
        call = prompt.to_anthropic(**file.values)  # what check lets pass is built
        CLAUDE.validate_python(typed(call))
        with warnings.catch_warnings(action="ignore"):  # of models and kinds of thinking that will end
            arrives(server, client.messages.create, call)
        sent[file.model] += 1
    assert sent.total() > WANTED / 5
    assert sent.keys() == set(CLAUDE_MODELS)
