"""Content  <->  canonical bytes: the format ``promptops.release/1``.

::

    {"schema": "promptops.release/1", "app": "support-bot",
     "prompts": {"answer": {"model": "openai/gpt-4o-2024-08-06", "parameters": {"maxTokens": 300}, "engine": "jinja2",
                            "messages": [{"role": "system", "content": "…"}],
                            "inputs": {"question": {"type": "string"}},
                            "tools": [{"name": "search", "description": "…", "parameters": {…}, "strict": true},
                                      {"name": "web_search", "type": "web_search", "settings": {…}}],
                            "response_format": "json_schema", "json_schema": {…},
                            "checks": [{"contains": "…"},
                                       {"json_path": {"path": "$.intent", "equals": "refund"}}]}},
     "models": {"openai/gpt-4o-2024-08-06": {"reason": "…", "pinned": true, "ends": "2027-06-30"}},
     "requires": ["checks", "models"]}

``requires`` names the features that a client needs to load the release, in order; it is left out where there are none,
and has ``checks`` where a prompt has some, ``escapes`` where one has ``"escapes": true``, ``parameters`` where one has
a parameter that clients before 0.7.0 do not know, ``models`` where ``models`` says something of models of its prompts
(:mod:`promptops.core.own_facts`), ``tool-messages`` where a message has more than role and content: ``tool_calls``
(``[{"id", "name", "arguments": {…}}]``), ``tool_call_id``, ``name``, ``parts`` where one has ``parts`` and an empty
content, whose bytes are in ``blobs`` (:mod:`promptops.core.part_bytes`), and ``history`` where there is a place for the
messages of a caller: ``{"role": "placeholder", "name": "history", "optional": true, "max": 50, "system": true,
"private": true}``, and ``cache`` where a message, a placeholder, a part or a tool has ``"cache": true``. ``messages``
is always there; every other key of a prompt is left out at its default, so that a later key changes no digest of
before. Prompts and inputs are mappings: their order means nothing, and they are read back sorted by name. Reading is
strict: a key that is not known here may decide behaviour, so bytes that have one are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from promptops.core.checks.table import KINDS, MOST
from promptops.core.digest import canonical, parse_canonical
from promptops.core.errors import Invalid
from promptops.core.features import MAX_FEATURES, MODELS, features_of, is_features
from promptops.core.json_size import require_few
from promptops.core.message import MOST_MESSAGES, PLACEHOLDER
from promptops.core.model import (
    OBJECTS,
    VARIABLE,
    AnswerCheck,
    Content,
    Engine,
    Input,
    Json,
    Message,
    OwnFacts,
    Placeholder,
    Prompt,
    ResponseFormat,
    Role,
    Tool,
    ToolCall,
    is_name,
    is_segment,
)
from promptops.core.part_bytes import Blobs, blobs_of, part_to_json
from promptops.core.release_models import models_from_json, models_to_json

SCHEMA = "promptops.release/1"

MAX_ELEMENTS = 200_000
"""Values and names in a release: more would take far more memory to read than its 1 MiB."""

_KEYS = frozenset(("schema", "app", "prompts", "models", "requires", "blobs"))
_PROMPT_KEYS = frozenset(
    (
        "model",
        "parameters",
        "engine",
        "messages",
        "inputs",
        "tools",
        "response_format",
        "json_schema",
        "checks",
        "escapes",
    )
)
_MESSAGE_KEYS = frozenset(("role", "content", "tool_calls", "tool_call_id", "name", "parts", "cache"))
_PLACEHOLDER_KEYS = frozenset(("role", "name", "optional", "max", "system", "private", "cache"))
_TOOL_CALL_KEYS = frozenset(("id", "name", "arguments"))
_TOOL_KEYS = frozenset(("name", "description", "parameters", "type", "strict", "settings", "cache"))
_TOOL = Tool(name="-")

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


def encode(content: Content) -> bytes:
    """The canonical bytes of a content, which the digest is taken of.

    Raises:
        Invalid: for what the profile of :mod:`promptops.core.digest` refuses, and for two things of one name.
    """
    return canonical(content_to_json(content))


def content_to_json(content: Content) -> Json:
    """The JSON object of a content.

    Raises:
        Invalid: for two prompts, inputs or tools of one name.
    """
    prompts = {prompt.name: _prompt_to_json(prompt) for prompt in content.prompts}
    _same_number(prompts, content.prompts, f"app '{content.app}' has two prompts of one name")
    models: Mapping[str, Json] = {"models": models_to_json(content.models)} if content.models else {}
    requires: Mapping[str, Json] = {"requires": list(content.requires)} if content.requires else {}
    blobs = blobs_of(content.prompts)
    return {
        "schema": SCHEMA,
        "app": content.app,
        "prompts": prompts,
        **models,
        **requires,
        **({"blobs": blobs} if blobs else {}),
    }


def content_from_bytes(data: bytes, wanted: Callable[[str, Json], bool] = lambda _name, _prompt: True) -> Content:
    """Read a release's bytes; of its prompts those that are ``wanted``, which is asked with a name and the JSON.

    Raises:
        Invalid: naming the path (``$.prompts.answer.messages[0].role``) of what is wrong.
    """
    if len(data) > MAX_ELEMENTS:  # each has at least one byte
        require_few(data, MAX_ELEMENTS)
    document = _mapping(parse_canonical(data), "$", _KEYS)
    if document.get("schema") != SCHEMA:
        raise Invalid(f"$.schema is {document.get('schema')!r}, not {SCHEMA!r}", hint="A newer promptops may read it.")
    app = _text(document.get("app"), "$.app")
    if not is_name(app):
        raise Invalid(f"$.app: {app!r} is not an app's name")
    prompts = _mapping(document.get("prompts"), "$.prompts")
    chosen = [(name, item) for name, item in sorted(prompts.items()) if wanted(name, item)]
    own = models_from_json(document["models"], prompts) if "models" in document else {}
    blobs = Blobs.of(document["blobs"]) if "blobs" in document else Blobs({})
    content = Content(
        app=app,
        prompts=tuple(_prompt(name, item, f"$.prompts.{name}", own, blobs) for name, item in chosen),
        requires=_requires(document["requires"]) if "requires" in document else (),
        models=tuple(own.values()),
    )
    if own and MODELS not in content.requires:
        raise Invalid(f"$.models says something, and $.requires does not have '{MODELS}'")
    if len(chosen) == len(prompts):
        blobs.require_used()
    for prompt in content.prompts:
        _require_names(prompt)
        for feature in features_of(prompt):
            if feature not in content.requires:
                raise Invalid(f"a prompt has {feature}, and $.requires does not have '{feature}'")
    return content


# --- writing -------------------------------------------------------------------------------------


def _prompt_to_json(prompt: Prompt) -> Json:
    _same_number(
        {tool.name for tool in prompt.tools}, prompt.tools, f"prompt '{prompt.name}' has two tools of one name"
    )
    inputs = {item.name: item.schema for item in prompt.inputs}
    _same_number(inputs, prompt.inputs, f"prompt '{prompt.name}' has two inputs of one name")
    _require_names(prompt)
    written: dict[str, Json] = {"messages": [_message_to_json(message) for message in prompt.messages]}
    if prompt.model is not None:
        written["model"] = prompt.model
    if prompt.parameters:
        written["parameters"] = prompt.parameters
    if prompt.engine is not Engine.SIMPLE:
        written["engine"] = str(prompt.engine)
    if inputs:
        written["inputs"] = inputs
    if prompt.tools:
        written["tools"] = [_tool_to_json(tool) for tool in prompt.tools]
    if prompt.response_format is not ResponseFormat.TEXT:
        written["response_format"] = str(prompt.response_format)
    if prompt.json_schema is not None:
        written["json_schema"] = prompt.json_schema
    if prompt.checks:
        written["checks"] = [{check.kind: check.wanted} for check in prompt.checks]
    if prompt.escapes:
        written["escapes"] = True
    return written


def _message_to_json(message: Message | Placeholder) -> Json:
    if isinstance(message, Placeholder):
        return placeholder_to_json(message)
    written: dict[str, Json] = {"role": str(message.role), "content": message.content}
    if message.tool_calls:
        written["tool_calls"] = [
            {"id": call.id, "name": call.name, "arguments": call.arguments} for call in message.tool_calls
        ]
    if message.tool_call_id:
        written["tool_call_id"] = message.tool_call_id
    if message.name:
        written["name"] = message.name
    if message.parts:
        written["parts"] = [part_to_json(part) for part in message.parts]
    if message.cache:
        written["cache"] = True
    return written


def placeholder_to_json(placeholder: Placeholder) -> Json:
    """Returns a placeholder as releases have it, and prompt files too."""
    written: dict[str, Json] = {"role": PLACEHOLDER, "name": placeholder.name}
    if placeholder.most is not None:
        written["max"] = placeholder.most
    return written | {key: True for key in ("optional", "system", "private", "cache") if getattr(placeholder, key)}


def _tool_to_json(tool: Tool) -> Json:
    written: dict[str, Json] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    if tool.parameters != _TOOL.parameters:
        written["parameters"] = tool.parameters
    if tool.type != _TOOL.type:
        written["type"] = tool.type
    if tool.strict is not None:
        written["strict"] = tool.strict
    if tool.settings:
        written["settings"] = tool.settings
    if tool.cache:
        written["cache"] = True
    return written


def _require_names(prompt: Prompt) -> None:
    variables = prompt.variables
    _same_number({each.name for each in variables}, variables, f"prompt '{prompt.name}' has two variables of one name")


def _same_number(names: Collection[str], items: Collection[object], problem: str) -> None:
    if len(names) != len(items):
        raise Invalid(problem)


# --- reading -------------------------------------------------------------------------------------


def _requires(value: Json) -> tuple[str, ...]:
    if not value or not is_features(value):
        raise Invalid(f"$.requires is not a list of 1 to {MAX_FEATURES} features in order")
    assert isinstance(value, Sequence)
    return tuple(map(str, value))


def _prompt(name: str, value: Json, path: str, own: Mapping[str, OwnFacts], blobs: Blobs) -> Prompt:
    if not all(is_segment(segment) for segment in name.split("/")):
        raise Invalid(f"$.prompts: {name!r} is not a prompt's name")
    fields = _mapping(value, path, _PROMPT_KEYS)
    model = fields.get("model")
    schema = fields.get("json_schema")
    return Prompt(
        name=name,
        messages=_each(fields.get("messages"), f"{path}.messages", lambda item, at: _message(item, at, blobs)),
        model=None if model is None else _text(model, f"{path}.model"),
        parameters=_mapping(fields.get("parameters", {}), f"{path}.parameters"),
        engine=_choice(Engine, fields.get("engine", Engine.SIMPLE), f"{path}.engine"),
        inputs=_inputs(fields.get("inputs", {}), f"{path}.inputs"),
        tools=_each(fields.get("tools", []), f"{path}.tools", _tool),
        response_format=_choice(
            ResponseFormat, fields.get("response_format", ResponseFormat.TEXT), f"{path}.response_format"
        ),
        json_schema=None if schema is None else _mapping(schema, f"{path}.json_schema"),
        checks=_checks(fields.get("checks", []), f"{path}.checks"),
        escapes=_flag(fields.get("escapes", False), f"{path}.escapes"),
        own_facts=own.get(str(model)) if own else None,
    )


def _message(value: Json, path: str, blobs: Blobs) -> Message | Placeholder:
    if isinstance(value, OBJECTS) and value.get("role") == PLACEHOLDER:
        return _placeholder(value, path)
    fields = _mapping(value, path, _MESSAGE_KEYS)
    content = _text(fields.get("content"), f"{path}.content")
    if "parts" in fields and (content or not fields["parts"]):
        raise Invalid(f"{path} has `parts` beside a content, or none in them")
    return Message(
        role=_choice(Role, fields.get("role"), f"{path}.role"),
        content=content,
        tool_calls=_each(fields.get("tool_calls", []), f"{path}.tool_calls", _tool_call),
        tool_call_id=_text(fields.get("tool_call_id", ""), f"{path}.tool_call_id"),
        name=_text(fields.get("name", ""), f"{path}.name"),
        parts=_each(fields.get("parts", []), f"{path}.parts", blobs.part),
        cache=_flag(fields.get("cache", False), f"{path}.cache"),
    )


def _placeholder(value: Json, path: str) -> Placeholder:
    fields = _mapping(value, path, _PLACEHOLDER_KEYS)
    name = _text(fields.get("name"), f"{path}.name")
    if not VARIABLE.fullmatch(name):
        raise Invalid(f"{path}.name: {name!r} is not a variable's name")
    return Placeholder(
        name=name,
        optional=_flag(fields.get("optional", False), f"{path}.optional"),
        most=_most(fields["max"], f"{path}.max") if "max" in fields else None,
        system=_flag(fields.get("system", False), f"{path}.system"),
        private=_flag(fields.get("private", False), f"{path}.private"),
        cache=_flag(fields.get("cache", False), f"{path}.cache"),
    )


def _most(value: Json, path: str) -> int:
    if type(value) is not int or not 0 < value <= MOST_MESSAGES:
        raise Invalid(f"{path} is not a number from 1 to {MOST_MESSAGES:,}")
    return value


def _tool_call(value: Json, path: str) -> ToolCall:
    fields = _mapping(value, path, _TOOL_CALL_KEYS)
    return ToolCall(
        id=_text(fields.get("id"), f"{path}.id"),
        name=_text(fields.get("name"), f"{path}.name"),
        arguments=_mapping(fields.get("arguments"), f"{path}.arguments"),
    )


def _inputs(value: Json, path: str) -> tuple[Input, ...]:
    fields = _mapping(value, path)
    for name in fields:
        if not VARIABLE.fullmatch(name):
            raise Invalid(f"{path}: {name!r} is not a variable's name")
    return tuple(Input(name=name, schema=_mapping(fields[name], f"{path}.{name}")) for name in sorted(fields))


def _tool(value: Json, path: str) -> Tool:
    fields = _mapping(value, path, _TOOL_KEYS)
    strict = fields.get("strict")
    return Tool(
        name=_text(fields.get("name"), f"{path}.name"),
        description=_text(fields.get("description", ""), f"{path}.description"),
        parameters=_mapping(fields.get("parameters", _TOOL.parameters), f"{path}.parameters"),
        type=_text(fields.get("type", _TOOL.type), f"{path}.type"),
        strict=None if strict is None else _flag(strict, f"{path}.strict"),
        settings=_mapping(fields.get("settings", {}), f"{path}.settings"),
        cache=_flag(fields.get("cache", False), f"{path}.cache"),
    )


def _checks(value: Json, path: str) -> tuple[AnswerCheck, ...]:
    checks = _each(value, path, _check)
    if len(checks) > MOST:
        raise Invalid(f"{path} are {len(checks):,}, and at most {MOST} are allowed")
    return checks


def _check(value: Json, path: str) -> AnswerCheck:
    fields = _mapping(value, path, frozenset(KINDS))
    if len(fields) != 1:
        raise Invalid(f"{path} is not of one kind")
    [(kind, wanted)] = fields.items()
    if problem := KINDS[kind].problem(wanted):
        raise Invalid(f"{path}: {problem}")
    return AnswerCheck(kind=kind, wanted=wanted)


def _each(value: Json, path: str, read: Callable[[Json, str], T]) -> tuple[T, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise Invalid(f"{path} is not a list")
    return tuple(read(item, f"{path}[{index}]") for index, item in enumerate(value))


def _mapping(value: Json, path: str, keys: frozenset[str] | None = None) -> Mapping[str, Json]:
    if not isinstance(value, OBJECTS):
        raise Invalid(f"{path} is not an object")
    if keys is not None and not keys.issuperset(value):
        unknown = min(value.keys() - keys)
        raise Invalid(f"{path} has the unknown key {unknown!r}", hint="A newer promptops may have written it.")
    return value


def _text(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{path} is not text")
    return value


def _flag(value: Json, path: str) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"{path} is not true or false")
    return value


def _choice(kind: type[E], value: Json, path: str) -> E:
    try:
        return kind(_text(value, path))
    except ValueError as error:
        raise Invalid(f"{path}: {value!r} is not one of {', '.join(kind)}") from error
