"""The table of recorded answers, and what each one says.

The bodies are those of the providers' API references, shortened. Every row is read as JSON and as plain objects, and by
`make interop` as the objects that SDKs make of these bodies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from promptops.core.answers.reading import Api, Finish, Reading, Usage
from promptops.core.suite.answer import ToolCall
from tests.support.checkout import ROOT

ANSWERS = ROOT / "tests" / "fixtures" / "answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One recorded answer: ``file/name`` of the fixture, and what is read of it.

    ``first`` is the place of the first chunk with content; None where there is none, or where it is no stream.
    ``cut`` is how many chunks came before the connection broke.
    """

    name: str
    reading: Reading
    first: int | None = None
    cut: int | None = None

    def __str__(self) -> str:
        return self.name if self.cut is None else f"{self.name} cut after {self.cut}"

    @property
    def body(self) -> Any:
        """The answer, or the list of its chunks."""
        file, _, name = self.name.partition("/")
        body = bodies(file)[name]
        return body if self.cut is None else body[: self.cut]

    @property
    def is_stream(self) -> bool:
        return isinstance(self.body, list)


@cache
def bodies(file: str) -> dict[str, Any]:
    """The recorded answers of one API."""
    read: dict[str, Any] = json.loads((ANSWERS / f"{file}.json").read_text(encoding="utf-8"))
    return read


def tokens(read: int | None, wrote: int | None, *, cached: Any = 0, written: Any = None, reasoning: Any = 0) -> Usage:
    """The tokens of a row. Providers differ in which parts they leave out, where they are 0."""
    return Usage(
        input_tokens=read,
        cached_tokens=cached,
        cache_written_tokens=written,
        output_tokens=wrote,
        reasoning_tokens=reasoning,
    )


WEATHER = ToolCall(name="get_weather", arguments={"location": "Paris"})
NOTHING = Usage()


def _row(api: Api, name: str, usage: Usage, word: str, finish: Finish | None, **more: Any) -> Row:
    first, cut = more.pop("first", None), more.pop("at", None)
    reading = Reading(api=api, usage=usage, finish=finish, finish_word=word, **(_NAMES[api] | more))
    return Row(name=name, reading=reading, first=first, cut=cut)


_NAMES: dict[Api, dict[str, Any]] = {
    Api.CHAT: {
        "response_id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "model": "gpt-5.6-2026-06-11",
        "fingerprint": "fp_44709d6fcb",
    },
    Api.RESPONSES: {
        "response_id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
        "model": "gpt-5.6-2026-06-11",
    },
    Api.MESSAGES: {"response_id": "msg_013Zva2CMHLNnjNjJKqJ2EF", "model": "claude-sonnet-5-20260601"},
    Api.GENERATE_CONTENT: {"response_id": "mAitaLmkHPPlz7IPvtfUqQ4", "model": "gemini-2.5-pro"},
    Api.CONVERSE: {},
}


def _chat(name: str, usage: Usage, word: str, finish: Finish | None, **more: Any) -> Row:
    if "stream" in name:
        more = {"response_id": "chatcmpl-123", "model": "gpt-4o-mini-2024-07-18", **more}
    return _row(Api.CHAT, f"chat/{name}", usage, word, finish, **more)


CHAT = [
    _chat("text", tokens(2006, 300, cached=1920, written=64, reasoning=256), "stop", Finish.STOP,
          text="Hello! How can I assist you today?"),
    _chat("two-choices", tokens(9, 12), "stop", Finish.STOP, text="First"),
    _chat("refusal", tokens(81, 11), "stop", Finish.REFUSAL, text="I'm sorry, I cannot assist with that request."),
    _chat("tools", tokens(82, 17), "tool_calls", Finish.TOOL_CALLS, tool_calls=(
        ToolCall(name="get_current_weather", arguments={"location": "Boston, MA"}),
        ToolCall(name="run_sql", arguments="SELECT 1"),
        ToolCall(name="broken", arguments=None))),
    _chat("length", tokens(20, 4), "length", Finish.LENGTH, text="The first of many"),
    _chat("filter", tokens(20, 0), "content_filter", Finish.CONTENT_FILTER),
    _chat("function-call", tokens(82, 6), "function_call", Finish.TOOL_CALLS,
          tool_calls=(ToolCall(name="get_current_weather", arguments={}),)),
    # xAI's total is the sum of all three: reasoning is beside the output, and is added.
    _chat("xai", tokens(32, 93, cached=6, reasoning=84), "stop", Finish.STOP, text="104", model="grok-4-0709"),
    _chat("deepseek", tokens(100, 60, cached=64, reasoning=40), "stop", Finish.STOP, text="9.8 is greater.",
          model="deepseek-reasoner"),
    _chat("mistral", tokens(15, 15, cached=None, reasoning=None), "model_length", Finish.LENGTH, text="Four.",
          model="magistral-medium-2509", fingerprint=""),
    _chat("stream", tokens(19, 10, reasoning=4), "stop", Finish.STOP, text="Hello!", first=1),
    _chat("stream", NOTHING, "", None, text="Hello", first=1, at=3),  # the usage comes last
    _chat("stream", NOTHING, "", None, at=1),
    _chat("stream-azure", NOTHING, "stop", Finish.STOP, text="Hi", first=2),  # without `include_usage`
    _chat("stream-refusal", tokens(19, 5), "stop", Finish.REFUSAL, text="I'm sorry.", first=1),
    _chat("stream-refusal", NOTHING, "", Finish.REFUSAL, text="I'm ", first=1, at=2),
    _chat("stream-tools", tokens(60, 31), "tool_calls", Finish.TOOL_CALLS, first=1, tool_calls=(
        ToolCall(name="get_weather", arguments={"city": "Paris"}), ToolCall(name="get_time", arguments={}))),
    _chat("stream-tools", NOTHING, "", None, first=1, at=5, tool_calls=(
        ToolCall(name="get_weather", arguments={"city": "Paris"}), ToolCall(name="get_time", arguments=None))),
    _chat("stream-tools", NOTHING, "", None, first=1, at=3, tool_calls=(ToolCall(name="get_weather"),)),
    _chat("stream-one-index", NOTHING, "stop", Finish.TOOL_CALLS, first=1, tool_calls=(
        ToolCall(name="get_weather", arguments={"city": "Paris"}),
        ToolCall(name="get_weather", arguments={"city": "Rome"}))),
]  # fmt: skip


