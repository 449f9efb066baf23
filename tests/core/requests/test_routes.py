"""The request of a prompt to its provider's API, or to another: path, headers, body, and what batches make of it."""

from __future__ import annotations

from typing import Any

import pytest

from promptops import Request
from promptops.core.errors import Invalid
from promptops.core.model import Json, Message, Role, Tool
from promptops.core.parameters import TABLE
from tests.client.prompts import CLAUDE, GPT, OPUS, RENDERED, VALUES, made
from tests.core.requests import shapes

USER = (Message(role=Role.USER, content="{{q}}"),)


@pytest.mark.parametrize(
    ("model", "path", "named"),
    [
        (GPT, "/v1/chat/completions", "gpt-4o-2024-08-06"),
        ("gpt-4o-mini", "/v1/chat/completions", "gpt-4o-mini"),  # without a provider
        (OPUS, "/v1/messages", "claude-opus-5-5"),
        ("azure/prod-chat", "/openai/v1/chat/completions", "prod-chat"),
        ("azure-openai/prod-chat", "/openai/v1/chat/completions", "prod-chat"),
        ("azure_openai/prod-chat", "/openai/v1/chat/completions", "prod-chat"),
        ("github/openai/gpt-4o", "/inference/chat/completions", "openai/gpt-4o"),
        ("openrouter/anthropic/claude-opus-5", "/api/v1/chat/completions", "anthropic/claude-opus-5"),
        ("groq/llama-3.3-70b-versatile", "/openai/v1/chat/completions", "llama-3.3-70b-versatile"),
        ("together_ai/meta/llama", "/v1/chat/completions", "meta/llama"),
        ("mistral-ai/mistral-large-2411", "/v1/chat/completions", "mistral-large-2411"),
        ("ollama/llama3", "/v1/chat/completions", "llama3"),
        ("google/gemini-3-pro", "/v1beta/models/gemini-3-pro:generateContent", None),
        ("vertex_ai/gemini-3-pro", "/v1/publishers/google/models/gemini-3-pro:generateContent", None),
        ("amazon-bedrock/amazon.nova-pro-v1:0", "/model/amazon.nova-pro-v1%3A0/converse", None),
        ("openai/text-embedding-3-small", "/v1/embeddings", "text-embedding-3-small"),
        ("mistral/mistral-embed", "/v1/embeddings", "mistral-embed"),
        ("gemini/gemini-embedding-001", "/v1beta/models/gemini-embedding-001:embedContent", None),
    ],
)
def test_the_provider_of_the_pin_decides(model: str, path: str, named: str | None) -> None:
    parameters: dict[str, Json] = {"maxTokens": 9} if model == OPUS else {}
    request = made(model=model, messages=USER, parameters=parameters).request(q="Why?")
    assert (request.url_path, request.body.get("model")) == (path, named)
    assert request.headers["content-type"] == "application/json"
    assert not {"authorization", "x-api-key", "api-key", "x-goog-api-key"} & request.headers.keys()


@pytest.mark.parametrize(
    ("provider", "path", "named"),
    [
        ("openai", "/v1/chat/completions", "claude-sonnet-4-5-20250929"),
        ("github", "/inference/chat/completions", CLAUDE),  # these name a model with its publisher
        ("openrouter", "/api/v1/chat/completions", CLAUDE),
        ("litellm", "/v1/chat/completions", CLAUDE),
        ("responses", "/v1/responses", "claude-sonnet-4-5-20250929"),
        ("Anthropic", "/v1/messages", "claude-sonnet-4-5-20250929"),
        ("mistral", "/v1/chat/completions", "claude-sonnet-4-5-20250929"),
    ],
)
def test_another_provider_may_be_named(provider: str, path: str, named: str) -> None:
    prompt = made(model=CLAUDE, parameters={"maxTokens": 9})
    request = prompt.request(provider=provider, **VALUES)
    assert (request.url_path, request.body["model"]) == (path, named)
    assert prompt.request(provider, **VALUES) == request


@pytest.mark.parametrize("provider", [5, b"openai", ["openai"]])
def test_a_provider_is_named_by_text(provider: Any) -> None:
    with pytest.raises(Invalid, match="is no name of a provider"):
        made(model=GPT).request(provider, **VALUES)


def test_responses_of_azure_have_its_path() -> None:
    assert made(model="azure/prod").request("responses", **VALUES).url_path == "/openai/v1/responses"


@pytest.mark.parametrize(
    ("provider", "meant"),
    [
        *(("opnai", "openai"), ("opeani", "openai"), ("openaii", "openai"), ("Anthropc", "anthropic")),
        *(("gemimi", "gemini"), ("reponses", "responses"), ("openrouterr", "openrouter"), ("bedorck", "bedrock")),
    ],
)
def test_a_provider_one_letter_away_from_one_that_is_known_is_a_slip(provider: str, meant: str) -> None:
    with pytest.raises(Invalid, match=f"there is no provider '{provider.lower()}'") as error:
        made(model=GPT).request(provider, **VALUES)
    assert error.value.hint == f"Did you mean '{meant}'?"


