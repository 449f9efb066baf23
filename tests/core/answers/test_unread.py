"""What is no answer of a known API is unread: nothing is guessed, no number is taken that cannot be, nothing raises."""

from __future__ import annotations

import copy
import json
import math
import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.answers.fields import MOST_TOKENS
from promptops.core.answers.reader import TEXT_LIMIT, Stream, read
from promptops.core.answers.reading import Api, Reading, Usage
from tests.core.answers.rows import ROWS, Row

WHOLE = [row for row in ROWS if not row.is_stream]
STREAMS = [row for row in ROWS if row.is_stream and row.cut is None]


def chat(**more: Any) -> dict[str, Any]:
    return {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]
    } | more


def with_message(**message: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", "content": "Hi", **message}, "finish_reason": "stop"}]}


class Raising:
    """An object whose every attribute raises, as a lazy one may that has lost its connection."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


class Anything:
    """An object that has every attribute, as mocks in tests of applications do."""

    def __getattr__(self, name: str) -> Anything:
        return self


OTHERS: list[Any] = [
    None,
    True,
    7,
    math.nan,
    "text",
    b"{}",
    [],
    [1],
    {},
    object(),
    Raising(),
    Anything(),
    SimpleNamespace(choices=[Anything()]),
    iter([]),
    {"error": {"message": "no such model"}},
    {"id": "x", "object": "text_completion", "choices": [{"text": "Hi", "finish_reason": "stop"}]},
    {"object": "list", "data": [{"object": "embedding", "embedding": [0.1]}], "usage": {"prompt_tokens": 3}},
    {"object": "response", "output": None},
    {"object": "thread.message", "content": [{"type": "text", "text": {"value": "Hi"}}]},
    # an item of a response, which is no message of Anthropic
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]},
    # Ollama, Cohere, LangChain, an election
    {"model": "llama", "message": {"role": "assistant", "content": "Hi"}, "done": True, "prompt_eval_count": 3},
    {"id": "x", "finish_reason": "COMPLETE", "message": {"role": "assistant", "content": [{"text": "Hi"}]}},
    SimpleNamespace(content="Hi", usage_metadata={"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}),
    {"candidates": [{"name": "Ada"}]},
    {"candidates": []},
    {"choices": []},
    {"choices": ["a", "b"]},
    {"choices": [{"message": {}}]},
    # another type than the API says
    with_message(content=7),
    with_message(content=[7]),
    with_message(content=[{"type": "text"}]),
    with_message(refusal=7),
    with_message(tool_calls={}),
    with_message(tool_calls=[{"function": {"arguments": "{}"}}]),
    with_message(tool_calls=[{"function": {"name": "", "arguments": "{}"}}]),
    with_message(tool_calls=[{"function": {"name": "f", "arguments": {}}}]),
    {"choices": [{"message": {"role": "assistant"}, "finish_reason": 7}]},
    {"content": "Hi", "stop_reason": "end_turn"},
    {"content": [{"type": "tool_use", "name": "f"}], "stop_reason": "tool_use"},
    {"output": {"message": {"content": "Hi"}}, "stopReason": "end_turn"},
    {"output": {"text": "Hi"}, "stopReason": "end_turn"},
]


@pytest.mark.parametrize("value", OTHERS, ids=[str(place) for place in range(len(OTHERS))])
def test_another_shape_is_unread(value: Any) -> None:
    assert read(value) is None
    assert [read(value, api=api) for api in Api] == [None] * len(Api)
    stream = Stream()
    assert not stream.add(value)
    assert stream.reading() is None


@pytest.mark.parametrize(
    "number", [-1, True, 1.0, math.nan, math.inf, "7", None, [7], {}, MOST_TOKENS + 1, 10**400], ids=repr
)
def test_a_number_that_cannot_be_is_not_taken(number: Any) -> None:
    usage = {"prompt_tokens": number, "completion_tokens": 2}
    reading = read(chat(usage=usage))
    assert reading is not None and reading.usage == Usage(output_tokens=2)
    details = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": number}}
    reading = read(chat(usage=details))
    assert reading is not None and reading.usage == Usage(input_tokens=9, output_tokens=2)


@pytest.mark.parametrize("usage", [None, 7, [], "many", {}], ids=repr)
def test_an_answer_without_usage_has_no_numbers(usage: Any) -> None:
    reading = read(chat(usage=usage))
    assert reading is not None and reading.usage == Usage()


@pytest.mark.parametrize("number", [-1, True, math.nan, "7"], ids=repr)
def test_a_sum_with_a_number_that_cannot_be_is_not_known(number: Any) -> None:
    message = {"content": [], "stop_reason": "end_turn"}
    usage = {"input_tokens": 5, "cache_read_input_tokens": number, "output_tokens": 2}
    reading = read({**message, "usage": usage})
    assert reading is not None and reading.usage == Usage(output_tokens=2)


def test_a_part_that_is_larger_than_the_whole_is_not_taken() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 5}}
    reading = read(chat(usage={"prompt_tokens": 10, "completion_tokens": 2, **details}))
    assert reading is not None and reading.usage == Usage(input_tokens=10, output_tokens=2)
    reading = read(chat(usage={"completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 3}}))
    assert reading is not None and reading.usage == Usage(output_tokens=2)


def test_reasoning_is_added_only_where_the_total_shows_that_it_is_beside_the_output() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 3}}
    for total, wrote in ((18, 8), (15, 5), (17, 5), (None, 5)):
        reading = read(chat(usage={**usage, "total_tokens": total}))
        assert reading is not None and reading.usage.output_tokens == wrote


def test_a_word_that_is_not_known_is_other_and_an_empty_one_is_no_end() -> None:
    for word, finish in (("pause_turn", "other"), ("STOP", "stop"), ("", None)):
        reading = read({"choices": [{"message": {"role": "assistant"}, "finish_reason": word}]})
        assert reading is not None and (reading.finish, reading.finish_word) == (finish, word)


def test_names_are_short_printable_lines() -> None:
    reading = read(chat(model="m\x1b[2J\n" + "x" * 300, id=7, system_fingerprint=None))
    assert reading is not None
    assert reading.model.startswith(r"m\x1b[2J\n") and len(reading.model) == 200
    assert (reading.response_id, reading.fingerprint) == ("", "")


def test_text_and_arguments_are_cut_at_the_limit_and_at_a_whole_letter() -> None:
    long = "é" * TEXT_LIMIT
    reading = read(with_message(content=long))
    assert reading is not None and reading.cut
    assert reading.text == "é" * (TEXT_LIMIT // 2)
    odd = read(with_message(content="x" + long), limit=4)
    assert odd is not None and odd.text == "xé"
    exact = read(with_message(content="x" * TEXT_LIMIT))
    assert exact is not None and not exact.cut
    calls = [{"function": {"name": "f", "arguments": json.dumps({"a": text})}} for text in ("b", "c" * TEXT_LIMIT, "d")]
    called = read(with_message(content="short", tool_calls=calls))
    assert called is not None and called.cut and called.text == "short"
    assert [call.arguments for call in called.tool_calls] == [{"a": "b"}, None, None]


def test_a_stream_keeps_no_more_than_the_limit() -> None:
    stream = Stream(limit=1000)
    for _ in range(5000):
        stream.add({"choices": [{"index": 0, "delta": {"content": "ab\ud800"}}]})
    reading = stream.reading()
    assert reading is not None and reading.cut
    assert reading.text == "ab\ud800" * 333 + "a"


def test_arguments_that_are_nested_too_deeply_are_not_parsed() -> None:
    call = {"function": {"name": "f", "arguments": "[" * 60_000}}
    reading = read(with_message(tool_calls=[call]))
    assert reading is not None and reading.tool_calls[0].arguments is None


def test_an_answer_with_endless_calls_is_cut() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    reading = read(with_message(tool_calls=[call] * 5000))
    assert reading is not None and reading.cut and len(reading.tool_calls) == 1024


def test_a_stream_that_changes_its_shape_is_unread() -> None:
    stream = Stream()
    assert stream.add({"choices": [{"index": 0, "delta": {"content": "Hi"}}]})
    assert not stream.add({"choices": [{"index": 0, "delta": {"content": 7}}]})
    assert not stream.add({"choices": [{"index": 0, "delta": {"content": "more"}}]})
    assert stream.reading() is None


def test_an_error_within_a_stream_ends_it() -> None:
    stream = Stream()
    stream.add({"type": "response.created", "response": {"object": "response", "id": "r"}})
    stream.add({"type": "error", "code": "server_error", "message": "…"})
    reading = stream.reading()
    assert reading is not None and (reading.finish, reading.finish_word) == ("error", "server_error")


def plausible(reading: Reading | None) -> bool:
    """Whether what was read could be: each number in its range, no part above the whole."""
    if reading is None:
        return True
    usage = reading.usage
    numbers = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cache_written_tokens)
    assert all(number is None or (type(number) is int and 0 <= number <= MOST_TOKENS) for number in numbers)
    if usage.input_tokens is not None:
        assert (usage.cached_tokens or 0) + (usage.cache_written_tokens or 0) <= usage.input_tokens
    if usage.output_tokens is not None:
        assert (usage.reasoning_tokens or 0) <= usage.output_tokens
    assert type(reading.text) is str and all(type(call.name) is str and call.name for call in reading.tool_calls)
    return True


WORDS = st.sampled_from(sorted({name for row in ROWS for name in re.findall(r'"(\w+)":', json.dumps(row.body))}))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=4),
    max_leaves=15,
)


@given(JSON)
def test_no_json_raises(value: Any) -> None:
    assert plausible(read(value))
    assert all(plausible(read(value, api=api)) for api in Api)


@given(st.lists(JSON, max_size=4))
def test_no_stream_raises(chunks: list[Any]) -> None:
    stream = Stream()
    for chunk in chunks:
        stream.add(chunk)
        assert plausible(stream.reading())


def spoilt(value: Any, data: st.DataObject, spoil: Any) -> Any:
    """The value with one thing in it, at any depth, replaced or removed."""
    value = copy.deepcopy(value)
    place = value
    while True:
        if not isinstance(place, dict | list) or not place:
            return spoil
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
        elif data.draw(st.booleans()):
            place[key] = spoil
            return value
        else:
            del place[key]
            return value


@given(row=st.sampled_from(WHOLE), data=st.data(), spoil=JSON)
def test_a_spoilt_answer_never_raises(row: Row, data: st.DataObject, spoil: Any) -> None:
    assert plausible(read(spoilt(row.body, data, spoil)))


@given(row=st.sampled_from(STREAMS), data=st.data(), spoil=JSON)
def test_a_spoilt_stream_never_raises(row: Row, data: st.DataObject, spoil: Any) -> None:
    chunks = spoilt(row.body, data, spoil)
    stream = Stream()
    for chunk in chunks if isinstance(chunks, list) else [chunks]:
        stream.add(chunk)
        assert plausible(stream.reading())
