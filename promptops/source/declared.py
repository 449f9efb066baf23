"""Reads the declarations of a prompt besides its messages: its model, its inputs, its tools."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace

from promptops.core.floating_models import floats
from promptops.core.model import Input, Json, OwnFacts, Tool
from promptops.core.parts import PartType
from promptops.core.tools import CUSTOM, FUNCTION, tool_flaw
from promptops.source.app_file import FLOATING_HINT, MODEL, PINNED_MODEL, Pin, read_input_schemas
from promptops.source.cache_twins import CACHE_TWINS
from promptops.source.schemas import check_schema
from promptops.source.text.fields import Fields
from promptops.source.text.findings import Near, short

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOOL_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_TEXT_INPUTS: dict[str, Input] = {}


def read_model(fields: Fields, pins: Mapping[str, Pin], models: Mapping[str, OwnFacts]) -> tuple[str | None, str]:
    """Returns the model as ``provider/model``, and the name of the app's pin that it comes from, or an empty string.

    ``models`` are what the workspace says of models.
    """
    name = fields.written("model")
    if name is None:
        if fields.value.get("model") is None:
            hint = f"model: {next(iter(pins))}" if len(pins) == 1 else "model: provider/model-and-date"
            fields.add("model-missing", None, "the prompt names no model", hint)
        return None, ""
    if name in pins:
        return pins[name].model, name
    if floats(name, models.get(name)):
        fields.add("floating-model", "model", f"'{name[:80]}' is a floating alias", FLOATING_HINT)
    if PINNED_MODEL.fullmatch(name):
        return name, ""
    if not MODEL.fullmatch(name):
        fields.add("wrong-value", "model", f"'{name[:60]}' is not a model's name", "model: provider/model-and-date")
    elif pins:
        hints = Near(name, pins, "The pins are")
        fields.add("unknown-pin", "model", f"'{short(name)}' is neither a pin of app.yml nor provider/model", hints)
    else:
        hint = f"model: provider/{short(name)}"
        fields.add("model-without-provider", "model", f"'{short(name)}' names no provider", hint)
    return name, ""


def read_inputs(
    fields: Fields,
    shared: Mapping[str, Mapping[str, Json]],
    used: Collection[str],
    media: Mapping[str, PartType],
) -> tuple[Input, ...]:
    """Returns the prompt's own inputs, the app's inputs that the messages use, and inputs for other variables: text,
    or what the part is that is the variable (``media``).
    """
    declared = fields.value.get("inputs")
    if isinstance(declared, list):
        message = "`inputs` is a list, as other tools have it, and not part of the release"
        fields.add_at_key("unknown-key", "inputs", message, "Ours is a mapping: `inputs: {name: {type: string}}`.")
        declared = None
    own = read_input_schemas(fields) if declared is not None else {}
    for name in own:
        if name not in used:
            hint = Near(name, used)
            path = (*fields.path, "inputs", name)
            fields.report.add("unused-variable", fields.document.key_offset(path), f"no message uses '{name}'", hint)
    inputs = []
    for name in sorted({*own, *used}):
        schema = own.get(name) or shared.get(name)
        if schema is None and name in media:
            schema = {"type": str(media[name])}
        inputs.append(Input(name=name, schema=schema) if schema is not None else _text_input(name))
    return tuple(inputs)


def _text_input(name: str) -> Input:
    """Returns the text input of a name, the same object each time: building thousands of equal ones takes time."""
    if name not in _TEXT_INPUTS:
        if len(_TEXT_INPUTS) > 1000:  # a bound for processes that read many workspaces
            _TEXT_INPUTS.clear()
        _TEXT_INPUTS[name] = Input(name=name)
    return _TEXT_INPUTS[name]


def read_tools(fields: Fields, model: str | None) -> tuple[Tool, ...]:
    """Returns the tools that the model may use.

    A tool is ``{name, description, parameters, strict}``, OpenAI's ``{type, function}``, or one of the provider's own,
    ``{type: web_search, …}``.
    """
    tools: dict[str, Tool] = {}
    if fields.value.get("tools") is None:
        return ()
    for item in fields.each("tools"):
        tool = _tool(item)
        if tool is None:
            continue
        if flaw := tool_flaw(model, tool):
            item.add("tool-not-taken", None, flaw)
        if tool.name in tools:
            hint = "Give each a `name`: it is not sent where the provider has none." if tool.name == tool.type else ""
            item.add("name-taken", None, f"two tools are called '{short(tool.name)}'", hint)
        tools[tool.name] = tool
    return tuple(tools.values())


def _tool(item: Fields) -> Tool | None:
    kind = item.text("type") if item.value.get("type") is not None else FUNCTION
    if kind is None:
        return None
    if kind not in (FUNCTION, CUSTOM):
        return _provider_tool(item, kind)
    fields: Fields | None = item
    if kind in item.value:  # {type: function, function: {…}}, as chat completions write it
        item.refuse_unknown(("type", kind, "cache"), CACHE_TWINS)
        fields = item.fields(kind)
    tool = None if fields is None else _own_tool(fields, kind)
    if tool is None or fields is item:
        return tool
    return replace(tool, cache=item.flag("cache") or tool.cache)


def _provider_tool(item: Fields, kind: str) -> Tool | None:
    """Returns a tool of the provider: all keys besides its name and type are settings of its API."""
    if not _TOOL_TYPE.fullmatch(kind):
        item.add(
            "wrong-value", "type", f"'{kind[:80]}' is not a type of tool", "type: function, or the provider's own."
        )
        return None
    name = item.text("name") if item.value.get("name") is not None else kind
    own = ("type", "name", "cache")
    settings = {key: value for key, value in item.value.items() if key not in own and value is not None}
    cache = item.flag("cache") or False
    return None if name is None else Tool(name=name, type=kind, settings=settings, cache=cache)


def _own_tool(fields: Fields, kind: str) -> Tool | None:
    known = ("name", "description", "parameters", "type", "strict", "cache", *(("format",) if kind == CUSTOM else ()))
    fields.refuse_unknown(known, CACHE_TWINS)
    name = fields.text("name")
    description = fields.text("description") or ""
    strict = fields.flag("strict")
    cache = fields.flag("cache") or False
    parameters = fields.fields("parameters")
    if parameters is not None:
        check_schema(parameters, "the tool's parameters")
        if parameters.value.get("type") != "object":
            parameters.add("schema-invalid", None, "a tool's parameters are a schema of `type: object`")
    if name is None:
        if fields.value.get("name") is None:
            fields.add("missing-key", None, "a tool needs a `name`")
        return None
    if not _TOOL_NAME.fullmatch(name):
        fields.add("name-invalid", "name", f"'{name[:80]}' is not a tool's name", "Letters, digits, _ and -, up to 64.")
        return None
    settings = {"format": fields.value["format"]} if fields.value.get("format") is not None else {}
    tool = Tool(name=name, description=description, type=kind, strict=strict, settings=settings, cache=cache)
    return tool if parameters is None else replace(tool, parameters=parameters.value)
