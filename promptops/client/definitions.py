"""A prompt that an application brings itself  ->  its definition, compiled: of a fallback, or for a test.

A text or plain messages are read here. Everything else is read as a prompt file is, by its reader, which is loaded only
then: what is legal in a file is legal here, and means the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, Protocol, TypeAlias, cast

from promptops.core.errors import Invalid, PromptopsError
from promptops.core.model import Json, Message, Placeholder, Role
from promptops.core.model import Prompt as Definition
from promptops.core.release_bytes import placeholder_to_json
from promptops.core.template.simple import only_variables
from promptops.core.template.template import Template
from promptops.core.template.values import plain

Described: TypeAlias = "str | Sequence[Message | Placeholder | Mapping[str, Any]] | Mapping[str, Any] | Definition"
"""A text of the user, messages, a prompt file's mapping, or a definition."""

_HINT: Final = "Give text, a list of {'role': …, 'content': …}, or a mapping with the keys of a prompt file."
_READER: Final = "promptops.client_adapters.prompt_mapping"
"""By its name, because a client imports nothing that reads files."""

_ROLES = {role.value: role for role in Role}
_PLAIN = {"role", "content"}


class _Reader(Protocol):
    def read_mapping(self, name: str, value: Mapping[str, Json]) -> Definition: ...


def compile_described(name: str, value: Described, what: str) -> tuple[Definition, Template]:
    """Returns the prompt that a value describes, under its name within the app, and its compiled messages.

    Raises:
        Invalid: it is no prompt, or could not be rendered or sent. ``what`` names it in the message.
    """
    try:
        definition = value if isinstance(value, Definition) else _read(name, value)
        return definition, Template.compile(definition)
    except PromptopsError as error:
        raise Invalid(f"{what} is no prompt: {error.message}", hint=error.hint or _HINT) from error
    except (TypeError, ValueError) as error:
        raise Invalid(f"{what} is no prompt: {error}", hint=_HINT) from error


def _read(name: str, value: object) -> Definition:
    if isinstance(value, Mapping):
        listed = value.get("messages")
        if isinstance(listed, list | tuple):
            value = {**value, "messages": [_written(item) for item in listed]}
        return cast(_Reader, import_module(_READER)).read_mapping(name, plain(value))  # type: ignore[arg-type]
    messages: object = [{"role": "user", "content": value}] if isinstance(value, str) else value
    if not isinstance(messages, Sequence) or isinstance(messages, bytes | bytearray | memoryview):
        raise TypeError(f"{type(value).__name__} is neither text, nor a list of messages, nor a mapping")
    read = [_plain_message(item) for item in messages]
    if messages and all(read):
        return Definition(name=name, messages=tuple(message for message in read if message))
    return _read(name, {"messages": [_written(item) for item in messages]})


def _plain_message(item: object) -> Message | Placeholder | None:
    """Returns a message of a role and a text whose only tags are variables, as most are; None for any other."""
    if isinstance(item, Message | Placeholder):
        return item
    if not isinstance(item, Mapping) or item.keys() != _PLAIN:
        return None
    role, text = item["role"], item["content"]
    if not isinstance(role, str) or role.lower() not in _ROLES or role.lower() == Role.TOOL:
        return None
    if not isinstance(text, str) or "${{" in text or only_variables(text) is None:
        return None
    return Message(role=_ROLES[role.lower()], content=cast(str, plain(text)))


def _written(item: object) -> object:
    """Returns a message as a file has it."""
    if isinstance(item, Placeholder):
        return placeholder_to_json(item)
    if not isinstance(item, Message):
        return item
    marked = {"cache": True} if item.cache else {}
    return {"role": str(item.role), "content": item.content, **item.extras(), **marked}
