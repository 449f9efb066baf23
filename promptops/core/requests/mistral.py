"""A prompt as a request to Mistral: the arguments of ``client.chat.complete`` of the package mistralai, which are the
body of ``/v1/chat/completions`` too.

Reference: https://docs.mistral.ai/api/endpoint/chat, and the types of mistralai 3.7. It is OpenAI's form with other
names: there is no role developer, a seed is ``random_seed``, and an answer goes on from a last message of the assistant
that is a ``prefix``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.errors import Invalid
from promptops.core.json_value import OBJECTS, Json
from promptops.core.model import Prompt, ResponseFormat, Role, Tool
from promptops.core.parameters import EXTRA, Api, chosen_tool, provider_of, require_apart
from promptops.core.part_forms import to_parts
from promptops.core.provider_arguments import envelope
from promptops.core.requests.mapping import Messages, mapped, one_of, require_spoken
from promptops.core.system_places import SYSTEM
from promptops.core.tools import FUNCTION, to_tool

FIELDS: Final[Mapping[str, str]] = {
    "maxTokens": "max_tokens",
    "maxCompletionTokens": "max_tokens",
    "maxOutputTokens": "max_tokens",
    "minTokens": "min_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "repetitionPenalty": "repetition_penalty",
    "stop": "stop",
    "stopSequences": "stop",
    "seed": "random_seed",
    "n": "n",
    "reasoningEffort": "reasoning_effort",
    "logprobs": "logprobs",
    "topLogprobs": "top_logprobs",
    "parallelToolCalls": "parallel_tool_calls",
    "toolChoice": "tool_choice",
    "serviceTier": "service_tier",
    "safePrompt": "safe_prompt",
    "prediction": "prediction",
    "metadata": "metadata",
    "promptCacheKey": "prompt_cache_key",
}
_TOOLS: Final = (FUNCTION, "connector", "document_library", "image_generation")
_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any"}


def mistral_chat(prompt: Prompt, messages: Messages) -> dict[str, Json]:
    """Returns the arguments of ``client.chat.complete``.

    Raises:
        ParameterNotTaken, Invalid: Mistral does not take a parameter, a tool or a message.
    """
    require_spoken([message for message in messages if message["role"] not in SYSTEM], prompt, Api.MISTRAL)
    call: dict[str, Json] = {"model": provider_of(prompt.model)[1]} if prompt.model else {}
    call["messages"] = [_message(message, is_last=message is messages[-1]) for message in messages]
    parameters = {name: value for name, value in prompt.parameters.items() if name != EXTRA}
    call |= mapped(Api.MISTRAL, parameters, FIELDS, _value)
    if prompt.tools:
        call["tools"] = [_tool(tool) for tool in prompt.tools]
    if prompt.response_format is ResponseFormat.JSON_SCHEMA:
        call["response_format"] = {"type": "json_schema", "json_schema": envelope(prompt)}
    elif prompt.response_format is ResponseFormat.JSON_OBJECT:
        call["response_format"] = {"type": "json_object"}
    extra = prompt.parameters.get(EXTRA)
    require_apart(Api.MISTRAL, call, prompt.parameters)
    return {**call, **extra} if isinstance(extra, OBJECTS) else call


def _message(message: Mapping[str, Any], *, is_last: bool) -> Json:
    own = {key: value for key, value in message.items() if key != "name"}
    if not isinstance(message["content"], str):
        own["content"] = to_parts(Api.MISTRAL, message["content"], message["role"])
    if message["role"] in SYSTEM:
        own["role"] = Role.SYSTEM.value
    return {**own, "prefix": True} if is_last and message["role"] == Role.ASSISTANT else own


def _tool(tool: Tool) -> Json:
    if tool.type not in _TOOLS:
        raise Invalid(
            f"the tool '{tool.name}' of type '{tool.type}' cannot be sent to {Api.MISTRAL}",
            hint=f"They take {', '.join(_TOOLS)}.",
        )
    return to_tool(Api.COMPATIBLE, tool)


def _value(name: str, value: Json) -> Json:
    if name == "serviceTier":
        return one_of(Api.MISTRAL, name, value, _TIERS)
    if name != "toolChoice":
        return value
    kind, tool = chosen_tool(value)
    if kind == "function":
        return {"type": kind, "function": {"name": tool}}
    return one_of(Api.MISTRAL, name, kind, _CHOICES)
