"""Prompts of every shape, for what each API makes of them."""

from __future__ import annotations

from typing import Any

from promptops.client.prompt import Prompt
from promptops.core.model import Json, Message, ResponseFormat, Role, Tool, ToolCall
from tests.client.prompts import made

SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {"spam_score": {"type": "boolean"}},
    "required": ["spam_score"],
    "additionalProperties": False,
}
LOOKUP = Tool(name="lookup", description="Finds an order.", parameters=SCHEMA, strict=True)
ENVELOPE: dict[str, Json] = {"name": "spam", "strict": True, "schema": SCHEMA}
ANSWERING: dict[str, Any] = {"response_format": ResponseFormat.JSON_SCHEMA, "json_schema": ENVELOPE}
TALK = (
    Message(role=Role.SYSTEM, content="Be kind."),
    Message(role=Role.DEVELOPER, content="Be brief."),
    Message(role=Role.USER, content="Where is {{order}}?", name="ann"),
    Message(
        role=Role.ASSISTANT,
        content="",
        tool_calls=(
            ToolCall(id="c-1", name="lookup", arguments={"order_id": 7}),
            ToolCall(id="c-2", name="lookup", arguments={}),
        ),
    ),
    Message(role=Role.TOOL, content="On its way.", tool_call_id="c-1"),
    Message(role=Role.TOOL, content='{"at": "door"}', tool_call_id="c-2"),
    Message(role=Role.ASSISTANT, content="It is on its way."),
    Message(role=Role.USER, content="Thanks."),
)
VALUES = {"order": "7"}
QUESTION = {"tone": "kind", "question": "Why?"}
"""The values of :func:`ask`."""


def talk(model: str, **parameters: Json) -> Prompt:
    """A conversation with a strict tool, called twice in one turn."""
    return made(model=model, messages=TALK, tools=(LOOKUP,), parameters=parameters)


def ask(model: str, more: dict[str, Any] | None = None, /, **parameters: Any) -> Prompt:
    """A question behind a system message: `question` and `tone` are its variables."""
    return made(model=model, parameters=parameters, **(more or {}))


def later_system(model: str) -> Prompt:
    """A system message after the user's."""
    roles = (Role.SYSTEM, Role.USER, Role.SYSTEM)
    return made(
        model=model,
        messages=tuple(Message(role=role, content=f"{role}!") for role in roles),
        parameters={"maxTokens": 9},
    )
