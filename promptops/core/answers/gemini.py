"""Answers of Gemini's ``generateContent``, from Google AI and from Vertex: JSON, and objects of ``google-genai``."""

from __future__ import annotations

from promptops.core.answers.draft import Draft
from promptops.core.answers.fields import count, get, items, total, usage, whole
from promptops.core.answers.reading import Finish
from promptops.core.model import LISTS

_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"


def is_answer(value: object) -> bool:
    """Whether this is an answer, or a chunk of a stream, which looks alike: the last one may have the usage alone."""
    said = _either(value, "usage_metadata", "usageMetadata")
    feedback = _either(value, "prompt_feedback", "promptFeedback")
    return (
        isinstance(_either(said, "prompt_token_count", "promptTokenCount"), int)
        or isinstance(_either(feedback, "block_reason", "blockReason"), str)
        or any(_is_candidate(candidate) for candidate in items(get(value, "candidates"))[:1])
    )


def _is_candidate(value: object) -> bool:
    reason, parts = _either(value, "finish_reason", "finishReason"), get(get(value, "content"), "parts")
    return isinstance(reason, str) or isinstance(parts, LISTS)


def read(value: object, draft: Draft) -> None:
    """Reads an answer or a chunk: its first candidate. A blocked prompt has none."""
    draft.names(_either(value, "response_id", "responseId"), _either(value, "model_version", "modelVersion"))
    if (said := _either(value, "usage_metadata", "usageMetadata")) is not None:
        _read_usage(said, draft)
    if (feedback := _either(value, "prompt_feedback", "promptFeedback")) is not None:
        blocked = _either(whole(feedback), "block_reason", "blockReason")
        if blocked is not None:
            draft.ended(blocked, Finish.CONTENT_FILTER)
    for candidate in items(get(value, "candidates"))[:1]:
        content, reason = get(whole(candidate), "content"), _either(candidate, "finish_reason", "finishReason")
        for part in items(get(whole(content), "parts")) if content is not None else ():
            _read_part(whole(part), draft)
        if reason not in (None, _UNSPECIFIED):
            draft.ended(reason)


def _read_part(part: object, draft: Draft) -> None:
    text = get(part, "text")
    if text is not None and get(part, "thought") is not True:
        draft.write(text)
    made = _either(part, "function_call", "functionCall")
    if made is None:
        return
    name, arguments = get(whole(made), "name"), get(made, "args")
    # Vertex may stream arguments as pieces by path, which are no JSON: the call is read, its arguments are not.
    is_cut = bool(_either(made, "partial_args", "partialArgs") or _either(made, "will_continue", "willContinue"))
    if name or not draft.is_stream:  # later pieces have no name
        draft.call(name, None if is_cut else arguments or {}, is_cut=is_cut)


def _read_usage(said: object, draft: Draft) -> None:
    """Thoughts and results of tools are reported beside output and input. JSON of Google leaves out a 0."""
    candidates = _either(said, "candidates_token_count", "candidatesTokenCount")
    thoughts = _either(said, "thoughts_token_count", "thoughtsTokenCount")
    if candidates is None and (thoughts, _either(said, "total_token_count", "totalTokenCount")) != (None, None):
        candidates = 0
    draft.usage = usage(
        read=total(
            _either(said, "prompt_token_count", "promptTokenCount"),
            _either(said, "tool_use_prompt_token_count", "toolUsePromptTokenCount"),
        ),
        cached=_either(said, "cached_content_token_count", "cachedContentTokenCount"),
        cache_written=None,
        wrote=total(candidates, thoughts),
        reasoning=count(thoughts),
    )


def _either(thing: object, snake: str, camel: str) -> object:
    """Returns a field by its name in objects of the SDK, or in JSON."""
    if isinstance(thing, dict) and camel in thing:
        return thing[camel]
    return get(thing, snake)
