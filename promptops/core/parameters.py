"""A parameter of a GitHub Models file -> the field of a provider's API that takes it. One table.

Fields are those of the current references and of the Python packages openai 3 and anthropic 2:

- chat completions: https://developers.openai.com/api/reference/resources/chat/subresources/completions/methods/create
- responses: https://developers.openai.com/api/reference/resources/responses/methods/create
- messages: https://platform.claude.com/docs/en/api/messages/create

What an API has no field for is refused, never dropped: when the release is made where the model names its provider, and
otherwise by the call. Three things are not one name for another:

``max_tokens`` of chat completions is deprecated for ``max_completion_tokens``, and the reasoning models refuse it, so
every cap on tokens is ``max_completion_tokens`` at OpenAI. Other providers behind the same API (Mistral, DeepSeek, most
that are hosted at home) know the older name only, so theirs is ``max_tokens``, and what the package has no argument for
goes into its ``extra_body``.

Claude takes ``temperature``, ``top_p`` and ``top_k`` up to version 4.6, in version 2023-06-01 of the API. The package
has no arguments for them any more and takes ``extra_body`` instead
(https://github.com/anthropics/anthropic-sdk-python/blob/main/MIGRATION.md); since its version 2 it speaks to a newer
version of the API, which refuses them, unless the header says otherwise. Both go into the call, and older packages take
it as well. For a later Claude they are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.model import LISTS, Json, OwnFacts, ResponseFormat
from promptops.core.template.values import plain

OPENAI = frozenset({"openai", "azure", "azure-openai", "azure_openai"})
"""Providers that have OpenAI's API and models."""

ANTHROPIC = frozenset({"anthropic"})


class Api(StrEnum):
    """An API that a prompt can be sent to, by the name that errors call it."""

    OPENAI_CHAT = "OpenAI chat completions"
    COMPATIBLE = "OpenAI-compatible chat completions"
    OPENAI_RESPONSES = "OpenAI responses"
    ANTHROPIC = "Anthropic messages"
    GEMINI = "Gemini"
    BEDROCK = "Bedrock Converse"
    MISTRAL = "Mistral chat completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Where each API takes a parameter: a field, or a path of fields with dots; empty where it has none."""

    chat: str = ""
    responses: str = ""
    anthropic: str = ""


_CAP = Fields(chat="max_completion_tokens", responses="max_output_tokens", anthropic="max_tokens")
_STOP = Fields(chat="stop", anthropic="stop_sequences")
_NONE = Fields()

TABLE: Mapping[str, Fields] = {
    "maxTokens": _CAP,
    "maxCompletionTokens": _CAP,
    "maxOutputTokens": _CAP,
    "minTokens": _NONE,
    "temperature": Fields(chat="temperature", responses="temperature", anthropic="extra_body.temperature"),
    "topP": Fields(chat="top_p", responses="top_p", anthropic="extra_body.top_p"),
    "topK": Fields(anthropic="extra_body.top_k"),
    "minP": _NONE,
    "frequencyPenalty": Fields(chat="frequency_penalty"),
    "presencePenalty": Fields(chat="presence_penalty"),
    "repetitionPenalty": _NONE,
    "stop": _STOP,
    "stopSequences": _STOP,
    "seed": Fields(chat="seed"),
    "n": Fields(chat="n"),
    "candidateCount": _NONE,
    "reasoningEffort": Fields(chat="reasoning_effort", responses="reasoning.effort", anthropic="output_config.effort"),
    "verbosity": Fields(chat="verbosity", responses="text.verbosity"),
    "thinking": Fields(anthropic="thinking"),
    "thinkingBudget": _NONE,
    "logprobs": Fields(chat="logprobs", responses="include"),
    "topLogprobs": Fields(chat="top_logprobs", responses="top_logprobs"),
    "logitBias": Fields(chat="logit_bias"),
    "parallelToolCalls": Fields(
        chat="parallel_tool_calls",
        responses="parallel_tool_calls",
        anthropic="tool_choice.disable_parallel_tool_use",
    ),
    "toolChoice": Fields(chat="tool_choice", responses="tool_choice", anthropic="tool_choice"),
    "serviceTier": Fields(chat="service_tier", responses="service_tier", anthropic="service_tier"),
    "user": Fields(chat="user", responses="user", anthropic="metadata.user_id"),
    "safePrompt": _NONE,
    "prediction": Fields(chat="prediction"),
    "metadata": Fields(chat="metadata", responses="metadata"),
    "store": Fields(chat="store", responses="store"),
    "safetyIdentifier": Fields(chat="safety_identifier", responses="safety_identifier"),
    "promptCacheKey": Fields(chat="prompt_cache_key", responses="prompt_cache_key"),
    "reasoningSummary": Fields(responses="reasoning.summary"),
    "container": Fields(anthropic="container"),
    "speed": Fields(anthropic="speed"),
    "betas": Fields(anthropic="extra_headers.anthropic-beta"),
    "extra": Fields(chat="extra_body", responses="extra_body", anthropic="extra_body"),
}
"""Every parameter that a release can hold."""

