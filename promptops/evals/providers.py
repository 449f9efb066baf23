"""Where a provider's API is, what goes over the wire, and how an answer is read.

References: chat completions of OpenAI, which most providers have, and messages of Anthropic; the addresses are those of
their documentation that :mod:`promptops.core.parameters` names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from promptops.core.advice import Sentence, option
from promptops.core.errors import Invalid
from promptops.core.escape import one_line
from promptops.core.model import Json
from promptops.core.parameters import SAMPLING_VERSION
from promptops.core.server_url import require_server_url
from promptops.core.suite.answer import ToolCall
from promptops.evals.request import Api, Request
from promptops.evals.response import Response

ADDRESSES: Final[Mapping[str, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "mistral": "https://api.mistral.ai/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "groq": "https://api.groq.com/openai/v1",
    "xai": "https://api.x.ai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
}
"""The address of each provider that needs none from the environment."""

_FINISHES: Final[Mapping[str, str]] = {
    "function_call": "tool_calls",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "model_length": "length",
    "tool_use": "tool_calls",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A provider's address, and the key for it. ``host`` is what evidence names."""

    url: str
    key: str
    host: str

    def target(self, api: Api) -> str:
        """Returns the URL that requests go to."""
        return f"{self.url}/v1/messages" if api is Api.MESSAGES else f"{self.url}/chat/completions"

    def headers(self, request: Request) -> dict[str, str]:
        """Returns the headers of a request, the key among them."""
        headers = {"content-type": "application/json", "accept": "application/json", **request.headers}
        if request.api is Api.MESSAGES:
            headers.setdefault("anthropic-version", SAMPLING_VERSION)
            return headers | ({"x-api-key": self.key} if self.key else {})
        return headers | ({"authorization": f"Bearer {self.key}"} if self.key else {})


def endpoint(provider: str, setting: Callable[[str], tuple[str, str]]) -> Endpoint:
    """Returns where a provider is. ``setting`` reads its address and key from the environment, empty if not set.

    Raises:
        Invalid: no address or no key is known, or the key would be sent unencrypted.
    """
    own, key = setting(provider)
    url = (own or ADDRESSES.get(provider, "")).rstrip("/")
    stem = variable(provider)
    if not url:
        raise Invalid(
            f"it is not known where the models of '{provider}' are",
            hint=f"Set {stem}_BASE_URL to the address of its API, which is OpenAI's: https://models.example/v1.",
        )
    require_server_url(url, allow_http=not key)
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if not key and not own:  # an address of one's own may need none
        raise Invalid(
            f"there is no key for {provider}, so nothing was asked",
            hint=Sentence(
                f"Set {stem}_API_KEY. Recorded answers need none: ", option("replay", "a replay", value="DIR"), "."
            ),
        )
    return Endpoint(url=url, key=key, host=host)


def variable(provider: str) -> str:
    """Returns how the names of a provider's variables begin: ``AZURE_OPENAI`` for ``azure-openai``."""
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in provider.upper())


def read_answer(api: Api, body: bytes) -> Response:
    """Reads the body of an answer with status 200.

    Raises:
        ValueError: it is not an answer of this API.
    """
    try:
        value = json.loads(body)
        return _messages(value) if api is Api.MESSAGES else _chat(value)
    except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not an answer of {api}: {type(error).__name__}") from error


def _chat(value: Mapping[str, Any]) -> Response:
    choice = value["choices"][0]
    message = choice["message"]
    calls = tuple(_chat_call(call) for call in message.get("tool_calls") or ())
    refusal = message.get("refusal")
    finish = str(choice.get("finish_reason") or "stop")
    usage = value.get("usage")
    return Response(
        text=str(refusal) if refusal else _text(message.get("content")),
        tool_calls=calls,
        finish="refusal" if refusal else _finish(finish, calls),
        input_tokens=_count(usage, "prompt_tokens"),
        output_tokens=_count(usage, "completion_tokens"),
        served_model=_word(value.get("model")),
        fingerprint=_word(value.get("system_fingerprint")),
    )


def _messages(value: Mapping[str, Any]) -> Response:
    content = value["content"]
    if not isinstance(content, list):
        raise TypeError("content")
    calls = tuple(
        ToolCall(name=str(part["name"]), arguments=part["input"]) for part in content if part["type"] == "tool_use"
    )
    usage = value.get("usage")
    return Response(
        text="".join(str(part["text"]) for part in content if part["type"] == "text"),
        tool_calls=calls,
        finish=_finish(str(value.get("stop_reason") or "stop"), calls),
        input_tokens=_count(usage, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
        output_tokens=_count(usage, "output_tokens"),
        served_model=_word(value.get("model")),
    )


def _chat_call(call: Mapping[str, Any]) -> ToolCall:
    custom = call.get("custom")
    if isinstance(custom, Mapping):
        return ToolCall(name=str(custom["name"]), arguments=str(custom.get("input", "")))
    function = call["function"]
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except ValueError:
        arguments = None
    return ToolCall(name=str(function["name"]), arguments=arguments)


def _text(content: Json) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, Sequence):
        raise TypeError("content")
    return "".join(str(part["text"]) for part in content if isinstance(part, Mapping) and part.get("type") == "text")


def _finish(finish: str, calls: Sequence[ToolCall]) -> str:
    finish = _FINISHES.get(finish, finish)
    return "tool_calls" if calls and finish == "stop" else finish


def _count(usage: Json, *names: str) -> int | None:
    """Returns the sum of these numbers of tokens; None where the first is missing: unknown is not 0."""
    if not isinstance(usage, Mapping) or type(usage.get(names[0])) is not int:
        return None
    numbers = [usage.get(name) for name in names]
    return sum(number for number in numbers if type(number) is int and number >= 0)


def _word(value: Json) -> str:
    return one_line(value, 200) if isinstance(value, str) else ""
