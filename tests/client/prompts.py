"""Prompts of releases, through everything that a client does with one."""

from __future__ import annotations

from typing import Any

from promptops.client.prompt import Prompt
from promptops.client.state.lookup_view import View
from promptops.core.features import features_of
from promptops.core.model import Content, Json, Message, Role, Tool
from promptops.core.model import Prompt as Definition
from tests.client.made import held, pointer, shelve, snapshot

SYSTEM, USER = Message(role=Role.SYSTEM, content="Be {{tone}}."), Message(role=Role.USER, content="{{question}}")
SEARCH = Tool(
    name="search",
    description="Looks it up.",
    parameters={"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
)
ORDER: dict[str, Json] = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
VALUES = {"tone": "kind", "question": "Why?"}
RENDERED = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}]
GPT, CLAUDE, OPUS = "openai/gpt-4o-2024-08-06", "anthropic/claude-sonnet-4-5-20250929", "anthropic/claude-opus-5-5"


def made(**more: Any) -> Prompt:
    """A prompt of a release, through everything that a client does with one."""
    definition = Definition(**{"name": "answer", "messages": (SYSTEM, USER), "model": GPT, **more})
    requires = tuple(sorted(features_of(definition)))
    ref = shelve("1.0.0", Content(app="bot", prompts=(definition,), requires=requires))
    return View.make(held(snapshot({"bot": pointer(1, ref)})), channel="prod").resolve("bot/answer")