@pytest.mark.parametrize("provider", ["my-proxy", "openai2", "openai-eu", "grok", "vllm", "groq2", "acme", "cohere"])
def test_any_other_name_is_a_provider_with_the_api_of_chat_completions(provider: str) -> None:
    assert made(model=GPT).request(provider, **VALUES).url_path == "/v1/chat/completions"
    assert made(model=f"{provider}/gpt-4o-2024-08-06").request(**VALUES).provider == provider
    assert made(model="opnai/gpt-4o-2024-08-06").request(**VALUES).provider == "opnai"  # the pin says where it is


def test_a_variable_may_be_called_provider() -> None:
    prompt = made(messages=(Message(role=Role.USER, content="{{provider}}"),))
    assert prompt.request(provider="DHL").body["messages"] == [{"role": "user", "content": "DHL"}]
    assert prompt.request("responses", provider="DHL").url_path == "/v1/responses"
    with pytest.raises(Invalid, match="is a name, not int"):
        made().request(provider=5, **VALUES)


@pytest.mark.parametrize("name", sorted(TABLE))
@pytest.mark.parametrize(
    "model", [GPT, CLAUDE, "google/gemini-3-pro", "bedrock/amazon.nova-pro-v1:0", "mistral/m-2411", "ollama/x"]
)
def test_every_parameter_of_a_release_is_in_the_request_or_refused(model: str, name: str) -> None:
    values: dict[str, Json] = {"extra": {"mark": 1}, "thinking": {"type": "adaptive"}, "toolChoice": "lookup"}
    parameters: dict[str, Json] = {"maxTokens": 9, name: values.get(name, 1)}
    if name in ("maxCompletionTokens", "maxOutputTokens"):
        del parameters["maxTokens"]
    prompt, without = (
        made(model=model, parameters=given, tools=(shapes.LOOKUP,)) for given in (parameters, {"maxTokens": 9})
    )
    try:
        request = prompt.request(**VALUES)
    except Invalid as refused:
        assert name in refused.message
        return
    assert request != without.request(**VALUES)
    assert not {"extra_body", "extra_headers"} & request.body.keys()


def test_what_a_package_has_no_argument_for_is_in_the_body_and_the_headers() -> None:
    prompt = made(model=CLAUDE, parameters={"maxTokens": 9, "temperature": 0.5, "betas": ["x"], "extra": {"y": 1}})
    request = prompt.request(**VALUES)
    assert request == Request(
        url_path="/v1/messages",
        headers={"content-type": "application/json", "anthropic-version": "2023-06-01", "anthropic-beta": "x"},
        body={
            "model": "claude-sonnet-4-5-20250929",
            "max_tokens": 9,
            "temperature": 0.5,
            "y": 1,
            "system": "Be kind.",
            "messages": RENDERED[1:],
        },
    )


def test_a_prompt_without_a_model_has_no_whole_request() -> None:
    with pytest.raises(Invalid, match="leaves the model to the application"):
        made(model=None).request(**VALUES)


def test_a_claude_at_google_has_an_address_that_no_prompt_knows() -> None:
    with pytest.raises(Invalid, match="has a project and a region") as error:
        made(model="vertex_ai/claude-opus-5", parameters={"maxTokens": 9}).request(**VALUES)
    assert "AnthropicVertex" in str(error.value.hint)


# --- embeddings ------------------------------------------------------------------------------------


def test_the_texts_of_messages_are_embedded() -> None:
    small = "openai/text-embedding-3-small"
    extra: dict[str, Json] = {"extra": {"dimensions": 256}, "user": "u-1"}
    one = made(model=small, messages=USER, parameters=extra).request(q="Why?")
    assert one.body == {"model": "text-embedding-3-small", "input": "Why?", "user": "u-1", "dimensions": 256}
    assert made(model=small).request(**VALUES).body["input"] == ["Be kind.", "Why?"]
    with pytest.raises(Invalid, match="embeddings takes no parameter 'temperature'"):
        made(model=small, parameters={"temperature": 0.5}).request(**VALUES)


def test_gemini_embeds_one_text_or_a_batch() -> None:
    model = "gemini/gemini-embedding-001"
    extra: dict[str, Json] = {"extra": {"taskType": "RETRIEVAL_QUERY"}}
    one = made(model=model, messages=USER, parameters=extra).request(q="Why?")
    assert one.body == {"content": {"parts": [{"text": "Why?"}]}, "taskType": "RETRIEVAL_QUERY"}
    several = made(model=model).request(**VALUES)
    assert several.url_path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert several.body == {
        "requests": [
            {"model": "models/gemini-embedding-001", "content": {"parts": [{"text": message["content"]}]}}
            for message in RENDERED
        ]
    }


def test_an_api_without_embeddings_says_so() -> None:
    with pytest.raises(Invalid, match="for which bedrock has no API that is known here"):
        made(model="bedrock/amazon.titan-embed-text-v2:0").request(**VALUES)


