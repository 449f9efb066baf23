"""Recorded answers of five APIs, whole and as streams, as dicts and as objects: one row each, and the right numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from promptops.core.answers.reader import Stream, read
from promptops.core.answers.reading import Api, Reading
from tests.core.answers.rows import ANSWERS, ROWS, Row, bodies


def as_object(value: Any) -> Any:
    """The same as attributes, as SDKs have it: in snake case, and JSON where an API takes any."""
    if isinstance(value, list):
        return [as_object(item) for item in value]
    if not isinstance(value, dict):
        return value
    return SimpleNamespace(**{
        re.sub(r"(?<=[a-z])[A-Z]", lambda upper: f"_{upper[0].lower()}", name): (
            item if name in ("args", "input") else as_object(item)
        )
        for name, item in value.items()
    })  # fmt: skip


def as_mapping(value: Any) -> Any:
    """The same as mappings that are no dicts."""
    if isinstance(value, list):
        return tuple(as_mapping(item) for item in value)
    return MappingProxyType({k: as_mapping(v) for k, v in value.items()}) if isinstance(value, dict) else value


def streamed(chunks: Any) -> tuple[Reading | None, list[int]]:
    """What a stream says, and which chunks were the first with content."""
    stream = Stream()
    firsts = [place for place, chunk in enumerate(chunks) if stream.add(chunk)]
    return stream.reading(), firsts


SHAPES = [pytest.param(lambda body: body, id="dict"), pytest.param(as_object, id="object")]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_recorded_answer_is_read(row: Row, shape: Callable[[Any], Any]) -> None:
    if row.reading.api is Api.CONVERSE and shape is as_object:
        shape = as_mapping  # botocore has no objects
    body = shape(row.body)
    if row.is_stream:
        first = [] if row.first is None else [row.first]
        assert streamed(body) == (row.reading, first)
    else:
        assert read(body) == row.reading
        assert read(body, api=row.reading.api) == row.reading


def test_every_recorded_answer_has_a_row() -> None:
    recorded = {f"{path.stem}/{name}" for path in ANSWERS.glob("*.json") for name in bodies(path.stem)}
    assert {row.name for row in ROWS} == recorded
    assert {row.reading.api for row in ROWS} == set(Api)


@pytest.mark.parametrize("row", [row for row in ROWS if not row.is_stream], ids=str)
def test_an_answer_of_one_api_is_none_of_another(row: Row) -> None:
    others = [api for api in Api if api is not row.reading.api]
    assert [api for api in others if read(row.body, api=api) is not None] == []


@pytest.mark.parametrize("row", [row for row in ROWS if row.is_stream], ids=str)
def test_a_stream_can_be_cut_anywhere(row: Row) -> None:
    stream = Stream()
    for chunk in row.body:
        stream.add(chunk)
        reading = stream.reading()
        assert reading is None or row.reading.text.startswith(reading.text)
    assert stream.reading() == row.reading


def test_a_whole_answer_is_no_stream_and_a_chunk_is_no_answer() -> None:
    alike = (Api.GENERATE_CONTENT,)  # its chunks have the shape of answers
    rows = [row for row in ROWS if row.reading.api not in alike]
    assert [row.name for row in rows if not row.is_stream and streamed([row.body]) != (None, [])] == []
    chunks = [(row.name, chunk) for row in rows if row.is_stream for chunk in row.body]
    assert [name for name, chunk in chunks if read(chunk) is not None] == []


def test_events_of_helpers_of_the_sdks_repeat_chunks_and_are_not_counted_twice() -> None:
    row = next(row for row in ROWS if row.name == "chat/stream" and row.cut is None)
    events = [event for chunk in row.body for event in (
        {"type": "chunk", "chunk": chunk, "snapshot": {}}, {"type": "content.delta", "delta": "Hel", "snapshot": "Hel"}
    )]  # fmt: skip
    assert streamed(events)[0] == row.reading
    row = next(row for row in ROWS if row.name == "messages/stream" and row.cut is None)
    events = [event for chunk in row.body for event in (chunk, {"type": "text", "text": "Hel", "snapshot": "Hel"})]
    assert streamed(events)[0] == row.reading
