"""A prompt as a request to Gemini: the arguments of ``generate_content`` of the package google-genai, and the same as
JSON for ``models/…:generateContent``.

Reference: https://ai.google.dev/api/generate-content, with version v1beta of the API as there: it has the models in
preview too. The package's types are those of google-genai 3.6. What a field
of the API means is there: how thinking is set, at https://ai.google.dev/gemini-api/docs/thinking; which function is
called, at https://ai.google.dev/gemini-api/docs/function-calling.

Gemini has one system instruction for a whole conversation, so system messages are joined to one, wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from promptops.core.errors import Invalid, ParameterNotTaken
from promptops.core.json_value import LISTS, OBJECTS, Json
from promptops.core.model import Prompt, ResponseFormat, Role, Tool
from promptops.core.parameters import Api, chosen_tool, provider_of
from promptops.core.part_forms import text_of, to_parts
from promptops.core.provider_arguments import envelope, require_own
from promptops.core.requests.mapping import (
    Messages,
    arguments_of,
    as_list,
    mapped,
    one_of,
    require_spoken,
    tool_names,
)
from promptops.core.system_places import SYSTEM
from promptops.core.template.values import plain
from promptops.core.tools import FUNCTION

FIELDS: Final[Mapping[str, str]] = {
    "maxTokens": "max_output_tokens",
    "maxCompletionTokens": "max_output_tokens",
    "maxOutputTokens": "max_output_tokens",
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "frequencyPenalty": "frequency_penalty",
    "presencePenalty": "presence_penalty",
    "stop": "stop_sequences",
    "stopSequences": "stop_sequences",
    "seed": "seed",
    "n": "candidate_count",
    "candidateCount": "candidate_count",
    "reasoningEffort": "thinking_config.thinking_level",
    "thinking": "thinking_config",
    "thinkingBudget": "thinking_config.thinking_budget",
    "logprobs": "response_logprobs",
    "topLogprobs": "logprobs",
    "toolChoice": "tool_config.function_calling_config",
    "serviceTier": "service_tier",
    "store": "store",
    "extra": "http_options.extra_body",
}
OUTSIDE: Final = ("system_instruction", "tools", "tool_config", "service_tier", "store")
"""What of the package's ``config`` stands beside ``generationConfig`` in the body."""
_OPAQUE: Final = frozenset(("args", "response", "parameters_json_schema", "response_json_schema"))
"""Fields whose values are the prompt's own JSON: their keys are no names of Google's."""
_LEVELS: Final = {level: level.upper() for level in ("minimal", "low", "medium", "high", "xhigh")}
_TIERS: Final = {"auto": None, "default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}
_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_WITH_BUDGETS: Final = re.compile(r"gemini-(?:1|2)[.-]")
_OWN_TOOLS: Final = frozenset(
    (
        *("google_search", "google_maps", "google_search_retrieval", "code_execution", "url_context", "file_search"),
        *("computer_use", "retrieval", "enterprise_web_search"),
    )
)


def gemini_content(prompt: Prompt, messages: Messages) -> dict[str, Json]:
    """Returns the arguments of ``client.models.generate_content``.

    Raises:
        ParameterNotTaken, Invalid: Gemini does not take a parameter, a tool or a message.
    """
    system = [message for message in messages if message["role"] in SYSTEM]
    spoken = [message for message in messages if message["role"] not in SYSTEM]
    require_spoken(spoken, prompt, Api.GEMINI)
    config = mapped(Api.GEMINI, prompt.parameters, FIELDS, lambda name, value: _value(prompt, name, value))
    if system:
        joined = "\n\n".join(text_of(message["content"], Api.GEMINI) for message in system)
        config["system_instruction"] = {"parts": [{"text": joined}]}
    if prompt.tools:
        config["tools"] = _tools(prompt.tools)
        _hold_to_schemas(config, prompt.tools)
    if prompt.response_format is not ResponseFormat.TEXT:
        config["response_mime_type"] = "application/json"
    if prompt.response_format is ResponseFormat.JSON_SCHEMA:
        config["response_json_schema"] = envelope(prompt)["schema"]
    model: dict[str, Json] = {"model": provider_of(prompt.model)[1]} if prompt.model else {}
    said: dict[str, Json] = {"model": (), "contents": (), **{name: () for name in OUTSIDE if name in config}}
    require_own(Api.GEMINI, prompt, {**said, **_camelled(said)})
    call: dict[str, Json] = {**model, "contents": _contents(spoken)}
    return call | {"config": config} if config else call


def gemini_body(call: Mapping[str, Json]) -> dict[str, Json]:
    """Returns the body of ``:generateContent`` for the arguments of :func:`gemini_content`."""
    config = call.get("config", {})
    assert isinstance(config, OBJECTS)
    options = config.get("http_options", {})
    extra = options.get("extra_body", {}) if isinstance(options, OBJECTS) else {}
    assert isinstance(extra, OBJECTS)
    outside = {name: config[name] for name in OUTSIDE if name in config}
    inside = {name: value for name, value in config.items() if name not in outside and name != "http_options"}
    generation = {"generation_config": inside} if inside else {}
    body = _camel({"contents": call["contents"], **outside, **generation})
    assert isinstance(body, dict)
    return _merged(body, extra)


def _merged(body: Mapping[str, Json], extra: Mapping[str, Json]) -> dict[str, Json]:
    """Puts extra fields into a body as the package does: mappings are merged, whatever is in them."""
    merged = dict(body)
    for name, value in extra.items():
        there = merged.get(name)
        if isinstance(there, OBJECTS) and isinstance(value, OBJECTS):
            merged[name] = _merged(there, value)
        else:
            merged[name] = plain(value)
    return merged


def _contents(messages: Messages) -> list[Json]:
    """Answers of tools in a row are parts of one turn of the user, as Gemini wants those of parallel calls."""
    names = tool_names(messages)
    contents: list[Json] = []
    results: list[Json] = []
    for message in messages:
        if message["role"] == Role.TOOL:
            if not results:
                contents.append({"role": "user", "parts": results})
            results.append(_result(message, names))
            continue
        results = []
        role = "model" if message["role"] == Role.ASSISTANT else "user"
        contents.append({"role": role, "parts": _parts(message)})
    return contents


def _parts(message: Mapping[str, Any]) -> list[Json]:
    calls = message.get("tool_calls", ())
    content = message["content"]
    parts = to_parts(Api.GEMINI, content, message["role"]) if content or not calls else []
    return parts + [
        {"function_call": {"id": call["id"], "name": call["function"]["name"], "args": arguments_of(call)}}
        for call in calls
    ]


def _result(message: Mapping[str, Any], names: Mapping[str, str]) -> Json:
    call_id = message["tool_call_id"]
    if call_id not in names:
        raise Invalid(
            f"a message of role 'tool' answers the call '{call_id[:80]}', which no message before makes",
            hint="Gemini needs the name of the tool, which is in the call.",
        )
    output: Json = {"output": text_of(message["content"], Api.GEMINI)}
    return {"function_response": {"id": call_id, "name": names[call_id], "response": output}}


def _value(prompt: Prompt, name: str, value: Json) -> Json:
    if name in ("stop", "stopSequences"):
        return as_list(value)
    if name == "toolChoice":
        return _tool_choice(value)
    if name == "serviceTier":
        return one_of(Api.GEMINI, name, value, _TIERS)
    if name == "reasoningEffort":
        if _WITH_BUDGETS.match(provider_of(prompt.model)[1]):
            hint = "Gemini 2.5 takes a number of tokens: `thinkingBudget`."
            raise ParameterNotTaken(f"{name} of {prompt.model}", Api.GEMINI, hint=hint)
        return one_of(Api.GEMINI, name, value, _LEVELS)
    return _thinking(value) if name == "thinking" else value


def _thinking(value: Json) -> Json:
    """Claude's ``{type: enabled, budget_tokens}``, ``disabled``, ``adaptive`` as a budget; Gemini's own as they are."""
    kind = value.get("type") if isinstance(value, OBJECTS) else None
    if not isinstance(value, OBJECTS) or kind is None:
        return value
    if kind == "enabled" and "budget_tokens" in value:
        return {"thinking_budget": value["budget_tokens"]}
    return {"thinking_budget": one_of(Api.GEMINI, "thinking", kind, {"disabled": 0, "adaptive": -1})}


def _tool_choice(value: Json) -> Json:
    kind, name = chosen_tool(value)
    if kind == "function":
        return {"mode": "ANY", "allowed_function_names": [name]}
    return {"mode": one_of(Api.GEMINI, "toolChoice", kind, _MODES)}


def _tools(tools: tuple[Tool, ...]) -> list[Json]:
    functions: list[Json] = []
    others: list[Json] = []
    for tool in tools:
        if tool.type == FUNCTION:
            described: dict[str, Json] = {"description": tool.description} if tool.description else {}
            functions.append({"name": tool.name, **described, "parameters_json_schema": plain(tool.parameters)})
        elif (kind := re.sub(r"(?<!^)([A-Z])", r"_\1", tool.type).lower()) in _OWN_TOOLS:
            others.append({kind: plain(tool.settings)})
        else:
            raise Invalid(
                f"the tool '{tool.name}' of type '{tool.type}' cannot be sent to {Api.GEMINI}",
                hint=f"Its own tools are {', '.join(sorted(_OWN_TOOLS))}.",
            )
    return ([{"function_declarations": functions}] if functions else []) + others


def _hold_to_schemas(config: dict[str, Json], tools: tuple[Tool, ...]) -> None:
    """A strict tool: Gemini holds a model that may choose to the schemas of all tools, or to those of none."""
    if not any(tool.strict for tool in tools):
        return
    chosen = config.setdefault("tool_config", {"function_calling_config": {"mode": "AUTO"}})
    inner = chosen.get("function_calling_config") if isinstance(chosen, OBJECTS) else None
    if isinstance(inner, dict) and inner.get("mode") == "AUTO":
        inner["mode"] = "VALIDATED"


def _camelled(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): value for name, value in fields.items()}


def _camel(value: Json) -> Json:
    """The same with Google's names in the spelling of JSON."""
    if isinstance(value, LISTS):
        return [_camel(item) for item in value]
    if not isinstance(value, OBJECTS):
        return value
    return _camelled({name: item if name in _OPAQUE else _camel(item) for name, item in value.items()})