# --- batches, and counting tokens ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (GPT, {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions"}),
        ("azure/prod", {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions"}),
        ("openai/text-embedding-3-small", {"custom_id": "1", "method": "POST", "url": "/v1/embeddings"}),
        (OPUS, {"custom_id": "1"}),
        ("google/gemini-3-pro", {"key": "1"}),
        ("mistral/mistral-large-2411", {"custom_id": "1"}),
        ("bedrock/amazon.nova-pro-v1:0", {"recordId": "1"}),
    ],
)
def test_a_line_of_a_batch(model: str, line: dict[str, Json]) -> None:
    request = made(model=model, parameters={} if "embedding" in model else {"maxTokens": 9}).request(**VALUES)
    made_of_it = request.batch_line("1")
    [body] = [value for name, value in made_of_it.items() if name not in line]
    assert made_of_it.items() >= line.items()
    assert body == request.body


def test_an_api_without_batches_says_so() -> None:
    with pytest.raises(Invalid, match="requests to /inference/chat/completions have no batches"):
        made(model="github/openai/gpt-4o").request(**VALUES).batch_line("1")


def test_tokens_are_counted_of_what_goes_in() -> None:
    parameters: dict[str, Json] = {"maxTokens": 9, "temperature": 0.5, "toolChoice": "auto"}
    counted = made(model=CLAUDE, parameters=parameters, tools=(Tool(name="f"),)).request(**VALUES).count_tokens()
    assert counted.url_path == "/v1/messages/count_tokens"
    assert counted.body.keys() == {"model", "system", "messages", "tools", "tool_choice"}
    gemini = made(model="google/gemini-3-pro").request(**VALUES)
    assert gemini.count_tokens().url_path == "/v1beta/models/gemini-3-pro:countTokens"
    inner: Any = gemini.count_tokens().body["generateContentRequest"]
    assert inner == {"model": "models/gemini-3-pro", **gemini.body}
    nova = made(model="bedrock/amazon.nova-pro-v1:0", parameters={"maxTokens": 9}).request(**VALUES).count_tokens()
    assert nova.url_path == "/model/amazon.nova-pro-v1%3A0/count-tokens"
    assert nova.body == {
        "input": {
            "converse": {
                "messages": [{"role": "user", "content": [{"text": "Why?"}]}],
                "system": [{"text": "Be kind."}],
            }
        }
    }
    responses = made(parameters={"maxTokens": 9}).request("responses", **VALUES).count_tokens()
    assert (responses.url_path, set(responses.body)) == (
        "/v1/responses/input_tokens",
        {"model", "instructions", "input"},
    )
    with pytest.raises(Invalid, match="the API at /v1/chat/completions counts no tokens"):
        made().request(**VALUES).count_tokens()


# --- LiteLLM and LangChain -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("mistral/mistral-large-2411", "mistral/mistral-large-2411"),
        ("ollama/llama3", "ollama/llama3"),
        ("gemini/gemini-3-pro", "gemini/gemini-3-pro"),
        ("google/gemini-3-pro", "gemini/gemini-3-pro"),
        ("azure-openai/prod", "azure/prod"),
        ("aws/amazon.nova-pro-v1:0", "bedrock/amazon.nova-pro-v1:0"),
        ("together/llama-4", "together_ai/llama-4"),
        ("fireworks-ai/llama-4", "fireworks_ai/llama-4"),
        ("google_vertex/gemini-3-pro", "vertex_ai/gemini-3-pro"),
        ("mistral_ai/mistral-large-2411", "mistral/mistral-large-2411"),
        ("hosted_vllm/llama-4", "hosted_vllm/llama-4"),
        ("openrouter/anthropic/claude-opus-5", "openrouter/anthropic/claude-opus-5"),
        ("gpt-4o-mini", "gpt-4o-mini"),
    ],
)
def test_litellm_gets_the_full_name_of_a_model(model: str, named: str) -> None:
    assert made(model=model).to_litellm(**VALUES)["model"] == named


def test_litellm_gets_parameters_of_a_provider_as_arguments_and_extra_fields_apart() -> None:
    parameters: dict[str, Json] = {
        "maxTokens": 9,
        "topK": 3,
        "thinking": {"type": "adaptive"},
        "betas": ["x", "y"],
        "extra": {"api_base": "https://elsewhere.example"},  # an argument of LiteLLM's own, if it were beside them
    }
    search = Tool(name="web_search", type="web_search_20260318")
    call = made(model=CLAUDE, parameters=parameters, tools=(search, shapes.LOOKUP)).to_litellm(**VALUES)
    assert {name: value for name, value in call.items() if name not in ("messages", "tools")} == {
        "model": CLAUDE,
        "max_tokens": 9,
        "top_k": 3,
        "thinking": {"type": "adaptive"},
        "extra_headers": {"anthropic-beta": "x,y"},
        "extra_body": {"api_base": "https://elsewhere.example"},
    }
    assert call["tools"][0] == {"type": "web_search_20260318", "name": "web_search"}
    assert call["tools"][1]["type"] == "function"


def test_langchain_gets_messages_as_dicts_in_openais_form() -> None:
    messages = shapes.talk(GPT).to_langchain(**shapes.VALUES)
    assert messages == shapes.talk(GPT).render(**shapes.VALUES)
    assert messages[3]["tool_calls"][0]["function"] == {"name": "lookup", "arguments": '{"order_id": 7}'}
