"""A tool as each API is sent it, and which tools no API of a provider has."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.contract import bump_of, compare
from promptops.core.errors import Invalid
from promptops.core.model import Bump, Content, Message, Prompt, Role, Tool
from promptops.core.parameters import Api
from promptops.core.release_bytes import content_from_bytes, encode
from promptops.core.tools import to_tool, tool_flaw

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"q": {"type": "string"}}, "additionalProperties": False}
STRICT = Tool(name="lookup", parameters=SCHEMA, strict=True)
LOOSE = Tool(name="lookup", parameters=SCHEMA, strict=False)
FREE = Tool(name="f", type="custom", parameters=SCHEMA)
SEARCH = Tool(name="web_search", type="web_search", settings={"search_context_size": "low"})
DATED = Tool(name="web_search", type="web_search_20260318", settings={"max_uses": 3})
GRAMMAR = Tool(name="sql", description="A query.", type="custom", settings={"format": {"type": "text"}})


def function(**said: Any) -> dict[str, Any]:
    return {"type": "function", "function": said}


@pytest.mark.parametrize(
    ("api", "tool", "sent"),
    [
        (Api.OPENAI_CHAT, STRICT, function(name="lookup", parameters=SCHEMA, strict=True)),
        (Api.COMPATIBLE, LOOSE, function(name="lookup", parameters=SCHEMA, strict=False)),
        (Api.OPENAI_RESPONSES, STRICT, {"type": "function", "name": "lookup", "parameters": SCHEMA, "strict": True}),
        (Api.OPENAI_RESPONSES, LOOSE, {"type": "function", "name": "lookup", "parameters": SCHEMA, "strict": False}),
        (Api.ANTHROPIC, STRICT, {"name": "lookup", "input_schema": SCHEMA, "strict": True}),
        (Api.ANTHROPIC, LOOSE, {"name": "lookup", "input_schema": SCHEMA, "strict": False}),
        (Api.OPENAI_RESPONSES, SEARCH, {"type": "web_search", "search_context_size": "low"}),
        (Api.COMPATIBLE, SEARCH, {"type": "web_search", "search_context_size": "low"}),
        (Api.ANTHROPIC, DATED, {"type": "web_search_20260318", "name": "web_search", "max_uses": 3}),
        (
            Api.ANTHROPIC,
            Tool(name="tool_search_tool_bm25", type="tool_search_tool_bm25"),
            {"type": "tool_search_tool_bm25", "name": "tool_search_tool_bm25"},
        ),
        (Api.ANTHROPIC, FREE, {"type": "custom", "name": "f", "input_schema": SCHEMA}),
        (
            Api.OPENAI_CHAT,
            GRAMMAR,
            {"type": "custom", "custom": {"name": "sql", "description": "A query.", "format": {"type": "text"}}},
        ),
        (
            Api.OPENAI_RESPONSES,
            GRAMMAR,
            {"type": "custom", "name": "sql", "description": "A query.", "format": {"type": "text"}},
        ),
    ],
)
def test_a_tool_is_sent_as_it_was_written(api: Api, tool: Tool, sent: dict[str, Any]) -> None:
    assert to_tool(api, tool) == sent


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("web_search_20250305", "web_search"),
        ("web_fetch_20260318", "web_fetch"),
        ("code_execution_20250825", "code_execution"),
        ("bash_20250124", "bash"),
        ("computer_20251124", "computer"),
        ("memory_20250818", "memory"),
        ("text_editor_20250124", "str_replace_editor"),
        ("text_editor_20250429", "str_replace_based_edit_tool"),
        ("text_editor_20250728", "str_replace_based_edit_tool"),
        ("tool_search_tool_regex_20251119", "tool_search_tool_regex"),
        ("tool_search_tool_regex", "tool_search_tool_regex"),
        ("computer_toolset_20260801", None),
        ("mcp_toolset", None),
    ],
)
def test_a_tool_of_anthropic_without_a_name_has_the_one_that_the_api_knows(kind: str, name: str | None) -> None:
    assert to_tool(Api.ANTHROPIC, Tool(name=kind, type=kind)) == {"type": kind, **({"name": name} if name else {})}


@pytest.mark.parametrize(
    ("api", "tool"),
    [
        (Api.OPENAI_CHAT, SEARCH),
        (Api.ANTHROPIC, SEARCH),
        (Api.ANTHROPIC, GRAMMAR),
        (Api.OPENAI_RESPONSES, Tool(name="f", type="custom", parameters=SCHEMA)),
        (Api.OPENAI_CHAT, Tool(name="f", type="custom", strict=True)),
    ],
)
def test_what_an_api_cannot_be_sent_is_refused_and_never_changed(api: Api, tool: Tool) -> None:
    with pytest.raises(Invalid, match=tool.name):
        to_tool(api, tool)


@pytest.mark.parametrize(
    ("model", "tool", "flawed"),
    [
        ("openai/gpt-4o-2024-08-06", SEARCH, False),
        ("openai/gpt-4o-2024-08-06", Tool(name="f", type="custom", parameters=SCHEMA), True),
        ("anthropic/claude-opus-5", SEARCH, True),
        ("anthropic/claude-opus-5", DATED, False),
        ("mistral/mistral-large-2411", SEARCH, False),
        (None, SEARCH, False),
        ("anthropic/claude-opus-5", STRICT, False),
    ],
)
def test_a_tool_that_no_api_of_the_provider_has_is_known(model: str | None, tool: Tool, flawed: bool) -> None:
    assert bool(tool_flaw(model, tool)) is flawed


def content(*tools: Tool) -> Content:
    prompt = Prompt(name="answer", messages=(Message(role=Role.USER, content="Hi"),), tools=tools)
    return Content(app="bot", prompts=(prompt,))


@pytest.mark.parametrize("tool", [STRICT, LOOSE, SEARCH, DATED, GRAMMAR])
def test_all_of_a_tool_is_in_the_release(tool: Tool) -> None:
    assert content_from_bytes(encode(content(tool))).prompts[0].tools == (tool,)
    assert encode(content(tool)) != encode(content(Tool(name=tool.name, parameters=tool.parameters)))


def test_the_bytes_of_a_tool_without_them_are_as_they_were() -> None:
    written = encode(content(Tool(name="lookup", description="D", parameters=SCHEMA)))
    assert b'"tools":[{"description":"D","name":"lookup","parameters":{' in written
    assert not any(key in written for key in (b'"strict"', b'"settings"', b'"type":"function"'))


@pytest.mark.parametrize(
    ("old", "new", "bump"),
    [
        (Tool(name="lookup", parameters=SCHEMA), STRICT, Bump.MINOR),
        (STRICT, LOOSE, Bump.MINOR),
        (Tool(name="web_search"), SEARCH, Bump.MAJOR),
        (SEARCH, Tool(name="web_search", type="web_search"), Bump.MINOR),
    ],
)
def test_a_change_of_them_makes_a_new_release(old: Tool, new: Tool, bump: Bump) -> None:
    assert bump_of(compare(content(old), content(new))) is bump
