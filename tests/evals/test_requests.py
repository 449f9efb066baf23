"""A run sends what an application would send, byte for byte, and the digest of a request names just that."""

from __future__ import annotations

import json

import pytest

from promptops.client.prompt import Prompt as ClientPrompt
from promptops.core.answers.reading import Api
from promptops.core.compiled import compile_content
from promptops.core.errors import Invalid
from promptops.core.model import Content, Prompt, ResponseFormat, Tool
from promptops.evals.providers import Endpoint
from promptops.evals.request import request_of
from tests.evals.running import prompt

CLAUDE = "anthropic/claude-sonnet-4-5-20250929"


def client_prompt(definition: Prompt) -> ClientPrompt:
    """The prompt as an application gets it."""
    return ClientPrompt.fallback("bot/answer", definition)


@pytest.mark.parametrize(
    "definition",
    [
        prompt(parameters={"temperature": 0, "maxTokens": 5, "topK": 3}),
        prompt(model="openai/gpt-4o-2024-08-06", parameters={"maxTokens": 5, "seed": 1}),
        prompt(
            model="openai/gpt-4o-2024-08-06",
            tools=(Tool(name="find"),),
            response_format=ResponseFormat.JSON_SCHEMA,
            json_schema={"type": "object"},
        ),
        prompt(model=CLAUDE, parameters={"maxTokens": 5, "temperature": 0.5}, tools=(Tool(name="find"),)),
    ],
)
def test_the_body_is_that_of_the_client(definition: Prompt) -> None:
    mine = compile_content(Content(app="bot", prompts=(definition,)))["answer"]
    request = request_of(mine.definition, mine.template.render({"question": "Wo?"}))
    theirs = client_prompt(definition)
    call = theirs.to_anthropic(question="Wo?") if "claude" in request.model else theirs.to_openai(question="Wo?")
    more = call.pop("extra_body", {})
    headers = theirs.request(question="Wo?").headers
    assert json.loads(request.body) == {**call, **more}
    assert request.headers.items() <= headers.items()
    assert request.api is (Api.MESSAGES if "claude" in request.model else Api.CHAT)


def test_a_digest_changes_with_every_part_of_the_request() -> None:
    messages = [{"role": "user", "content": "a"}]
    variants = [
        request_of(prompt(), messages),
        request_of(prompt(), [{"role": "user", "content": "b"}]),
        request_of(prompt(parameters={"temperature": 0}), messages),
        request_of(prompt(model="local/other"), messages),
        request_of(prompt(model="mistral/echo-2026-01-01"), messages),
    ]
    assert len({request.digest for request in variants}) == len(variants)
    assert request_of(prompt(), list(messages)).digest == variants[0].digest


def test_a_prompt_whose_application_chooses_the_model_cannot_be_asked() -> None:
    with pytest.raises(Invalid, match="leaves the model"):
        request_of(prompt(model=None), [{"role": "user", "content": "a"}])


def test_each_api_has_its_address_and_its_way_to_show_a_key() -> None:
    endpoint = Endpoint(url="https://models.example/v1", key="k", host="models.example")
    chat = request_of(prompt(), [{"role": "user", "content": "a"}])
    claude = request_of(prompt(model=CLAUDE, parameters={"maxTokens": 1}), [{"role": "user", "content": "a"}])
    assert endpoint.target(chat.api) == "https://models.example/v1/chat/completions"
    assert endpoint.headers(chat)["authorization"] == "Bearer k"
    assert endpoint.target(claude.api).endswith("/v1/messages")
    assert endpoint.headers(claude)["x-api-key"] == "k" and "authorization" not in endpoint.headers(claude)
