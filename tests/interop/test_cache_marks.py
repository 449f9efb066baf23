"""Cache marks are typed by the packages of providers, and arrive at a server through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import litellm
import pytest

from promptops.client.prompt import Prompt
from promptops.core.model import Message, Placeholder, Role, Tool, ToolCall
from promptops.core.part_bytes import blob_of
from promptops.core.parts import Part, PartType
from promptops.core.provider_arguments import anthropic_create, openai_chat, openai_responses
from tests.client.prompts import made
from tests.interop.test_built_requests import WAYS, root, server
from tests.interop.test_requests import CHAT, CLAUDE, RESPONSES
from tests.support.model_server import ModelServer

__all__ = ["server"]

PIXEL = blob_of(b"\x89PNG\r\n\x1a\n")
MESSAGES = (
    Message(role=Role.SYSTEM, content="Be kind.", cache=True),
    Message(
        role=Role.USER,
        content="",
        parts=(
            Part(type=PartType.TEXT, text="What is {{thing}}?"),
            Part(type=PartType.IMAGE, blob=PIXEL, media_type="image/png", cache=True),
            Part(type=PartType.TEXT, text="Be brief."),
        ),
    ),
    Message(role=Role.ASSISTANT, content="", tool_calls=(ToolCall(id="c-1", name="search", arguments={}),)),
    Message(role=Role.TOOL, content="A lamp.", tool_call_id="c-1", cache=True),
    Placeholder(name="history", cache=True),
    Message(role=Role.USER, content="And now?"),
)
TOOLS = (Tool(name="search"), Tool(name="lookup", cache=True))
VALUES: dict[str, Any] = {
    "thing": "this",
    "history": [{"role": "assistant", "content": "A lamp."}, {"role": "user", "content": "Thanks."}],
}
GPT, OPUS, BEDROCK = "openai/gpt-5.6-2026-08-01", "anthropic/claude-opus-5", "bedrock/us.anthropic.claude-opus-5"
MARKS = {"cache_control": {"type": "ephemeral"}, "prompt_cache_breakpoint": {"mode": "explicit"}}


def marked(model: str, *, tools: bool = False) -> Prompt:
    """A prompt with four marks in its messages; with ``tools``, the first of them is on a tool."""
    messages = MESSAGES[1:] if tools else MESSAGES
    return made(model=model, messages=messages, tools=TOOLS if tools else TOOLS[:1], parameters={"maxTokens": 2000})


def marks(body: Any, path: str = "") -> list[str]:
    """The places of all marks in a request."""
    if isinstance(body, list):
        return [place for at, item in enumerate(body) for place in marks(item, f"{path}[{at}]")]
    if not isinstance(body, Mapping):
        return []
    found = [path for key, value in MARKS.items() if body.get(key) == value]
    found += [path] if body.get("cachePoint") == {"type": "default"} else []
    return found + [place for key, item in body.items() for place in marks(item, f"{path}.{key}")]


PLACES = {
    ("anthropic", OPUS): [
        ".system[0]",
        ".messages[0].content[1]",
        ".messages[2].content[0]",
        ".messages[4].content[0]",
    ],
    ("bedrock", BEDROCK): [
        ".system[1]",
        ".messages[0].content[2]",
        ".messages[2].content[1]",
        ".messages[4].content[1]",
    ],
    ("openai", GPT): [
        ".messages[0].content[0]",
        ".messages[1].content[1]",
        ".messages[3].content[0]",
        ".messages[5].content[0]",
    ],
    ("responses", GPT): [
        ".input[0].content[0]",
        ".input[1].content[1]",
        ".input[3].output[0]",
        ".input[5].content[0]",
    ],
    ("gemini", "google/gemini-3-pro-preview"): [],
}


@pytest.mark.parametrize(("way", "model"), PLACES)
def test_they_arrive_through_the_package_where_they_belong(server: ModelServer, way: str, model: str) -> None:
    send, method = WAYS[way]
    prompt = marked(model)
    with pytest.raises(Exception, match=r"(?i)error"):  # the server's only answer
        send(server, getattr(prompt, method)(**VALUES))
    asked = server.asked[-1]
    assert sorted(marks(asked)) == sorted(PLACES[way, model])
    assert sorted(marks(asked)) == sorted(marks(prompt.request(way, **VALUES).body))


def test_a_tool_has_it_through_the_package(server: ModelServer) -> None:
    for way, model, place in (("anthropic", OPUS, ".tools[1]"), ("bedrock", BEDROCK, ".toolConfig.tools[2]")):
        send, method = WAYS[way]
        with pytest.raises(Exception, match=r"(?i)error"):
            send(server, getattr(marked(model, tools=True), method)(**VALUES))
        assert place in marks(server.asked[-1])


@pytest.mark.parametrize("tools", [False, True])
def test_the_packages_are_typed_to_take_them(tools: bool) -> None:
    for model, build, typed in (
        (OPUS, anthropic_create, CLAUDE),
        (GPT, openai_chat, CHAT),
        (GPT, openai_responses, RESPONSES),
    ):
        prompt = marked(model, tools=tools)
        call = build(prompt.definition, prompt.render(**VALUES))
        assert marks(call)
        typed.validate_python(call)


@pytest.mark.parametrize("tools", [False, True])
def test_litellm_hands_them_on_to_anthropic(server: ModelServer, tools: bool) -> None:
    prompt = marked(OPUS, tools=tools)
    with pytest.raises(Exception, match=r"(?i)error"):
        litellm.completion(**prompt.to_litellm(**VALUES), api_base=root(server), api_key="k", max_retries=0)
    asked = server.asked[-1]
    assert len(marks(asked)) == 4
    assert marks(asked.get("tools")) == ([] if not tools else ["[1]"])
    assert asked["messages"][-1]["content"][-1]["text"] == "And now?"
    assert not marks(asked["messages"][-1]["content"][-1])
