"""Responses of OpenAI."""

from __future__ import annotations

from promptops.core.answers.draft import Draft
from promptops.core.answers.fields import count, get, items, string, usage, whole
from promptops.core.answers.reading import Finish

_ARGUMENTS = {"function_call": "arguments", "custom_tool_call": "input"}
"""The items that call a tool of the application, and which field has its arguments."""

_RUNNING = frozenset({"in_progress", "queued"})
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


def is_answer(value: object) -> bool:
    """Whether this is a response, and no other object of this API."""
    return get(value, "object") == "response" and isinstance(get(value, "output"), list)


def is_start(event: object) -> bool:
    """Whether a stream of events begins with this one."""
    kind = get(event, "type")
    return isinstance(kind, str) and kind.startswith("response.")


def read(value: object, draft: Draft) -> None:
    """Reads a response."""
    _read_top(value, draft)
    for place, item in enumerate(items(get(value, "output"))):
        _read_item(whole(item), draft, place)


def add(event: object, draft: Draft) -> None:
    """Reads an event. Until the last one, which has the whole response, the pieces are all there is."""
    kind = string(get(event, "type"))
    place = get(event, "output_index")
    if kind in ("response.output_text.delta", "response.refusal.delta"):
        (draft.write if kind == "response.output_text.delta" else draft.refuse)(get(event, "delta"))
    elif kind == "response.output_item.added":
        _begin_call(whole(get(event, "item")), draft, place)
    elif kind in ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta"):
        draft.argue(place, get(event, "delta"), is_text="custom" in kind)
    elif kind in ("response.created", *_TERMINAL):
        response = whole(get(event, "response"))
        if kind in _TERMINAL and items(get(response, "output")):
            draft.empty()
            read(response, draft)
        else:
            _read_top(response, draft)
    elif kind == "error":
        draft.ended(get(event, "code") or kind, Finish.ERROR)


def _read_top(value: object, draft: Draft) -> None:
    draft.names(get(value, "id"), get(value, "model"))
    said = get(value, "usage")
    if said is not None:
        draft.usage = usage(
            read=count(get(said, "input_tokens")),
            cached=get(get(said, "input_tokens_details"), "cached_tokens"),
            cache_written=get(get(said, "input_tokens_details"), "cache_write_tokens"),
            wrote=count(get(said, "output_tokens")),
            reasoning=get(get(said, "output_tokens_details"), "reasoning_tokens"),
        )
    status = get(value, "status")
    if status == "incomplete":
        draft.ended(get(get(value, "incomplete_details"), "reason") or status)
    elif status == "failed":
        draft.ended(get(get(value, "error"), "code") or status, Finish.ERROR)
    elif status is not None and status not in _RUNNING:
        draft.ended(status)


def _read_item(item: object, draft: Draft, place: int) -> None:
    kind = string(get(item, "type"))
    if kind in _ARGUMENTS:
        _begin_call(item, draft, place)
    elif kind == "message":
        for part in items(get(item, "content")):
            part_kind = get(whole(part), "type")
            if part_kind == "output_text":
                draft.write(get(part, "text"))
            elif part_kind == "refusal":
                draft.refuse(get(part, "refusal"))


def _begin_call(item: object, draft: Draft, place: object) -> None:
    kind = string(get(item, "type"))
    if kind in _ARGUMENTS:
        draft.call(get(item, "name"), key=place)
        draft.argue(place, get(item, _ARGUMENTS[kind]), is_text=kind == "custom_tool_call")
