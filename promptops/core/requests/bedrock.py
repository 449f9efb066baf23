"""A prompt as a request to Amazon Bedrock: the arguments of ``converse`` of boto3's client ``bedrock-runtime``.

Reference: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, and the service model of
botocore 1.44. The body over HTTP is the same without ``modelId``, which is in the path; there, bytes are base64.

Fields that Converse does not have and a model does go into ``additionalModelRequestFields``:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from promptops.core.cache_marks import (
    CONTROL,
    require_few_marks,
    stretches,
    takes_cache_points,
    takes_marked_tools,
    with_marks,
    without_marks,
)
from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.json_value import Json
from promptops.core.model import Prompt, ResponseFormat, Role, Tool
from promptops.core.parameters import SAMPLING, Api, chosen_tool, provider_of, takes_sampling
from promptops.core.part_forms import text_of, to_parts
from promptops.core.provider_arguments import below, envelope
from promptops.core.requests.mapping import Messages, arguments_of, as_list, mapped, one_of, require_spoken
from promptops.core.system_places import split_system
from promptops.core.template.values import plain
from promptops.core.tools import FUNCTION

MORE: Final = "additionalModelRequestFields"
FIELDS: Final[Mapping[str, str]] = {
    "maxTokens": "inferenceConfig.maxTokens",
    "maxCompletionTokens": "inferenceConfig.maxTokens",
    "maxOutputTokens": "inferenceConfig.maxTokens",
    "temperature": "inferenceConfig.temperature",
    "topP": "inferenceConfig.topP",
    "stop": "inferenceConfig.stopSequences",
    "stopSequences": "inferenceConfig.stopSequences",
    "reasoningEffort": "outputConfig.effort",
    "toolChoice": "toolConfig.toolChoice",
    "serviceTier": "serviceTier.type",
    "metadata": "requestMetadata",
    "extra": MORE,
}
_OF_FAMILY: Final[Mapping[str, Mapping[str, str]]] = {
    "anthropic": {"topK": f"{MORE}.top_k", "thinking": f"{MORE}.thinking", "betas": f"{MORE}.anthropic_beta"},
    "amazon": {"topK": f"{MORE}.inferenceConfig.topK"},
    "mistral": {"topK": f"{MORE}.top_k"},
}
_FAMILY: Final = re.compile(r"(?:[a-z-]{2,8}\.)?(anthropic|amazon|mistral)\.")
_TIERS: Final = {"auto": None, **{tier: tier for tier in ("default", "flex", "priority", "reserved")}}
_EFFORTS: Final = {effort: effort for effort in ("low", "medium", "high", "xhigh", "max")}
_CHOICES: Final[Mapping[str, Json]] = {"auto": {"auto": {}}, "required": {"any": {}}}
_BLANK: Final[list[Json]] = [{"text": ""}]
"""What parts without a character are: the same as a text without one."""


def bedrock_converse(prompt: Prompt, messages: Messages) -> dict[str, Json]:
    """Returns the arguments of ``converse``.

    Raises:
        ParameterNotTaken, Invalid: Converse does not take a parameter, a tool or a message, or not for this model.
    """
    model = provider_of(prompt.model)[1]
    if takes_cache_points(model):
        require_few_marks(prompt)
        messages = with_marks(CONTROL, messages)
    system, spoken = split_system(messages, model)
    require_spoken(spoken, prompt, Api.BEDROCK)
    call: dict[str, Json] = {"modelId": model} if model else {}
    call |= mapped(
        Api.BEDROCK,
        prompt.parameters,
        fields_of(model),
        lambda name, value: _value(prompt, name, value),
    )
    if system:
        call["system"] = [block for message in system for block in _system(message)]
    call["messages"] = _turns(spoken)
    _put_tools(call, prompt, spoken)
    if prompt.response_format is ResponseFormat.JSON_SCHEMA:
        below(call, "outputConfig")["textFormat"] = _text_format(prompt)
    elif prompt.response_format is ResponseFormat.JSON_OBJECT:
        hint = "Use `responseFormat: json_schema` with a `jsonSchema`."
        raise ParameterNotTaken(f"responseFormat: {prompt.response_format}", Api.BEDROCK, hint=hint)
    return call


def fields_of(model: str) -> Mapping[str, str]:
    """Returns the fields of parameters for a model, by its name at Bedrock."""
    found = _FAMILY.match(model)
    return {**FIELDS, **_OF_FAMILY.get(found[1] if found else "", {})}


def _system(message: Mapping[str, Any]) -> list[Json]:
    text_of(message["content"], Api.BEDROCK)  # which refuses what is no text
    blocks: list[Json] = []
    for text, is_marked in stretches(message["content"]):
        blocks.append({"text": text})
        if is_marked:
            blocks.append(_point())
    return blocks


def _point() -> dict[str, Json]:
    return {"cachePoint": {"type": "default"}}


def _turns(messages: Messages) -> list[Json]:
    """Messages of one side in a row are one turn, since turns have to alternate."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        role = "user" if message["role"] == Role.TOOL else message["role"]
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += _blocks(message)
    return list(turns)


