"""Reads what a message has besides role and content: calls of tools, the call that it answers, the speaker's name, and
whether providers are to cache up to it.

A call is ``{id, type: function, function: {name, arguments}}``, as chat completions write it, or ``{id, name,
arguments}``. Arguments are a mapping, or JSON as text; they are no template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from promptops.core.digest import parse_canonical
from promptops.core.errors import Invalid
from promptops.core.model import Json, Message, Role, ToolCall
from promptops.source.text.fields import Fields, shown
from promptops.source.text.findings import short

NO_EXTRAS = Message(role=Role.USER, content="")
"""A message with a role and a text alone."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_message_extras(item: Fields, role: Role | None) -> Message:
    """Returns a message with all but its role and its content. Problems become findings."""
    calls = tuple(call for each in item.each("tool_calls") if (call := _call(each)) is not None)
    answered = item.written("tool_call_id") or ""
    name = item.written("name") or ""
    if name and not _NAME.fullmatch(name):
        item.add("name-invalid", "name", f"'{short(name)}' is not a speaker's name", "Letters, digits, _ and -.")
    if calls and role not in (None, Role.ASSISTANT):
        item.add_at_key("wrong-value", "tool_calls", f"a message of role {role} calls no tool: the assistant does")
    if answered and role not in (None, Role.TOOL):
        hint = "The answer of a tool is a message of role tool."
        item.add_at_key("wrong-value", "tool_call_id", f"a message of role {role} answers no call of a tool", hint)
    if role is Role.TOOL and not answered:
        hint = "tool_call_id: the `id` of one of the `tool_calls` in a message of the assistant before it."
        item.add("missing-key", None, "a message of role tool needs a `tool_call_id`, or no API takes it", hint)
    return Message(
        role=role or Role.USER,
        content="",
        tool_calls=calls,
        tool_call_id=answered,
        name=name,
        cache=item.flag("cache") or False,
    )


def require_calls(fields: Fields, messages: Sequence[Message]) -> None:
    """Reports answers of tools to calls that no message before them has."""
    calls: set[str] = set()
    for message in messages:
        if message.tool_call_id and message.tool_call_id not in calls:
            text = f"no message before has a call of a tool with the id '{short(message.tool_call_id)}'"
            fields.add("wrong-value", "messages", text, "Give the id of one of the assistant's `tool_calls`.")
        calls.update(call.id for call in message.tool_calls)


def _call(item: Fields) -> ToolCall | None:
    function: Fields | None = item
    if "function" in item.value:
        item.refuse_unknown(("id", "type", "function"))
        function = item.fields("function")
    else:
        item.refuse_unknown(("id", "type", "name", "arguments"))
    if item.value.get("type", "function") != "function":
        item.add("wrong-value", "type", "a call of a tool has the type function")
    if function is None:
        return None
    identity, name = item.written("id"), function.text("name")
    for text, where, key in ((identity, item, "id"), (name, function, "name")):
        if text is None and where.value.get(key) is None:
            where.add("missing-key", None, f"a call of a tool needs `{key}`")
        elif text is not None and not _ID.fullmatch(text):
            where.add("name-invalid", key, f"'{short(text)}' is not the {key} of a call", "Letters, digits, _ and -.")
    arguments = _arguments(function)
    return None if identity is None or name is None else ToolCall(id=identity, name=name, arguments=arguments)


def _arguments(function: Fields) -> Mapping[str, Json]:
    value = function.value.get("arguments")
    if isinstance(value, str):
        try:
            value = parse_canonical(value.encode("utf-8", "surrogatepass"))
        except Invalid as error:
            function.add("json-syntax", "arguments", f"'arguments': {error.message}", "A mapping will do too.")
            return {}
    if value is None or isinstance(value, Mapping):
        return value or {}
    function.add("wrong-type", "arguments", f"'arguments' must be a mapping, or JSON of one, got {shown(value)}")
    return {}
