"""A prompt as the arguments of ``litellm.completion``: those of chat completions, with the full name of the model.

LiteLLM finds the provider by the first part of the name, and has its own words for some: its table is at
https://docs.litellm.ai/docs/providers. It translates OpenAI's fields for each provider, and sends every other argument
along as the provider's own: https://docs.litellm.ai/docs/completion/provider_specific_params.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.cache_marks import (
    CONTROL,
    has_marks,
    mark,
    require_few_marks,
    takes_cache_points,
    takes_marked_tools,
    with_marks,
    without_marks,
)
from promptops.core.json_value import OBJECTS, Json
from promptops.core.message import Role
from promptops.core.model import Prompt
from promptops.core.parameters import ANTHROPIC, EXTRA, Api, provider_of
from promptops.core.provider_arguments import openai_chat
from promptops.core.requests.endpoints import ENDPOINTS, canonical
from promptops.core.requests.mapping import Messages
from promptops.core.tools import CUSTOM, FUNCTION, to_tool

_WORDS: Final = {"fireworks": "fireworks_ai", "together": "together_ai", "vertex": "vertex_ai"}
"""What LiteLLM calls a provider that has another name here."""


def litellm_model(model: str) -> str:
    """Returns LiteLLM's name of a model: ``gemini/gemini-3-pro`` for ``google/gemini-3-pro``."""
    provider, name = provider_of(model)
    known = canonical(provider)
    word = _WORDS.get(known, known if known in ENDPOINTS else provider)
    return f"{word}/{name}" if provider else name


def litellm_completion(prompt: Prompt, messages: Messages) -> dict[str, Json]:
    """Returns the arguments of ``litellm.completion``. Fields of ``extra`` stay in ``extra_body``, where no argument of
    LiteLLM's own, such as the address of the provider, can be meant.

    Raises:
        ParameterNotTaken, Invalid: as :func:`openai_chat` does.
    """
    provider = provider_of(prompt.model)[0]
    call = openai_chat(prompt, messages)
    if prompt.model:
        call["model"] = litellm_model(prompt.model)
    own = call.pop("extra_body", {})
    assert isinstance(own, OBJECTS)
    extra = prompt.parameters.get(EXTRA)
    beside = {name: value for name, value in own.items() if isinstance(extra, OBJECTS) and name in extra}
    call |= {name: value for name, value in own.items() if name not in beside}
    if beside:
        call["extra_body"] = beside
    betas = call.pop("betas", None)
    if isinstance(betas, list):
        call["extra_headers"] = {"anthropic-beta": ",".join(map(str, betas))}
    if provider in ANTHROPIC and prompt.tools:
        call["tools"] = [
            to_tool(Api.COMPATIBLE if tool.type in (FUNCTION, CUSTOM) else Api.ANTHROPIC, tool) for tool in prompt.tools
        ]
    if provider in ANTHROPIC or takes_cache_points(prompt.model):
        _put_marks(call, prompt, messages)
    return call


def _put_marks(call: dict[str, Json], prompt: Prompt, messages: Messages) -> None:
    """Puts cache marks beside tools and parts of messages, as LiteLLM hands them on to Anthropic and Bedrock:
    https://docs.litellm.ai/docs/completion/prompt_caching. The answer of a tool has its mark itself.
    """
    require_few_marks(prompt)
    if any(tool.cache for tool in prompt.tools) and takes_marked_tools(prompt.model):
        tools: Any = call["tools"]
        call["tools"] = [
            {**entry, **mark(CONTROL)} if tool.cache else entry for entry, tool in zip(tools, prompt.tools, strict=True)
        ]
    if not has_marks(messages):
        return
    made: Any = call["messages"]
    marked = with_marks(CONTROL, made, messages)
    call["messages"] = [_whole(message) if message["role"] == Role.TOOL else dict(message) for message in marked]


def _whole(answer: Mapping[str, Any]) -> dict[str, Any]:
    content, marked = without_marks(answer["content"])
    return {**answer, "content": content, **marked}
