"""The messages that a caller gives in place of a placeholder: any JSON value -> messages that every API takes.

They are messages of chat completions, as applications keep a conversation: role, content, ``tool_calls``,
``tool_call_id``, ``name``. They are read strictly, since what a provider would refuse, or what would vanish, is found
here, and they are never a template: a tag in one is text. They are of a conversation and not its instructions: a
message of role system is refused unless the prompt declares that it takes some.

Reference: https://developers.openai.com/api/reference/resources/chat, "Create chat completion", ``messages``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from promptops.core.message import MOST_MESSAGES, Placeholder, Role
from promptops.core.model import LISTS, OBJECTS, Json
from promptops.core.template.history_content import TEXT, Flaw, mapping, name_at, read_content, text_at
from promptops.core.template.history_media import READERS

_KEYS: Final = ("role", "content", "tool_calls", "tool_call_id", "name")
_IGNORED: Final = frozenset(("annotations", "refusal"))
"""Keys of an answer that no request takes: those that are sources of its text, and a refusal, which is its text."""
_CALL_KEYS: Final = ("id", "type", "function", "name", "arguments", "index")
_ROLES: Final = tuple(role.value for role in Role)
_INSTRUCTIONS: Final = (Role.SYSTEM.value, Role.DEVELOPER.value)
_OTHERS: Final = {"human": "user", "ai": "assistant", "model": "assistant", "bot": "assistant", "function": "tool"}
"""What other libraries call these roles."""


def read_history(value: Json, placeholder: Placeholder) -> list[dict[str, Any]]:
    """Returns the messages of a plain JSON value, as new objects.

    Raises:
        ValueError: they are not messages, or not those that the placeholder takes; with the place of the first that
            is not: ``[2].role``.
    """
    if not isinstance(value, LISTS):
        raise Flaw("", "must be a list of messages: [{'role': 'user', 'content': …}, …]")
    most = MOST_MESSAGES if placeholder.most is None else placeholder.most
    if len(value) > most:
        raise Flaw("", f"has {len(value):,} messages, and at most {most:,} are taken: give the latest of them")
    messages = [_message(item, f"[{number}]", placeholder) for number, item in enumerate(value)]
    _require_answers(messages)
    return messages


def size_of(messages: Sequence[Mapping[str, Any]]) -> int:
    """Returns the characters of the texts and of the arguments of messages."""
    size = 0
    for message in messages:
        content = message["content"]
        texts = [content] if isinstance(content, str) else [part.get("text", "") for part in content]
        size += sum(map(len, texts))
        size += sum(len(call["function"]["arguments"]) for call in message.get("tool_calls", ()))
    return size


def media_size_of(messages: Sequence[Mapping[str, Any]]) -> int:
    """Returns the bytes of the images, files and audio in rendered messages, as those of their base64."""
    parts = [part for message in messages if not isinstance(message["content"], str) for part in message["content"]]
    said = [part[part["type"]] for part in parts if part["type"] != "text"]
    return sum(len(text) for fields in said for text in fields.values()) * 3 // 4


def _message(value: Json, at: str, placeholder: Placeholder) -> dict[str, Any]:
    fields = mapping(value, at, (*_KEYS, *_IGNORED), "a message")
    role = _role(fields, at)
    if role in _INSTRUCTIONS and not placeholder.system:
        raise Flaw(
            f"{at}.role",
            f"is {role}, and this prompt takes no instructions in it: write them in the prompt, or declare "
            "`system: true` on the placeholder",
        )
    calls = _calls(fields.get("tool_calls", ()), f"{at}.tool_calls")
    if calls and role != Role.ASSISTANT:
        raise Flaw(f"{at}.tool_calls", f"are of a message of role {role}: the assistant calls tools")
    content = fields.get("content", fields.get("refusal"))
    if content is None and not calls:
        raise Flaw(at, "has no content")
    message: dict[str, Any] = {
        "role": role,
        "content": "" if content is None else read_content(content, f"{at}.content", _PARTS),
    }
    if calls:
        message["tool_calls"] = calls
    for key in ("tool_call_id", "name"):
        if key in fields:
            message[key] = name_at(fields, key, at)
    if ("tool_call_id" in message) != (role == Role.TOOL):
        raise Flaw(at, _MISSING_ID if role == Role.TOOL else f"is of role {role}, and has a tool_call_id")
    return message


_PARTS: Final = {**TEXT, **READERS}
_MISSING_ID: Final = "is the answer of a tool, and has no tool_call_id: the id of the call that it answers"


def _role(fields: Mapping[str, Json], at: str) -> str:
    if "role" not in fields:
        raise Flaw(at, f"has no role: one of {', '.join(_ROLES)}")
    role = text_at(fields, "role", at)
    if role not in _ROLES:
        close = [_OTHERS[role]] if role in _OTHERS else get_close_matches(role[:100].lower(), _ROLES, n=1)
        meant = f"did you mean '{close[0]}'?" if close else f"it is one of {', '.join(_ROLES)}"
        raise Flaw(f"{at}.role", f"is {role[:80]!r}; {meant}")
    return role


def _calls(value: Json, at: str) -> list[dict[str, Any]]:
    if not isinstance(value, LISTS):
        raise Flaw(at, "must be a list of calls")
    return [_call(item, f"{at}[{number}]") for number, item in enumerate(value)]


def _call(value: Json, at: str) -> dict[str, Any]:
    """Reads ``{id, type: function, function: {name, arguments}}``, or ``{id, name, arguments}`` as in prompt files."""
    fields = mapping(value, at, _CALL_KEYS, "a call of a tool")
    if fields.get("type", "function") != "function":
        raise Flaw(f"{at}.type", f"is {str(fields['type'])[:80]!r}, and only calls of functions can be sent")
    function, place = fields, at
    if "function" in fields:
        place = f"{at}.function"
        function = mapping(fields["function"], place, ("name", "arguments"), "a function")
    called = {"name": name_at(function, "name", place), "arguments": _arguments(function.get("arguments"), place)}
    return {"id": name_at(fields, "id", at), "type": "function", "function": called}


def _arguments(value: Json, at: str) -> str:
    """Returns the JSON of the arguments. Some providers give no text where a function has none."""
    if value is None or value == "":
        return "{}"
    if isinstance(value, OBJECTS):
        return json.dumps(value, ensure_ascii=False)
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(value, str) or not isinstance(found, dict):
        raise Flaw(f"{at}.arguments", "must be the JSON of an object, or a mapping")
    return value


def _require_answers(messages: Sequence[Mapping[str, Any]]) -> None:
    """Requires that all calls of a message are answered right after it, each once, and that nothing else is."""
    caller, open_calls = "", list[str]()
    for number, message in enumerate(messages):
        if message["role"] == Role.TOOL:
            if message["tool_call_id"] not in open_calls:
                raise Flaw(
                    f"[{number}].tool_call_id",
                    f"is {message['tool_call_id'][:80]!r}, and the assistant's message before it has no such call that "
                    "is still to be answered",
                )
            open_calls.remove(message["tool_call_id"])
            continue
        _require_none(open_calls, caller)
        caller, open_calls = f"[{number}].tool_calls", [call["id"] for call in message.get("tool_calls", ())]
        if len(set(open_calls)) != len(open_calls):
            raise Flaw(caller, "have one id twice")
    _require_none(open_calls, caller)


def _require_none(open_calls: Collection[str], caller: str) -> None:
    for call in open_calls:
        raise Flaw(caller, f"have the call {call[:80]!r}, and no message of role tool right after it answers that")
