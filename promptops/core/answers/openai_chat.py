"""Chat completions of OpenAI, which most providers have."""

from __future__ import annotations

from promptops.core.answers.draft import Draft
from promptops.core.answers.fields import count, get, items, string, usage, whole
from promptops.core.answers.reading import Usage
from promptops.core.model import LISTS


def is_answer(value: object) -> bool:
    """Whether this is an answer: a list of choices, of which the first has a message of the model."""
    choice = _first(value)
    message = get(choice, "message")
    return message is not None and (
        get(message, "role") == "assistant"
        or isinstance(get(choice, "finish_reason"), str)
        or get(message, "content") is not None
    )


def is_start(chunk: object) -> bool:
    """Whether a stream of chunks begins with this one. Azure's first one has no choice."""
    chunk = _unwrapped(chunk)
    choice = _first(chunk)
    has_delta = get(choice, "delta") is not None and isinstance(get(choice, "index"), int | None)
    return get(chunk, "object") == "chat.completion.chunk" or has_delta


def read(value: object, draft: Draft) -> None:
    """Reads an answer: its first choice."""
    choice = whole(_first(value))
    message = whole(get(choice, "message"))
    _read_top(value, draft)
    _read_texts(message, draft)
    for place, call in enumerate(items(get(message, "tool_calls"))):
        _read_call(whole(call), draft, place)
    _read_function_call(message, draft)
    _read_end(choice, draft)


def add(chunk: object, draft: Draft) -> None:
    """Reads a chunk of a stream: what it adds to the first choice. The last chunk has the usage."""
    chunk = _unwrapped(chunk)
    _read_top(chunk, draft)
    for choice in items(get(chunk, "choices")):
        if get(choice, "index") not in (0, None):
            continue
        delta = get(choice, "delta")
        if delta is not None:
            _read_texts(whole(delta), draft)
            for call in items(get(delta, "tool_calls")):
                place = get(call, "index")
                _read_call(whole(call), draft, place if isinstance(place, int) else 0)
            _read_function_call(delta, draft)
        _read_end(choice, draft)


def _first(value: object) -> object:
    choices = get(value, "choices")
    return choices[0] if isinstance(choices, LISTS) and choices else None


def _unwrapped(chunk: object) -> object:
    """Returns the chunk of an event of the SDK's helper ``stream``; its other events repeat what chunks say."""
    return get(chunk, "chunk") if get(chunk, "choices") is None and get(chunk, "type") == "chunk" else chunk


def _read_top(value: object, draft: Draft) -> None:
    draft.names(get(value, "id"), get(value, "model"), get(value, "system_fingerprint"))
    if (said := get(value, "usage")) is not None:
        draft.usage = _usage(said)


def _read_end(choice: object, draft: Draft) -> None:
    if (reason := get(choice, "finish_reason")) is not None:
        draft.ended(reason)


def _read_texts(message: object, draft: Draft) -> None:
    content = get(message, "content")
    if isinstance(content, str):
        draft.write(content)
    else:
        for part in items(content):
            if get(whole(part), "type") == "text":
                draft.write(get(part, "text"))
    if (refusal := get(message, "refusal")) is not None:
        draft.refuse(refusal)


def _read_call(call: object, draft: Draft, key: object) -> None:
    custom = get(call, "custom")
    made = whole(get(call, "function") if custom is None else custom)
    call_id = get(call, "id")
    call_id = string(call_id) if call_id is not None else ""
    if not draft.has_call(key, call_id):
        draft.call(get(made, "name"), key=key, call_id=call_id)
    arguments = get(made, "arguments" if custom is None else "input")
    draft.argue(key, "" if arguments is None else arguments, is_text=custom is not None)


def _read_function_call(message: object, draft: Draft) -> None:
    """Reads the call of a function as it was before tools."""
    if (made := get(message, "function_call")) is not None:
        _read_call({"function": made}, draft, "function_call")


def _usage(said: object) -> Usage:
    """xAI and Gemini report reasoning beside the output, and their total shows that."""
    read, wrote = count(get(said, "prompt_tokens")), count(get(said, "completion_tokens"))
    of_input, of_output = get(said, "prompt_tokens_details"), get(said, "completion_tokens_details")
    cached = get(of_input, "cached_tokens")
    reasoning = count(get(of_output, "reasoning_tokens"))
    if read is not None and wrote is not None and reasoning and get(said, "total_tokens") == read + wrote + reasoning:
        wrote += reasoning
    return usage(
        read=read,
        cached=get(said, "prompt_cache_hit_tokens") if cached is None else cached,  # DeepSeek's name
        cache_written=get(of_input, "cache_write_tokens"),
        wrote=wrote,
        reasoning=reasoning,
    )