def _responses(name: str, usage: Usage, word: str, finish: Finish | None, **more: Any) -> Row:
    return _row(Api.RESPONSES, f"responses/{name}", usage, word, finish, **more)


RESPONSES = [
    _responses("text", tokens(328, 52, cached=300, written=20, reasoning=40), "completed", Finish.STOP,
               text="In a peaceful grove, a unicorn"),
    _responses("refusal", tokens(36, 8, written=0), "completed", Finish.REFUSAL, text="I can't help with that."),
    _responses("tools", tokens(291, 23, written=0), "completed", Finish.TOOL_CALLS, tool_calls=(
        ToolCall(name="get_weather", arguments={"location": "Boston, MA"}),
        ToolCall(name="run_sql", arguments="SELECT 1"))),  # the provider runs its search by itself
    _responses("incomplete", tokens(10, 16, written=0, reasoning=14), "max_output_tokens", Finish.LENGTH,
               text="Once upon"),
    _responses("failed", NOTHING, "server_error", Finish.ERROR),
    _responses("background", NOTHING, "", None),
    _responses("stream", tokens(37, 11, written=0, reasoning=6), "completed", Finish.STOP, text="Hi there!", first=7),
    _responses("stream", NOTHING, "", None, text="Hi", first=7, at=8),
    _responses("stream", NOTHING, "", None, at=7),
    _responses("stream-tools", tokens(60, 20, written=0), "completed", Finish.TOOL_CALLS, tool_calls=(WEATHER,),
               first=2),
    _responses("stream-tools", NOTHING, "", None, tool_calls=(ToolCall(name="get_weather"),), first=2, at=4),
    _responses("stream-refusal", tokens(36, 8, written=0), "completed", Finish.REFUSAL, text="I can't help.", first=4),
    _responses("stream-failed", NOTHING, "rate_limit_exceeded", Finish.ERROR, text="Half", first=4),
]  # fmt: skip


def _messages(name: str, usage: Usage, word: str, finish: Finish | None, **more: Any) -> Row:
    return _row(Api.MESSAGES, f"messages/{name}", usage, word, finish, **more)


def _claude(read: int, wrote: int | None, *, cached: int = 0, written: int = 0, reasoning: int | None = None) -> Usage:
    return tokens(read, wrote, cached=cached, written=written, reasoning=reasoning)


MESSAGES = [
    # Anthropic reports cached tokens beside the input: 21 + 1888 + 418.
    _messages("text", _claude(2327, 393, cached=1888, written=418, reasoning=350), "end_turn", Finish.STOP,
              text="Hi! My name is Claude."),
    _messages("tools", _claude(377, 65), "tool_use", Finish.TOOL_CALLS, text="Let me look.",
              tool_calls=(ToolCall(name="get_weather", arguments={"location": "San Francisco, CA"}),)),
    _messages("refusal", _claude(60, 4), "refusal", Finish.REFUSAL),
    _messages("length", _claude(12, 2), "max_tokens", Finish.LENGTH, text="The first"),
    _messages("window", _claude(12, 2), "model_context_window_exceeded", Finish.LENGTH, text="The first"),
    _messages("pause", _claude(12, 2), "pause_turn", Finish.OTHER, text="Searching"),
    _messages("stream", _claude(2331, 15, cached=1888, written=418, reasoning=9), "end_turn", Finish.STOP,
              text="Hello!", first=7),
    # The first event says 1 for the output, which is where it begins, and not what was written.
    _messages("stream", _claude(2331, None, cached=1888, written=418), "", None, text="Hello", first=7, at=8),
    _messages("stream-tools", _claude(10682, 510), "tool_use", Finish.TOOL_CALLS, text="Okay.", first=2,
              tool_calls=(WEATHER, ToolCall(name="get_time", arguments={}))),
    _messages("stream-tools", _claude(472, None), "", None, text="Okay.", first=2, at=10,
              tool_calls=(ToolCall(name="get_weather"),)),
    _messages("stream-refusal", _claude(60, 4), "refusal", Finish.REFUSAL, text="First, ", first=2),
]  # fmt: skip


