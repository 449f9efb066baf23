"""Converts a tool of a prompt into the form that a provider's API takes.

References: the ``tools`` of the APIs that :mod:`promptops.core.parameters` names. A tool of the application has a name,
a description and a schema, under other keys in each API; a tool of the provider is sent as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from promptops.core.cache_marks import CONTROL, mark
from promptops.core.errors import Invalid
from promptops.core.model import Json, Tool
from promptops.core.parameters import Api, flaw_everywhere
from promptops.core.template.values import plain

FUNCTION, CUSTOM = "function", "custom"

_DATED = re.compile(r"\w+_20\d{6}|mcp_toolset|tool_search_tool_\w+")
_DATE = re.compile(r"_20\d{6}$")
_EDITOR_RENAMED = "20250429"
_NO_PARAMETERS = Tool(name="-").parameters


def to_tool(api: Api, tool: Tool) -> dict[str, Json]:
    """Returns the entry of ``tools`` for this API.

    Raises:
        Invalid: the API has no such tool.
    """
    return {
        Api.OPENAI_CHAT: _chat,
        Api.COMPATIBLE: _chat,
        Api.OPENAI_RESPONSES: _responses,
        Api.ANTHROPIC: _anthropic,
    }[api](api, tool)


def tool_flaw(model: str | None, tool: Tool) -> str:
    """Returns why no API of the model's provider has this tool; empty if one has it, or the provider is unknown."""
    return flaw_everywhere(model, lambda api: to_tool(api, tool))


def _chat(api: Api, tool: Tool) -> dict[str, Json]:
    if tool.type == FUNCTION:
        return {"type": FUNCTION, FUNCTION: {**_function(tool, "parameters"), **_strict(tool)}}
    if tool.type == CUSTOM:
        return {"type": CUSTOM, CUSTOM: _free(api, tool)}
    if api is Api.OPENAI_CHAT:
        raise Invalid(
            f"the tool '{tool.name}' of type '{tool.type}' cannot be sent to {api}",
            hint="The Responses API takes the provider's tools: to_openai_responses().",
        )
    return _settings(tool)


def _responses(api: Api, tool: Tool) -> dict[str, Json]:
    if tool.type == FUNCTION:
        # The schema is held to strictly unless this says no, which chat completions do the other way round.
        return {"type": FUNCTION, **_function(tool, "parameters"), "strict": bool(tool.strict)}
    return {"type": CUSTOM, **_free(api, tool)} if tool.type == CUSTOM else _settings(tool)


def _anthropic(api: Api, tool: Tool) -> dict[str, Json]:
    marked = mark(CONTROL) if tool.cache else {}
    if tool.type in (FUNCTION, CUSTOM):
        if tool.settings:
            raise Invalid(f"the tool '{tool.name}' has a `format`, which {api} does not take")
        kind: dict[str, Json] = {} if tool.type == FUNCTION else {"type": CUSTOM}
        return {**kind, **_function(tool, "input_schema"), **_strict(tool), **marked}
    if not _DATED.fullmatch(tool.type):
        raise Invalid(
            f"the tool '{tool.name}' of type '{tool.type}' cannot be sent to {api}: its own tools have a date in their "
            "type, such as web_search_20260318"
        )
    return {"type": tool.type, **own_name(tool), **_plain(tool.settings), **marked}


def own_name(tool: Tool) -> dict[str, Json]:
    """Returns the name of one of Anthropic's own tools, which follows from its type; a set of tools has none.

    Source: the types of anthropic 2.14.
    """
    stem, date = _DATE.sub("", tool.type), tool.type[-8:]
    if stem.endswith("toolset"):
        return {}
    if tool.name != tool.type:
        return {"name": tool.name}
    if stem == "text_editor":
        return {"name": "str_replace_editor" if date < _EDITOR_RENAMED else "str_replace_based_edit_tool"}
    return {"name": stem}


def _function(tool: Tool, schema: str) -> dict[str, Json]:
    described: dict[str, Json] = {"description": tool.description} if tool.description else {}
    parameters = plain(tool.parameters)
    if tool.strict and tool.parameters == _NO_PARAMETERS:  # what a strict schema has to say of an object
        parameters = {**_NO_PARAMETERS, "additionalProperties": False}
    return {"name": tool.name, **described, schema: parameters}


def _strict(tool: Tool) -> dict[str, Json]:
    return {} if tool.strict is None else {"strict": tool.strict}


def _free(api: Api, tool: Tool) -> dict[str, Json]:
    """OpenAI's custom tool: its input is text, so it has no schema."""
    if tool.parameters != _NO_PARAMETERS or tool.strict is not None:
        raise Invalid(f"the custom tool '{tool.name}' has `parameters` or `strict`, which {api} does not take")
    described: dict[str, Json] = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described, **_plain(tool.settings)}


def _settings(tool: Tool) -> dict[str, Json]:
    return {"type": tool.type, **_plain(tool.settings)}


def _plain(settings: Mapping[str, Json]) -> dict[str, Json]:
    return {key: plain(value) for key, value in settings.items()}