def _blocks(message: Mapping[str, Any]) -> list[Json]:
    calls = message.get("tool_calls", ())
    if message["role"] == Role.TOOL:
        content, marked = without_marks(message["content"])
        answer: Json = {
            "toolResult": {"toolUseId": message["tool_call_id"], "content": _parts(content, Role.TOOL) or _BLANK}
        }
        return [answer, _point()] if marked else [answer]
    blocks = _parts(message["content"], message["role"]) if message["content"] or not calls else []
    if not blocks and not calls:
        return _BLANK
    for call in calls:
        use: Json = {"toolUseId": call["id"], "name": call["function"]["name"], "input": arguments_of(call)}
        blocks.append({"toolUse": use})
        if CONTROL in call:
            blocks.append(_point())
    return blocks


def _parts(content: str | Sequence[Mapping[str, Any]], role: str) -> list[Json]:
    if isinstance(content, str):
        return [{"text": content}]
    blocks: list[Json] = []
    for part in content:
        made = to_parts(Api.BEDROCK, [part], role)
        blocks += [*made, _point()] if made and CONTROL in part else made
    return blocks


def _value(prompt: Prompt, name: str, value: Json) -> Json:
    if name in SAMPLING and not takes_sampling(prompt.model, name, prompt.own_facts):
        hint = "Claude takes it up to version 4.6, and no more since. Remove it."
        raise ParameterNotTaken(name, Api.BEDROCK, hint=hint)
    if name == "temperature" and isinstance(value, int | float) and value > 1:
        raise ParameterNotTaken(f"{name}: {value:g}", Api.BEDROCK, hint="It takes 0 to 1.")
    if name == "toolChoice":
        kind, tool = chosen_tool(value)
        return {"tool": {"name": tool}} if kind == "function" else one_of(Api.BEDROCK, name, kind, _CHOICES)
    if name == "serviceTier":
        return one_of(Api.BEDROCK, name, value, _TIERS)
    if name == "reasoningEffort":
        return one_of(Api.BEDROCK, name, value, _EFFORTS)
    return as_list(value) if name in ("stop", "stopSequences", "betas") else value


def _put_tools(call: dict[str, Json], prompt: Prompt, spoken: Messages) -> None:
    if prompt.tools:
        takes_points = takes_cache_points(prompt.model) and takes_marked_tools(prompt.model)
        entries: list[Json] = []
        for tool in prompt.tools:
            entries += [_tool(tool), _point()] if tool.cache and takes_points else [_tool(tool)]
        below(call, "toolConfig")["tools"] = entries
        return
    if "toolConfig" in call:
        raise ParameterNotTaken("toolChoice", Api.BEDROCK, hint="The prompt has no tools. Remove it.")
    if any(message.get("tool_calls") or message["role"] == Role.TOOL for message in spoken):
        raise Invalid(
            f"messages of prompt '{prompt.name}' call tools, and {Api.BEDROCK} needs the tools too",
            hint="Add them to `tools`.",
        )


def _tool(tool: Tool) -> Json:
    if tool.type != FUNCTION:
        raise Invalid(
            f"the tool '{tool.name}' of type '{tool.type}' cannot be sent to {Api.BEDROCK}",
            hint="It takes functions. A tool of the model's provider goes into `extra`.",
        )
    described: dict[str, Json] = {"description": tool.description} if tool.description else {}
    strict: dict[str, Json] = {} if tool.strict is None else {"strict": tool.strict}
    return {"toolSpec": {"name": tool.name, **described, "inputSchema": {"json": plain(tool.parameters)}, **strict}}


def _text_format(prompt: Prompt) -> Json:
    """The schema of the answer, which is a text here."""
    parts = envelope(prompt)
    named: dict[str, Json] = {name: parts[name] for name in ("name", "description") if name in parts}
    schema = json.dumps(parts["schema"], ensure_ascii=False)
    return {"type": "json_schema", "structure": {"jsonSchema": {**named, "schema": schema}}}