def _gemini(name: str, usage: Usage, word: str, finish: Finish | None, **more: Any) -> Row:
    return _row(Api.GENERATE_CONTENT, f"gemini/{name}", usage, word, finish, **more)


def _google(read: int | None, wrote: int | None, *, cached: int | None = None, reasoning: int | None = None) -> Usage:
    return tokens(read, wrote, cached=cached, reasoning=reasoning)


LONDON = ToolCall(name="get_weather", arguments={"location": "London"})

GEMINI = [
    # Thoughts are beside the candidates: 214 + 800. Cached tokens are in the prompt's.
    _gemini("text", _google(696219, 1014, cached=696190, reasoning=800), "STOP", Finish.STOP,
            text="AI learns from data."),
    _gemini("tools", _google(74, 24), "STOP", Finish.TOOL_CALLS,
            tool_calls=(LONDON, ToolCall(name="get_time", arguments={}))),
    _gemini("search", _google(90, 30), "STOP", Finish.STOP, text="One."),  # results of tools are read by the model
    _gemini("blocked", _google(9, 0), "PROHIBITED_CONTENT", Finish.CONTENT_FILTER, response_id="r1"),
    _gemini("safety", _google(9, 0), "SAFETY", Finish.CONTENT_FILTER),
    _gemini("length", _google(9, 63, reasoning=63), "MAX_TOKENS", Finish.LENGTH),
    _gemini("malformed", _google(60, 0), "MALFORMED_FUNCTION_CALL", Finish.ERROR),
    _gemini("stream", _google(4, 33, reasoning=30), "STOP", Finish.STOP, text="Hi there!", first=1),
    _gemini("stream", _google(4, 31, reasoning=30), "", None, text="Hi", first=1, at=2),  # so far
    _gemini("stream", _google(4, 30, reasoning=30), "", None, at=1),
    _gemini("stream-tools", _google(74, 24), "STOP", Finish.TOOL_CALLS, tool_calls=(LONDON,), first=0),
    _gemini("stream-partial", _google(74, 24), "STOP", Finish.TOOL_CALLS, tool_calls=(ToolCall(name="get_weather"),),
            first=0),
]  # fmt: skip


def _converse(name: str, usage: Usage, word: str, finish: Finish | None, **more: Any) -> Row:
    return _row(Api.CONVERSE, f"converse/{name}", usage, word, finish, **more)


def _bedrock(read: int | None, wrote: int | None, *, cached: int | None = None, written: int | None = None) -> Usage:
    return tokens(read, wrote, cached=cached, written=written, reasoning=None)


CONVERSE = [
    # As Anthropic's: 12 + 10704 + 300.
    _converse("text", _bedrock(11016, 56, cached=10704, written=300), "end_turn", Finish.STOP,
              text="Here are three songs."),
    _converse("tools", _bedrock(386, 56), "tool_use", Finish.TOOL_CALLS, text="Let me check.",
              tool_calls=(ToolCall(name="top_song", arguments={"sign": "WZPZ"}),)),
    _converse("guardrail", _bedrock(0, 0), "guardrail_intervened", Finish.CONTENT_FILTER,
              text="Sorry, the model cannot answer this question."),
    _converse("router", _bedrock(10, 1), "max_tokens", Finish.LENGTH, text="Hi",
              model="arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-5-sonnet-20240620-v1:0"),
    _converse("stream", _bedrock(147, 20, cached=100, written=0), "end_turn", Finish.STOP, text="Here you go.",
              first=3),
    _converse("stream", NOTHING, "", None, text="Here ", first=3, at=4),
    _converse("stream-tools", _bedrock(386, 56), "tool_use", Finish.TOOL_CALLS, first=1,
              tool_calls=(ToolCall(name="top_song", arguments={"sign": "WZPZ"}),)),
    _converse("stream-tools", NOTHING, "", None, first=1, at=3, tool_calls=(ToolCall(name="top_song"),)),
]  # fmt: skip

ROWS = [*CHAT, *RESPONSES, *MESSAGES, *GEMINI, *CONVERSE]
