"""Cache marks: a provider that reads a beginning of a request again need not work through it again, up to a mark.

Each API has its own: Anthropic ``cache_control`` on a block, Bedrock a ``cachePoint`` behind it, OpenAI since gpt-5.6
``prompt_cache_breakpoint`` on a part. No other API has one that a request can say, and there a mark means nothing.

References: https://platform.claude.com/docs/en/build-with-claude/prompt-caching,
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html and
https://developers.openai.com/api/docs/guides/prompt-caching.

What is rendered says by its type alone that it has a mark (:mod:`promptops.core.cached`), and gets the key of an API
here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from promptops.core.cached import Cached
from promptops.core.errors import Invalid
from promptops.core.json_value import OBJECTS, Json
from promptops.core.message import Message, Role
from promptops.core.model import Prompt

MOST: Final = 4
"""Marks that Anthropic takes in a request, also on Bedrock."""

FEWER: Final = "Keep the last ones: each also covers what is before it."

PAGE: Final = "https://platform.claude.com/docs/en/build-with-claude/prompt-caching"
"""Where Anthropic says what it caches."""

CONTROL: Final = "cache_control"
"""Anthropic's key of a mark, which parts of messages have until they get the form of an API."""

BREAKPOINT: Final = "prompt_cache_breakpoint"
"""OpenAI's key of a mark."""

_VALUES: Final[Mapping[str, Mapping[str, Json]]] = {
    CONTROL: {"type": "ephemeral"},
    BREAKPOINT: {"mode": "explicit"},
}
_OPENAI: Final = re.compile(r"openai/gpt-(\d+)(?:\.(\d+))?(?![\d.])")
_FIRST_OPENAI: Final = (5, 6)
_BEDROCK: Final = re.compile(r"(?:^|[/.])(?:anthropic\.claude-(?:3-5-haiku|3-7|[a-z]+-\d)|amazon\.nova-)")

Messages: TypeAlias = Sequence[Mapping[str, Any]]


def mark(key: str) -> dict[str, Json]:
    """Returns a mark under this key, a new object each time."""
    return {key: dict(_VALUES[key])}


def with_marks(key: str, messages: Messages, rendered: Messages | None = None) -> Messages:
    """Returns messages in which the parts that ``rendered`` has a mark for, or the last calls of tools, have this key;
    the messages themselves without marks.

    ``rendered`` are the messages as templates gave them, by default these ones.
    """
    origins = messages if rendered is None else rendered
    if not has_marks(origins):
        return messages
    return [_with_mark(key, message, origin) for message, origin in zip(messages, origins, strict=True)]


def has_marks(messages: Messages) -> bool:
    """True if a rendered message or one of its parts has a mark."""
    for message in messages:
        content = message["content"]
        if isinstance(message, Cached):
            return True
        if not isinstance(content, str) and any(isinstance(part, Cached) for part in content):
            return True
    return False


def takes_breakpoints(model: str | None) -> bool:
    """True for a model of OpenAI that takes marks."""
    version = _OPENAI.match(model or "")
    return version is not None and (int(version[1]), int(version[2] or 0)) >= _FIRST_OPENAI


def takes_cache_points(model: str | None) -> bool:
    """True for a model on Bedrock that takes marks."""
    return _BEDROCK.search(model or "") is not None


def takes_marked_tools(model: str | None) -> bool:
    """True for a model, of those that take marks, that takes them on tools: Nova does not."""
    return "claude" in (model or "")


def marks_of(prompt: Prompt) -> Iterator[tuple[str | int, ...]]:
    """Yields the places in a prompt file of the marks that a request to Anthropic has, each once."""
    for at, tool in enumerate(prompt.tools):
        if tool.cache or CONTROL in tool.settings:
            yield ("tools", at)
    for at, message in enumerate(prompt.messages):
        parts = message.parts if isinstance(message, Message) else ()
        for number, part in enumerate(parts):
            if part.cache and not (message.cache and number == len(parts) - 1):  # which are one
                yield ("messages", at, "content", number)
        if message.cache:
            yield ("messages", at)
    extra = prompt.parameters.get("extra")
    if isinstance(extra, OBJECTS) and CONTROL in extra:  # which marks the last block of a request
        yield ("modelParameters", "extra")


def too_many(prompt: Prompt) -> str:
    """Returns in words, with all places, that a prompt has more marks than a request may have; empty if it has not."""
    places = list(marks_of(prompt))
    if len(places) <= MOST:
        return ""
    return f"{len(places)} cache marks, and a request has {MOST} at most: {', '.join(map(_place, places))}"


def require_few_marks(prompt: Prompt) -> None:
    """Does nothing for a prompt with few enough marks.

    Raises:
        Invalid: a request would have more than are taken.
    """
    may_have = prompt.tools or any(each.cache or (isinstance(each, Message) and each.parts) for each in prompt.messages)
    if may_have and (problem := too_many(prompt)):  # most have none, and every call of the client comes here
        raise Invalid(f"prompt '{prompt.name}' has {problem}", hint=FEWER)


def stretches(content: str | Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, bool]]:
    """Yields the text of a content cut after each mark, and whether there is one."""
    if isinstance(content, str):
        yield content, False
        return
    texts: list[str] = []
    for part in content:
        texts.append(str(part.get("text", "")))
        if CONTROL in part:
            yield "\n".join(texts), True
            texts = []
    if texts:
        yield "\n".join(texts), False


def without_marks(content: Any) -> tuple[Any, dict[str, Json]]:
    """Returns a content without the marks of its parts, and the mark of all of it where there was one."""
    if isinstance(content, str) or not any(CONTROL in part for part in content):
        return content, {}
    return [{key: value for key, value in part.items() if key != CONTROL} for part in content], mark(CONTROL)


def _with_mark(key: str, message: Mapping[str, Any], origin: Mapping[str, Any]) -> Mapping[str, Any]:
    content: Any = message["content"]
    if key == BREAKPOINT and message["role"] == Role.ASSISTANT:  # OpenAI has none there
        return message
    if not isinstance(content, str):
        pairs = zip(content, origin["content"], strict=True)
        content = [
            {**part, **mark(key)} if isinstance(each, Cached) and _has_more(part) else part for part, each in pairs
        ]
    if not isinstance(origin, Cached):
        return {**message, "content": content}
    if calls := message.get("tool_calls"):
        return {**message, "content": content, "tool_calls": [*calls[:-1], {**calls[-1], **mark(key)}]}
    return {**message, "content": _with_last(key, content)}


def _with_last(key: str, content: Any) -> Any:
    """Marks the last part on which APIs take a mark."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    for at in reversed(range(len(parts))):
        if _has_more(parts[at]):
            parts[at] = {**parts[at], **mark(key)}
            return parts
    return content


def _has_more(part: Mapping[str, Any]) -> bool:
    """False for an empty text, on which APIs refuse a mark."""
    return part["type"] != "text" or bool(part["text"])


def _place(place: Sequence[str | int]) -> str:
    """``messages[0].content[1]``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return "".join(steps).removeprefix(".")
