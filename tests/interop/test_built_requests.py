"""Built requests are what the packages of providers take, and arrive at a server as `request` says, byte for byte in
meaning: each package asks a server on this machine, with its own HTTP client."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import unquote

import anthropic
import botocore.session
import httpx
import openai
import pytest
from botocore.client import BaseClient
from botocore.config import Config
from google import genai

from promptops.client.prompt import Prompt
from promptops.core.model import Json
from tests.core.requests import shapes
from tests.support.model_server import ModelServer, Reply, model_server

TEMPERED: dict[str, Json] = {"maxTokens": 2000, "temperature": 0.5}
PLAIN = "You are an error."  # the server's only answer: what was asked is what counts


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """A server that keeps what it is asked, and answers each time that it is full."""
    with model_server(
        lambda body, times: Reply(status=400, body=json.dumps({"error": {"message": PLAIN}}).encode())
    ) as running:
        yield running


def meant(way: str, body: Any) -> Any:
    """A body; of Gemini, which takes its names in both spellings and empty objects for none, in one of them."""
    if way != "gemini" or not isinstance(body, Mapping | list):
        return body
    if isinstance(body, list):
        return [meant(way, item) for item in body]
    pairs = ((re.sub(r"_([a-z])", lambda found: found[1].upper(), name), meant(way, body[name])) for name in body)
    return {name: value for name, value in pairs if value != {}}


def root(server: ModelServer) -> str:
    return server.url.removesuffix("/v1")


def by_openai(server: ModelServer, call: dict[str, Any]) -> None:
    with closing(openai.OpenAI(api_key="k", base_url=server.url, max_retries=0)) as client:
        client.chat.completions.create(**call, extra_headers={"x-mine": "1"})


def by_responses(server: ModelServer, call: dict[str, Any]) -> None:
    with closing(openai.OpenAI(api_key="k", base_url=server.url, max_retries=0)) as client:
        client.responses.create(**call, extra_headers={"x-mine": "1"})


def by_anthropic(server: ModelServer, call: dict[str, Any]) -> None:
    with closing(anthropic.Anthropic(api_key="k", base_url=root(server), max_retries=0)) as client:
        messages = client.beta.messages if "betas" in call else client.messages
        messages.create(**call, extra_headers={"x-mine": "1"})


def by_genai(server: ModelServer, call: dict[str, Any]) -> None:
    options = genai.types.HttpOptions(base_url=root(server), api_version="v1beta", headers={"x-mine": "1"})
    with closing(genai.Client(api_key="k", http_options=options)) as client:
        client.models.generate_content(**call)


def add_own_header(request: Any, **_: object) -> None:
    request.headers["x-mine"] = "1"


def botocore_client(endpoint: str) -> BaseClient:
    return botocore.session.get_session().create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(retries={"total_max_attempts": 1}),
    )


def by_botocore(server: ModelServer, call: dict[str, Any]) -> None:
    client = botocore_client(root(server))
    client.meta.events.register("before-send", add_own_header)
    with closing(client):
        client.converse(**call)


WAYS: dict[str, tuple[Callable[[ModelServer, dict[str, Any]], None], str]] = {
    "openai": (by_openai, "to_openai"),
    "responses": (by_responses, "to_openai_responses"),
    "anthropic": (by_anthropic, "to_anthropic"),
    "gemini": (by_genai, "to_gemini"),
    "bedrock": (by_botocore, "to_bedrock"),
}
GPT, OPUS, SONNET = "openai/gpt-5.2-2025-12-11", "anthropic/claude-opus-5", "anthropic/claude-sonnet-4-6"
GEMINI, NOVA = "google/gemini-3-pro-preview", "bedrock/amazon.nova-pro-v1:0"
BEDROCK_OPUS = "bedrock/us.anthropic.claude-opus-5"
SAFE = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}]
ROWS: list[tuple[str, Prompt, dict[str, str]]] = [
    *((way, shapes.talk(model, maxTokens=2000, toolChoice="auto"), shapes.VALUES) for way, model in (
        ("openai", GPT), ("responses", GPT), ("anthropic", OPUS), ("gemini", GEMINI), ("bedrock", BEDROCK_OPUS)
    )),
    *((way, shapes.ask(model, shapes.ANSWERING, **TEMPERED), shapes.QUESTION) for way, model in (
        ("openai", "openai/gpt-4o-2024-08-06"), ("responses", "openai/gpt-4o-2024-08-06"), ("anthropic", SONNET),
        ("gemini", GEMINI), ("bedrock", NOVA)
    )),
    ("anthropic", shapes.ask(OPUS, maxTokens=9, betas=["interleaved-thinking-2025-05-14"]), shapes.QUESTION),
    ("anthropic", shapes.later_system(OPUS), {}),
    ("bedrock", shapes.later_system(BEDROCK_OPUS), {}),
    ("gemini", shapes.ask(GEMINI, reasoningEffort="low", stop="END", seed=7, serviceTier="flex"), shapes.QUESTION),
    ("gemini", shapes.ask(GEMINI, extra={"safetySettings": SAFE}), shapes.QUESTION),
    ("bedrock", shapes.ask(BEDROCK_OPUS, reasoningEffort="high", extra={"top_k": 3}), shapes.QUESTION),
    ("bedrock", shapes.ask(NOVA, metadata={"team": "desk"}, serviceTier="flex"), shapes.QUESTION),
    ("openai", shapes.ask("ollama/llama3", topK=3, maxTokens=9, extra={"num_ctx": 512}), shapes.QUESTION),
]  # fmt: skip


@pytest.mark.parametrize(("way", "prompt", "values"), ROWS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_package_sends_is_the_request_beside_headers_of_the_callers_own(
    server: ModelServer, way: str, prompt: Prompt, values: dict[str, str]
) -> None:
    send, method = WAYS[way]
    with pytest.raises(Exception, match=r"(?i)error"):  # each package has its own
        send(server, getattr(prompt, method)(**values))
    request = prompt.request(provider=way, **values)
    assert meant(way, server.asked[-1]) == meant(way, request.body)
    assert unquote(server.paths[-1].partition("?")[0]) == unquote(request.url_path)
    sent = server.headers[-1]
    assert sent["x-mine"] == "1"
    assert sent["content-type"] == request.headers["content-type"]
    assert sent.get("anthropic-beta") == request.headers.get("anthropic-beta")


def test_a_claude_with_a_temperature_gets_the_version_that_takes_it_from_the_client(server: ModelServer) -> None:
    prompt = shapes.ask(SONNET, None, **TEMPERED)
    version = {"anthropic-version": prompt.request(**shapes.QUESTION).headers["anthropic-version"]}
    client = anthropic.Anthropic(api_key="k", base_url=root(server), max_retries=0, default_headers=version)
    with closing(client), pytest.raises(anthropic.BadRequestError):
        client.messages.create(**prompt.to_anthropic(**shapes.QUESTION), extra_headers={"x-mine": "1"})
    assert server.asked[-1]["temperature"] == 0.5
    assert server.headers[-1]["anthropic-version"] == "2023-06-01"


def test_a_batch_and_a_count_of_tokens_take_the_request(server: ModelServer) -> None:
    request = shapes.ask(SONNET, None, **TEMPERED).request(**shapes.QUESTION)
    with closing(anthropic.Anthropic(api_key="k", base_url=root(server), max_retries=0)) as client:
        line: Any = request.batch_line("case-1")
        with pytest.raises(anthropic.BadRequestError):
            client.messages.batches.create(requests=[line], extra_headers=request.headers)
        assert server.asked[-1] == {"requests": [line]}
        assert server.asked[-1]["requests"][0]["params"]["temperature"] == 0.5
        count: Any = request.count_tokens()
        with pytest.raises(anthropic.BadRequestError):
            client.messages.count_tokens(**count.body)
    assert (server.paths[-1].partition("?")[0], server.asked[-1]) == (count.url_path, count.body)


@pytest.mark.parametrize("model", ["openai/text-embedding-3-small", "gemini/gemini-embedding-001"])
def test_embeddings(server: ModelServer, model: str) -> None:
    request = shapes.ask(model).request(**shapes.QUESTION)
    if model.startswith("openai"):
        with closing(openai.OpenAI(api_key="k", base_url=server.url, max_retries=0)) as client:
            body: Any = request.body
            with pytest.raises(openai.BadRequestError):
                client.embeddings.create(**body)
        assert server.asked[-1].items() >= request.body.items()  # the package adds how vectors are written
        assert server.paths[-1] == request.url_path
    else:
        options = genai.types.HttpOptions(base_url=root(server), api_version="v1beta")
        texts: Any = [each["text"] for asked in request.body["requests"] for each in asked["content"]["parts"]]  # type: ignore[union-attr,index,call-overload]
        with (
            closing(genai.Client(api_key="k", http_options=options)) as gemini,
            pytest.raises(genai.errors.ClientError),
        ):
            gemini.models.embed_content(model="gemini-embedding-001", contents=texts)
        asked = server.asked[-1]["requests"]
        assert [each["content"]["parts"] for each in asked] == [[{"text": text}] for text in texts]
        assert server.paths[-1].partition("?")[0] == request.url_path


def test_any_http_client_can_send_it(server: ModelServer) -> None:
    request = shapes.ask(SONNET, None, **TEMPERED).request(**shapes.QUESTION)
    httpx.post(root(server) + request.url_path, headers=request.headers, json=request.body)
    assert (server.asked[-1], server.paths[-1]) == (request.body, request.url_path)