EXTRA = "extra"
"""What goes into the body of the request as it is written: for what this table does not have."""

SAMPLING_VERSION = "2023-06-01"
"""The version of Anthropic's API that takes :data:`SAMPLING`."""

SAMPLING = frozenset({"temperature", "topP", "topK"})

_LAST_SAMPLED = (4, 6)
_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d+)(?:[-.](\d{1,2}))?(?!\d)", re.ASCII)
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def provider_of(model: str | None) -> tuple[str, str]:
    """Returns the provider in lower case, or an empty string, and the provider's own name of a model."""
    provider, slash, name = (model or "").partition("/")
    return (provider.lower(), name) if slash else ("", provider)


def apis_of(model: str | None) -> tuple[Api, ...]:
    """Returns the APIs of a model's provider, chat completions last; none if it is neither OpenAI nor Anthropic."""
    provider, _ = provider_of(model)
    if provider in ANTHROPIC:
        return (Api.ANTHROPIC,)
    return (Api.OPENAI_RESPONSES, Api.OPENAI_CHAT) if provider in OPENAI else ()


def flaw_everywhere(model: str | None, make: Callable[[Api], object]) -> str:
    """Returns why no API of the model's provider takes what ``make`` makes; empty if one does, or the provider is
    neither OpenAI nor Anthropic.
    """
    problem = ""
    for api in apis_of(model):
        try:
            make(api)
        except Invalid as error:
            problem = problem or error.message
        else:
            return ""
    return problem


def chat_api(model: str | None, parameters: Mapping[str, Json]) -> Api:
    """Whose chat completions a model answers. A model without a provider is OpenAI's, unless a parameter says no."""
    provider, _ = provider_of(model)
    if provider:
        return Api.OPENAI_CHAT if provider in OPENAI else Api.COMPATIBLE
    return Api.OPENAI_CHAT if all(TABLE[name].chat for name in parameters if name in TABLE) else Api.COMPATIBLE


def to_call(
    api: Api, parameters: Mapping[str, Json], *, model: str | None = None, own: OwnFacts | None = None
) -> dict[str, Json]:
    """The arguments of the API's ``create`` for these parameters; fresh values, the caller's to change.

    ``own`` is what the workspace says of the model.

    Raises:
        ParameterNotTaken: for a parameter, or a value of one, that the API does not take.
    """
    call: dict[str, Json] = {}
    for name, value in parameters.items():
        path = _path(api, name, model, own)
        if path is None:
            raise ParameterNotTaken(name, api, hint=_hint(api, name))
        taken = _value(api, name, plain(value))
        if taken is not None and not put(call, path, taken):
            raise ParameterNotTaken(name, api, hint=f"Another parameter already says {'.'.join(path)}. Keep one.")
    require_apart(api, call, parameters)
    if api is Api.ANTHROPIC:
        _settle(call, parameters)
    return call


