"""Messages of Anthropic."""

from __future__ import annotations

from typing import Final

from promptops.core.answers.draft import Draft
from promptops.core.answers.fields import count, get, items, string, total, usage, whole

_CACHED, _WRITTEN = "cache_read_input_tokens", "cache_creation_input_tokens"
_REPORTED: Final = ("input_tokens", _CACHED, _WRITTEN, "output_tokens", "output_tokens_details")


def is_answer(value: object) -> bool:
    """Whether this is a message of the model. Items of OpenAI's responses are messages too, without an end or usage."""
    if not isinstance(get(value, "content"), list):
        return False
    return isinstance(get(value, "stop_reason"), str) or (
        get(value, "type") == "message" and get(value, "usage") is not None
    )


def is_start(event: object) -> bool:
    """Whether a stream of events begins with this one."""
    return get(event, "type") == "message_start"


def read(value: object, draft: Draft) -> None:
    """Reads a message."""
    draft.names(get(value, "id"), get(value, "model"))
    _report(get(value, "usage"), draft)
    for place, block in enumerate(items(get(value, "content"))):
        _begin(whole(block), draft, place)
    _read_end(value, draft)


def add(event: object, draft: Draft) -> None:
    """Reads an event. Those of the SDK's helper ``stream``, such as ``text``, repeat what these say."""
    kind = string(get(event, "type"))
    if kind == "message_start":
        message = whole(get(event, "message"))
        draft.names(get(message, "id"), get(message, "model"))
        _report(get(message, "usage"), draft, but="output_tokens")  # a beginning, and not what was written in the end
    elif kind == "content_block_start":
        _begin(whole(get(event, "content_block")), draft, get(event, "index"))
    elif kind == "content_block_delta":
        delta = whole(get(event, "delta"))
        if get(delta, "type") == "text_delta":
            draft.write(get(delta, "text"))
        elif get(delta, "type") == "input_json_delta":
            draft.argue(get(event, "index"), get(delta, "partial_json"))
    elif kind == "message_delta":
        _report(get(event, "usage"), draft)
        _read_end(whole(get(event, "delta")), draft)


def _begin(block: object, draft: Draft, place: object) -> None:
    kind = string(get(block, "type"))
    if kind == "text":
        draft.write(get(block, "text"))
    elif kind == "tool_use":
        arguments = None if draft.is_stream else whole(get(block, "input"))
        draft.call(get(block, "name"), arguments, key=place)


def _read_end(value: object, draft: Draft) -> None:
    if (reason := get(value, "stop_reason")) is not None:
        draft.ended(reason)


def _report(said: object, draft: Draft, but: str = "") -> None:
    """Takes the numbers that are there: the last event repeats only some, all of the whole stream."""
    reported = draft.reported
    for name in _REPORTED:
        if name != but and (number := get(said, name)) is not None:
            reported[name] = number
    draft.usage = usage(
        read=total(reported.get("input_tokens"), reported.get(_CACHED), reported.get(_WRITTEN)),
        cached=reported.get(_CACHED),
        cache_written=reported.get(_WRITTEN),
        wrote=count(reported.get("output_tokens")),
        reasoning=get(reported.get("output_tokens_details"), "thinking_tokens"),
    )
