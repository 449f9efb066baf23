"""What `check` lets pass is typed as the packages' arguments, and arrives at a server through the packages as it was
built: prompts made by chance, for each provider and shape of messages."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types.beta import message_create_params as beta_params
from botocore.client import BaseClient
from google import genai
from mistralai.client import Mistral

from promptops.client.prompt import Prompt
from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.finding import Severity
from tests.interop.test_built_requests import botocore_client, meant
from tests.interop.test_requests import CHAT, CLAUDE, RESPONSES, _taken
from tests.source.memory import checked
from tests.support import prompts_by_chance
from tests.support.model_server import ModelServer, Reply, model_server
from tests.support.prompts_by_chance import BEDROCK, GEMINI, GPT, MISTRAL, OTHERS, SHAPES, Made, made

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # or it asks the network for prices
with warnings.catch_warnings(action="ignore"):
    import litellm

WANTED = 100
"""Prompts of each shape and provider, of which the check lets some pass and refuses the others."""
with warnings.catch_warnings(action="ignore"):  # one of its dictionaries is open by itself
    BETA = _taken(beta_params.MessageCreateParamsNonStreaming)
Sent = Callable[[ModelServer, Mapping[str, Any]], None]


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
    """An answer that each package reads: it leaves alone what it has no field for."""
    usage = {"input_tokens": 1, "output_tokens": 1, "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    document = {
        "id": "x",
        "object": "chat.completion",
        "type": "message",
        "role": "assistant",
        "created": 1,
        "model": body.get("model", ""),
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ok"}}],
        "candidates": [{"content": {"role": "model", "parts": [{"text": "ok"}]}, "finishReason": "STOP"}],
        "output": [] if "model" in body else {"message": {"role": "assistant", "content": [{"text": "ok"}]}},
        "content": [{"type": "text", "text": "ok"}],
        "stop_reason": "end_turn",
        "usage": usage,
    }
    return Reply(body=json.dumps(document).encode(), headers={"content-type": "application/json"})


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server(answer) as running:
        yield running


@cache
def openai_client(url: str) -> openai.OpenAI:
    return openai.OpenAI(api_key="k", base_url=url, max_retries=0)


@cache
def anthropic_client(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="k", base_url=url.removesuffix("/v1"), max_retries=0)


@cache
def genai_client(url: str) -> genai.Client:
    options = genai.types.HttpOptions(base_url=url.removesuffix("/v1"), api_version="v1beta")
    return genai.Client(api_key="k", http_options=options)


@cache
def bedrock_client(url: str) -> BaseClient:
    return botocore_client(url.removesuffix("/v1"))


@cache
def mistral_client(url: str) -> Mistral:
    return Mistral(api_key="k", server_url=url.removesuffix("/v1"))


def typed(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the package has types for: what it has no argument for goes beside them."""
    return {key: value for key, value in call.items() if key != "extra_body"}


def chat(server: ModelServer, call: Mapping[str, Any]) -> None:
    CHAT.validate_python(typed(call))
    openai_client(server.url).chat.completions.create(**call)


def responses(server: ModelServer, call: Mapping[str, Any]) -> None:
    RESPONSES.validate_python(typed(call))
    openai_client(server.url).responses.create(**call)


def claude(server: ModelServer, call: Mapping[str, Any]) -> None:
    (BETA if "betas" in call else CLAUDE).validate_python(typed(call))
    client = anthropic_client(server.url)
    create: Callable[..., object] = client.beta.messages.create if "betas" in call else client.messages.create
    create(**call)


def gemini(server: ModelServer, call: Mapping[str, Any]) -> None:
    genai.types.GenerateContentConfig.model_validate(call.get("config", {}))
    genai_client(server.url).models.generate_content(**call)


def bedrock(server: ModelServer, call: Mapping[str, Any]) -> None:
    bedrock_client(server.url).converse(**call)  # which holds the call against AWS's own model of the service


def mistral(server: ModelServer, call: Mapping[str, Any]) -> None:
    mistral_client(server.url).chat.complete(**call)  # which reads the call into its pydantic models


def same(way: str, body: object) -> object:
    """A body as it is compared: google-genai writes base64 with the letters that URLs have, and mistralai what holds
    without it.
    """
    text = json.dumps(without_defaults(body) if way == "mistral" else meant(way, body))
    return json.loads(re.sub(r'(?<="data": ")[^"]+', lambda data: data[0].translate(_LETTERS), text))


def without_defaults(body: object) -> object:
    if isinstance(body, list):
        return [without_defaults(item) for item in body]
    if not isinstance(body, Mapping):
        return body
    return {key: without_defaults(item) for key, item in body.items() if (key, item) not in DEFAULTS}


DEFAULTS = (("stream", False), ("prefix", False), ("index", 0))
"""What mistralai writes into each body, message of the assistant and call of a tool."""
_LETTERS = str.maketrans("-_", "+/")
WAYS: Mapping[str, tuple[Sent, str, tuple[str, ...]]] = {
    "openai": (chat, "to_openai", GPT),
    "responses": (responses, "to_openai_responses", GPT),
    "anthropic": (claude, "to_anthropic", prompts_by_chance.CLAUDE),
    "gemini": (gemini, "to_gemini", GEMINI),
    "bedrock": (bedrock, "to_bedrock", BEDROCK),
    "mistral": (mistral, "to_mistral", MISTRAL),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", WAYS)
def test_what_check_lets_pass_is_typed_and_arrives_as_it_was_built(server: ModelServer, way: str, shape: str) -> None:
    send, method, models = WAYS[way]
    sent: Counter[str] = Counter()
    marked = 0
    for file, prompt in passing(models, shape):
        try:
            call = getattr(prompt, method)(**file.values)
        except (Invalid, ParameterNotTaken):
            assert way != "anthropic"  # the others have a second API, or take what no check can know
            continue
        with warnings.catch_warnings(action="ignore"):  # of models and kinds of thinking that will end
            send(server, call)
        assert same(way, server.asked[-1]) == same(way, prompt.request(way, **file.values).body), file.text
        sent[file.model] += 1
        marked += '"cache": true' in file.text
    assert sent.total() >= WANTED / 8
    assert sent.keys() == set(models)
    assert marked


def spoken(message: Mapping[str, Any]) -> tuple[str, str, object, object]:
    """What a message is to every provider: LiteLLM writes `system` for `developer`, and "" for no text."""
    role = message["role"].replace("developer", "system")
    return role, message.get("content") or "", message.get("tool_calls"), message.get("tool_call_id")


@pytest.mark.usefixtures("closed_loop")
@pytest.mark.parametrize("shape", SHAPES)
def test_litellm_finds_the_provider_and_sends_the_messages_and_tools(server: ModelServer, shape: str) -> None:
    sent: Counter[str] = Counter()
    others = OTHERS[:2] if shape not in ("parts", "conversation") else ()  # LiteLLM sends them no pictures
    for models in filter(None, (("openai/gpt-4.1-2025-04-14",), others)):
        for file, prompt in passing(models, shape):
            try:
                call = prompt.to_litellm(**file.values)
                body = prompt.to_openai(**file.values)
            except (Invalid, ParameterNotTaken):
                continue
            with warnings.catch_warnings(action="ignore"):
                litellm.completion(**call, api_base=server.url, api_key="k", max_retries=0, drop_params=True)
            asked = server.asked[-1]
            assert asked["model"] == body["model"]
            assert list(map(spoken, asked["messages"])) == list(map(spoken, body["messages"]))
            assert asked.get("tools") == body.get("tools")
            sent[file.model] += 1
    assert sent.total() >= WANTED / 4
