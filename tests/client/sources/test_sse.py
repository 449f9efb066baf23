"""A stream of server-sent events, cut into pieces anywhere."""

from __future__ import annotations

import pytest

from promptops.client.sources.sse import MAX_EVENT, Event, EventReader
from promptops.core.errors import Invalid

STREAM = b'retry: 1500\n: hello\n\nevent: change\nid: 7\ndata: {"a":1}\n\ndata: one\ndata: two\n\n: ping\n\n'
EVENTS = [Event(name="change", data=b'{"a":1}', id="7"), Event(name="message", data=b"one\ntwo", id="7")]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_read_however_the_stream_is_cut(ending: bytes, size: int) -> None:
    reader, found = EventReader(), list[Event]()
    stream = b"\xef\xbb\xbf" + STREAM.replace(b"\n", ending)
    for start in range(0, len(stream), size):
        found += reader.feed(stream[start : start + size])
    assert found == EVENTS
    assert reader.retry == 1.5


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data\n\n", [Event(name="message", data=b"")]),
        (b"event: x\n\n", []),  # no data is no event, and its name is not the next one's
        (b"event: x\n\ndata: y\n\n", [Event(name="message", data=b"y")]),
        (b"data:y\n\n", [Event(name="message", data=b"y")]),
        (b"data:  y\n\n", [Event(name="message", data=b" y")]),
        (b"id: a\0b\ndata: y\n\n", [Event(name="message", data=b"y")]),
        (b"id: 4\n\ndata: y\n\n", [Event(name="message", data=b"y", id="4")]),
        (b"retry: soon\ndata: y\n\n", [Event(name="message", data=b"y")]),
        (b"what: else\ndata: y\n\n", [Event(name="message", data=b"y")]),
        (b"data: y\n", []),  # not complete
    ],
)
def test_the_standard_is_kept(stream: bytes, events: list[Event]) -> None:
    assert list(EventReader().feed(stream)) == events


def test_a_comment_counts_as_a_line_and_half_of_one_does_not() -> None:
    reader = EventReader()
    list(reader.feed(b": ping\n"))
    assert reader.lines == 1
    list(reader.feed(b": pi"))
    assert reader.lines == 1


@pytest.mark.parametrize(
    "stream", [b"data: " + b"x" * (MAX_EVENT + 1), b"data: xxxxxxxx\n" * (MAX_EVENT // 8), b"x" * (MAX_EVENT + 1)]
)
def test_an_event_that_never_ends_is_given_up(stream: bytes) -> None:
    reader = EventReader()
    with pytest.raises(Invalid):
        for start in range(0, len(stream), 1 << 20):
            list(reader.feed(stream[start : start + (1 << 20)]))
