"""A request to a provider: exactly what a client builds, as bytes to send, and its digest.

Two requests with one digest are the same bytes to the same provider. The key and the address are not part of it: a
recording made with one key answers for another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptops.core.answers.reading import Api
from promptops.core.digest import canonical, digest
from promptops.core.errors import Invalid
from promptops.core.model import Json, Prompt
from promptops.core.parameters import ANTHROPIC, provider_of
from promptops.core.provider_arguments import anthropic_messages, openai_chat

Messages = Sequence[Mapping[str, Any]]

_LIMIT = 32 << 20  # bytes of one request: with an image of the most bytes that a variable may have
_DEFAULT_PROVIDER = "openai"  # of a model without a provider, as for the client


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request: ``provider`` in lower case, the body as JSON, and headers beside those of every request.

    ``api`` is that of messages for Anthropic and chat completions for others, which most providers have.
    """

    provider: str
    model: str
    api: Api
    body: bytes
    digest: str
    headers: Mapping[str, str] = field(default_factory=dict)


def request_of(prompt: Prompt, messages: Messages) -> Request:
    """Returns the request of a rendered prompt, as ``to_openai`` or ``to_anthropic`` of the client builds it.

    Raises:
        Invalid: the prompt leaves the model to the application, or the provider takes no such request.
    """
    if not prompt.model:
        raise Invalid(
            f"prompt '{prompt.name}' leaves the model to the application, so no model can be asked",
            hint="Give it a model of `models:` in app.yml. A prompt whose application chooses cannot be evaluated.",
        )
    provider, model = provider_of(prompt.model)
    provider = provider or _DEFAULT_PROVIDER
    api = Api.MESSAGES if provider in ANTHROPIC else Api.CHAT
    call = anthropic_messages(prompt, messages) if api is Api.MESSAGES else openai_chat(prompt, messages)
    headers = call.pop("extra_headers", None) or {}
    more = call.pop("extra_body", None) or {}
    assert isinstance(headers, Mapping) and isinstance(more, Mapping)
    return _request(provider, model, api, {**call, **more}, {str(name): str(text) for name, text in headers.items()})


def _request(provider: str, model: str, api: Api, body: Mapping[str, Json], headers: Mapping[str, str]) -> Request:
    asked = canonical({"provider": provider, "api": api.value, "body": body, "headers": headers}, limit=_LIMIT)
    return Request(
        provider=provider,
        model=model,
        api=api,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        headers=headers,
        digest=digest(asked),
    )