def require_apart(api: Api, call: Mapping[str, Json], parameters: Mapping[str, Json]) -> None:
    """Refuses an extra field that another parameter says too: which of the two is sent would depend on the package.

    Raises:
        ParameterNotTaken: see above.
    """
    extra = parameters.get(EXTRA)
    for name in extra if isinstance(extra, Mapping) else ():
        if name in call:
            raise ParameterNotTaken(f"{EXTRA}: {name}", api, hint="Another parameter already says it. Keep one.")


def flaws(
    model: str | None, parameters: Mapping[str, Json], own: OwnFacts | None = None
) -> Iterator[ParameterNotTaken]:
    """What the provider of a model does not take; nothing for a provider that is neither OpenAI nor Anthropic.

    OpenAI takes what chat completions take: responses take less, which only the call can know.
    """
    apis = apis_of(model)
    if not apis or not parameters:
        return
    api = apis[-1]
    with suppress(ParameterNotTaken):  # most prompts have no flaw, and are through at once
        to_call(api, parameters, model=model, own=own)
        return
    taken: dict[str, Json] = {}
    for name, value in parameters.items():
        if api is Api.OPENAI_CHAT and _is_of_responses(name):
            continue
        try:
            to_call(api, {**taken, name: value}, model=model, own=own)
            taken[name] = value
        except ParameterNotTaken as flaw:
            yield flaw


def _is_of_responses(name: str) -> bool:
    """Whether OpenAI takes a parameter in its responses alone: a prompt that has it is sent there."""
    fields = TABLE.get(name, _NONE)
    return bool(fields.responses and not fields.chat)


def require_format(api: Api, response_format: ResponseFormat) -> None:
    """Checks that the API supports this shape of answer.

    Raises:
        ParameterNotTaken: JSON without a schema, of Anthropic.
    """
    if api is Api.ANTHROPIC and response_format is ResponseFormat.JSON_OBJECT:
        hint = "Use `responseFormat: json_schema` with a `jsonSchema`."
        raise ParameterNotTaken(f"responseFormat: {response_format}", api, hint=hint)


def _path(api: Api, name: str, model: str | None, own: OwnFacts | None = None) -> list[str] | None:
    fields = TABLE.get(name, _NONE)
    if name == EXTRA:
        return ["extra_body"]
    if api is Api.COMPATIBLE:
        return [name_of(name)] if fields.chat else ["extra_body", name_of(name)]
    if api is Api.ANTHROPIC and name in SAMPLING and not takes_sampling(model, name, own):
        return None
    paths = {Api.OPENAI_CHAT: fields.chat, Api.OPENAI_RESPONSES: fields.responses, Api.ANTHROPIC: fields.anthropic}
    path = paths.get(api, "")  # other APIs have tables of their own: core.requests
    return path.split(".") if path else None


def name_of(parameter: str) -> str:
    """A parameter in snake_case: ``maxTokens`` is ``max_tokens``."""
    return "stop" if parameter == "stopSequences" else re.sub(r"(?<!^)([A-Z])", r"_\1", parameter).lower()


def takes_sampling(model: str | None, name: str, own: OwnFacts | None) -> bool:
    """Returns False for a Claude without sampling parameters, unless the workspace says that it takes this one. Claude
    models without a version number are newer ones."""
    if own is not None and name in own.names("takes"):
        return True
    claude = provider_of(model)[1]
    version = claude_version(claude)
    return "claude-" not in claude if version is None else version <= _LAST_SAMPLED


def claude_version(model: str) -> tuple[int, int] | None:
    """Returns the version in the name of a Claude: (4, 6) for ``claude-opus-4-6``; None for any other name."""
    found = _CLAUDE.search(model)
    return None if found is None else (int(found[1]), int(found[2] or 0))


