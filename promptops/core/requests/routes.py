"""A rendered prompt -> the request to the API of its provider, or of the one that a caller names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from promptops.core.errors import Invalid
from promptops.core.json_value import OBJECTS, Json
from promptops.core.model import Prompt
from promptops.core.parameters import SAMPLING_VERSION, provider_of
from promptops.core.provider_arguments import anthropic_messages, openai_chat, openai_responses
from promptops.core.requests.batch import MESSAGES
from promptops.core.requests.bedrock import bedrock_converse
from promptops.core.requests.embeddings import gemini_embeddings, is_embedding, openai_embeddings
from promptops.core.requests.endpoints import canonical, endpoint_of, misspelt
from promptops.core.requests.gemini import gemini_body, gemini_content
from promptops.core.requests.litellm import litellm_completion
from promptops.core.requests.mapping import Messages
from promptops.core.requests.mistral import mistral_chat
from promptops.core.requests.request import JSON_HEADERS, Request

_DEFAULT: Final = "openai"
_GEMINIS: Final = ("gemini", "gemma")
_NO_EMBEDDINGS: Final = ("anthropic", "bedrock", "vertex")
_RESPONSES: Final = frozenset(("responses", "openai-responses", "azure-responses"))


def request_of(prompt: Prompt, messages: Messages, provider: str | None = None) -> Request:
    """Returns the request to the API of a provider: that of the pin, if none is named, or OpenAI's for a pin without.

    ``responses`` is OpenAI's other API, or Azure's where the pin is of Azure.

    Raises:
        ParameterNotTaken, Invalid: the API does not take the prompt.
    """
    if not prompt.model:
        raise Invalid(
            f"prompt '{prompt.name}' leaves the model to the application, so its request is not whole",
            hint="Give it a model of `models:` in app.yml, or use render() and your own call.",
        )
    if provider is not None and not isinstance(provider, str):
        raise Invalid(f"{str(provider)[:80]} is no name of a provider", hint="For example 'openai' or 'anthropic'.")
    pinned = canonical(provider_of(prompt.model)[0]) or _DEFAULT
    named = canonical(provider) if provider else pinned
    if named != pinned and (meant := misspelt(named, _RESPONSES)):
        raise Invalid(f"there is no provider '{named[:80]}'", hint=f"Did you mean '{meant}'?")
    if named in _RESPONSES:
        return _responses(prompt, messages, "azure" if "azure" in (pinned, named.partition("-")[0]) else _DEFAULT)
    if is_embedding(prompt.model):
        return _embeddings(prompt, messages, named)
    if named == "anthropic":
        return _json(named, MESSAGES, anthropic_messages(prompt, messages))
    if named == "gemini":
        return _json(named, f"/v1beta/{_gemini(prompt)}:generateContent", gemini_body(gemini_content(prompt, messages)))
    if named == "vertex":
        return _vertex(prompt, messages)
    if named == "bedrock":
        call = bedrock_converse(prompt, messages)
        return _json(named, f"/model/{quote(str(call.pop('modelId')), safe='')}/converse", call)
    if named == "mistral":
        return _json(named, "/v1/chat/completions", mistral_chat(prompt, messages))
    return _chat(prompt, messages, named, pinned)


def has_request(prompt: Prompt) -> bool:
    """Returns False for a model that can be asked, and not by a request that is known here: its address is a customer's
    own, or it makes embeddings at a provider whose API for them is not known.
    """
    provider, name = provider_of(prompt.model)
    named = canonical(provider)
    return not (
        (named == "vertex" and not name.removeprefix("google/").startswith(_GEMINIS))
        or (named in _NO_EMBEDDINGS and is_embedding(prompt.model))
    )


def _chat(prompt: Prompt, messages: Messages, named: str, pinned: str) -> Request:
    endpoint = endpoint_of(named)
    call = litellm_completion(prompt, messages) if named == "litellm" else openai_chat(prompt, messages)
    if named != "litellm" and endpoint.full_names and named != pinned and prompt.model:
        call["model"] = prompt.model
    return _json(named, f"{endpoint.chat}/chat/completions", call)


def _responses(prompt: Prompt, messages: Messages, named: str) -> Request:
    return _json(named, f"{endpoint_of(named).chat}/responses", openai_responses(prompt, messages))


def _embeddings(prompt: Prompt, messages: Messages, named: str) -> Request:
    if named == "gemini":
        model = _gemini(prompt)
        method, body = gemini_embeddings(prompt, messages, model)
        return _json(named, f"/v1beta/{model}:{method}", body)
    if named in _NO_EMBEDDINGS:
        raise Invalid(f"{prompt.model} makes embeddings, for which {named} has no API that is known here")
    return _json(named, f"{endpoint_of(named).chat}/embeddings", openai_embeddings(prompt, messages))


def _vertex(prompt: Prompt, messages: Messages) -> Request:
    name = provider_of(prompt.model)[1].removeprefix("google/")
    if not name.startswith(_GEMINIS):
        raise Invalid(
            f"the address of {prompt.model} has a project and a region, which a prompt does not know",
            hint="A Claude: AnthropicVertex(…).messages.create(**prompt.to_anthropic(…)).",
        )
    at_google = replace(prompt, model=f"vertex/{name}")
    body = gemini_body(gemini_content(at_google, messages))
    return _json("vertex", f"/v1/publishers/google/models/{quote(name)}:generateContent", body)


def _gemini(prompt: Prompt) -> str:
    name = provider_of(prompt.model)[1]
    return quote(name if name.startswith(("models/", "tunedModels/")) else f"models/{name}")


def _json(provider: str, path: str, call: Mapping[str, Json]) -> Request:
    """Takes the arguments of a package, and puts what it has no argument for where it is sent."""
    more = call.get("extra_body", {})
    headers = call.get("extra_headers", {})
    assert isinstance(more, OBJECTS) and isinstance(headers, OBJECTS)
    body = {name: value for name, value in call.items() if name not in ("extra_body", "extra_headers")}
    version = {"anthropic-version": SAMPLING_VERSION} if provider == "anthropic" else {}
    own = {name: str(text) for name, text in headers.items()}
    return Request(url_path=path, headers={**JSON_HEADERS, **version, **own}, body={**body, **more}, provider=provider)
