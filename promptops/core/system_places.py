"""Where system messages go for a Claude: those at the beginning apart, later ones in place where the model takes them.

Claude takes a system message amid the others from Opus 4.8 on, right after one of the user, and last or before one of
the assistant: https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages (on Bedrock:
https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-mid-conversation-system.html). Anywhere else, and
for an earlier Claude, it joins those at the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from promptops.core.message import Role
from promptops.core.parameters import claude_version

SYSTEM: Final = frozenset({Role.SYSTEM.value, Role.DEVELOPER.value})
_FIRST_IN_PLACE: Final = (4, 8)
_SIDE: Final = (Role.USER, Role.TOOL)

Messages = Sequence[Mapping[str, Any]]


def split_system(messages: Messages, model: str) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Returns the system messages that stand apart, and the others in order, with role system where one stays."""
    apart: list[Mapping[str, Any]] = []
    spoken: list[Mapping[str, Any]] = []
    takes = _takes_in_place(model)
    for at, message in enumerate(messages):
        if message["role"] not in SYSTEM:
            spoken.append(message)
        elif takes and _stays(messages, at):
            spoken.append({**message, "role": Role.SYSTEM.value})
        else:
            apart.append(message)
    return apart, spoken


def _takes_in_place(model: str) -> bool:
    version = claude_version(model)
    return version is not None and version >= _FIRST_IN_PLACE


def _stays(messages: Messages, at: int) -> bool:
    before = messages[at - 1]["role"] if at else None
    after = messages[at + 1]["role"] if at + 1 < len(messages) else Role.ASSISTANT
    return before in _SIDE and after == Role.ASSISTANT
