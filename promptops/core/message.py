"""A message of a prompt: who speaks it, its text, and the calls of tools that it makes or answers; and the place of
the messages that the caller brings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence as Sequence  # `Json` names it, where the types of fields are read
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from promptops.core.json_value import Json
from promptops.core.parts import Part

PLACEHOLDER: Final = "placeholder"
"""What stands in place of a role where the caller's messages go."""


MOST_MESSAGES: Final = 10_000
"""The messages that a caller may give, and the largest ``max`` of a placeholder: more than any model reads."""


class Role(StrEnum):
    """Who speaks a message."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call of a tool in an example: its id, the tool's name, and the arguments, which are no template."""

    id: str
    name: str
    arguments: Mapping[str, Json] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a prompt: a role and the template of its text.

    An assistant's message may have ``tool_calls``; a message of role tool has the id of the call that it answers.
    ``name`` tells speakers of one role apart, where an API takes it. A message with ``parts`` has no ``content``.
    With ``cache``, a provider that can is to cache what it read up to the end of the message.
    """

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    parts: tuple[Part, ...] = ()
    cache: bool = False

    @property
    def templates(self) -> tuple[str, ...]:
        """The texts in which values may stand: its content, or those of its parts."""
        if not self.parts:
            return (self.content,)
        return tuple(template for part in self.parts if (template := part.template) is not None)

    @property
    def shown(self) -> str:
        """Its content for people to read: parts that are no text in words."""
        return "\n".join(part.shown for part in self.parts) if self.parts else self.content

    @property
    def has_extras(self) -> bool:
        """True if it has more than a role and a text: :meth:`extras` are not empty."""
        return bool(self.tool_calls or self.tool_call_id or self.name)

    def extras(self) -> dict[str, Any]:
        """Returns what it has besides role and content, as chat completions take it; new objects each time."""
        extras: dict[str, Any] = {}
        if self.tool_calls:
            extras["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)},
                }
                for call in self.tool_calls
            ]
        if self.tool_call_id:
            extras["tool_call_id"] = self.tool_call_id
        if self.name:
            extras["name"] = self.name
        return extras


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """Where the messages go that the caller gives as the variable ``name``: those of a conversation so far.

    ``most`` is how many there may be at most, None for any number; ``optional`` that there may be none given. With
    ``system`` they may have messages of the roles system and developer. ``private`` ones are never captured. ``cache``
    is that of the last of them.
    """

    name: str
    optional: bool = False
    most: int | None = None
    system: bool = False
    private: bool = False
    cache: bool = False

    @property
    def required(self) -> bool:
        return not self.optional