def _value(api: Api, name: str, value: Json) -> Json:
    """Returns the value in the API's own form; None if it is the API's default and is left out."""
    if name == "toolChoice":
        return _tool_choice(api, value)
    if name == "reasoningEffort" and api is not Api.COMPATIBLE:
        if api is Api.ANTHROPIC and value not in _EFFORTS:
            raise ParameterNotTaken(f"{name}: {value}", api, hint=f"It takes {', '.join(_EFFORTS)}.")
        if value == "default":
            raise ParameterNotTaken(f"{name}: {value}", api, hint="Leave it out: that is the model's default.")
    if api is Api.OPENAI_RESPONSES and name == "logprobs":
        return ["message.output_text.logprobs"] if value else None
    if api is not Api.ANTHROPIC:
        return value
    if name == "parallelToolCalls":
        return not value
    if name == "betas":
        return ",".join(map(str, value)) if isinstance(value, LISTS) else str(value)
    if name == "temperature" and isinstance(value, int | float) and value > 1:
        raise ParameterNotTaken(f"{name}: {value:g}", api, hint="It takes 0 to 1.")
    return [value] if name in ("stop", "stopSequences") and isinstance(value, str) else value


def chosen_tool(value: Json) -> tuple[Json, Json]:
    """Returns ``auto``, ``none``, ``required`` or ``function``, and the function's name: each API writes them in its
    own way, and all are read. Anything else is returned as it is.
    """
    kind = value.get("type") if isinstance(value, Mapping) else value
    function = value.get("function", value) if isinstance(value, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    kind = {"any": "required", "tool": "function"}.get(str(kind), kind)
    if isinstance(value, str) and kind not in ("auto", "none", "required"):
        kind, name = "function", value
    return kind, name


def _tool_choice(api: Api, value: Json) -> Json:
    kind, name = chosen_tool(value)
    if api is Api.COMPATIBLE or kind not in ("auto", "none", "required", "function"):
        return value
    if kind != "function":
        return {"type": "any" if kind == "required" else kind} if api is Api.ANTHROPIC else kind
    if api is Api.ANTHROPIC:
        return {"type": "tool", "name": name}
    return {"type": kind, "function": {"name": name}} if api is Api.OPENAI_CHAT else {"type": kind, "name": name}


def put(call: dict[str, Json], path: list[str], value: Json) -> bool:
    """Sets a value at a path. Returns False, and changes nothing, if the path has another value."""
    for step in path[:-1]:
        inner = call.setdefault(step, {})
        if not isinstance(inner, dict):
            return False
        call = inner
    last = path[-1]
    existing = call.get(last)
    if isinstance(existing, dict) and isinstance(value, dict) and not existing.keys() & value.keys():
        call[last] = {**existing, **value}
        return True
    if last in call and existing != value:
        return False
    call[last] = value
    return True


def _settle(call: dict[str, Json], parameters: Mapping[str, Json]) -> None:
    """Completes a call for Anthropic with the settings that its other settings require."""
    choice = call.get("tool_choice")
    if isinstance(choice, dict):
        choice.setdefault("type", "auto")
        if choice["type"] == "none":
            choice.pop("disable_parallel_tool_use", None)
    if SAMPLING & parameters.keys():
        put(call, ["extra_headers", "anthropic-version"], SAMPLING_VERSION)


def _hint(api: Api, name: str) -> str:
    if api is Api.ANTHROPIC and name in SAMPLING:
        return "Claude takes it up to version 4.6, and no more since. Remove it."
    typed = (Api.OPENAI_CHAT, Api.OPENAI_RESPONSES, Api.ANTHROPIC)
    others = [other for other in typed if other is not api and _path(other, name, None)]
    return f"Remove it; it is a parameter of {' and '.join(others)}." if others else "Remove it."
