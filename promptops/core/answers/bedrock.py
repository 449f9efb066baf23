"""Answers of Amazon Bedrock's ``converse`` and events of ``converse_stream``: the dicts of botocore."""

from __future__ import annotations

from promptops.core.answers.draft import Draft
from promptops.core.answers.fields import count, get, items, total, usage, whole


def is_answer(value: object) -> bool:
    """Whether this is an answer: a message in its output, and a reason for the end."""
    return get(get(value, "output"), "message") is not None and isinstance(get(value, "stopReason"), str)


def is_start(event: object) -> bool:
    """Whether a stream of events begins with this one."""
    return get(event, "messageStart") is not None


def read(value: object, draft: Draft) -> None:
    """Reads an answer. Its id is that of the request; only a prompt router says which model answered."""
    draft.names(get(get(value, "ResponseMetadata"), "RequestId"), None)
    _read_metadata(value, draft)
    message = whole(get(whole(get(value, "output")), "message"))
    for block in items(get(message, "content")):
        if (text := get(whole(block), "text")) is not None:
            draft.write(text)
        for cited in items(get(get(block, "citationsContent"), "content")):
            draft.write(get(cited, "text"))
        if (made := get(block, "toolUse")) is not None and _is_ours(made):
            draft.call(get(made, "name"), get(made, "input"), is_cut=get(made, "input") is None)
    draft.ended(get(value, "stopReason"))


def add(event: object, draft: Draft) -> None:
    """Reads an event. The last one has the usage."""
    if (begun := get(event, "contentBlockStart")) is not None:
        made = get(get(begun, "start"), "toolUse")
        if made is not None and _is_ours(made):
            draft.call(get(made, "name"), key=get(begun, "contentBlockIndex"))
    elif (added := get(event, "contentBlockDelta")) is not None:
        delta = whole(get(added, "delta"))
        if (text := get(delta, "text")) is not None:
            draft.write(text)
        if (made := get(delta, "toolUse")) is not None:
            draft.argue(get(added, "contentBlockIndex"), get(made, "input"))
    elif (stopped := get(event, "messageStop")) is not None:
        draft.ended(get(stopped, "stopReason"))
    elif (metadata := get(event, "metadata")) is not None:
        _read_metadata(metadata, draft)


def _is_ours(tool_use: object) -> bool:
    """Whether the application is to run the tool; the provider runs its own."""
    return get(whole(tool_use), "type") != "server_tool_use"


def _read_metadata(value: object, draft: Draft) -> None:
    draft.names(None, get(get(get(value, "trace"), "promptRouter"), "invokedModelId"))
    said = get(value, "usage")
    cached, written = get(said, "cacheReadInputTokens"), get(said, "cacheWriteInputTokens")
    draft.usage = usage(
        read=total(get(said, "inputTokens"), cached, written),
        cached=cached,
        cache_written=written,
        wrote=count(get(said, "outputTokens")),
        reasoning=None,
    )
