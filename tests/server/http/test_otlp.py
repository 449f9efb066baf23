"""Bodies of OTLP: what an exporter sends is read, and what is hostile is refused and costs little."""

from __future__ import annotations

import resource
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from promptops.core.errors import RequestInvalid, RequestTooLarge
from promptops.core.outcomes.call_outcome import Count
from promptops.core.spans.batch import Batch, count_spans
from promptops.server.http.otlp import MOST_SPANS, answer, read_spans
from tests.core.spans.test_batch import CHAT, LINEAGE
from tests.support.otlp import a_span, body_of


def read(body: bytes) -> Batch:
    batch = Batch(lineage=LINEAGE, epoch=3)
    read_spans(body, batch)
    return batch


def test_the_spans_of_several_resources_and_scopes_are_read() -> None:
    request = ExportTraceServiceRequest()
    for resource_ in range(2):
        for scope in range(3):
            scopes = request.resource_spans.add().scope_spans if not scope else request.resource_spans[-1].scope_spans
            scopes.add().spans.extend([a_span(CHAT, number=10 * resource_ + scope), a_span({}, number=100)])
    request.resource_spans[0].schema_url = "https://opentelemetry.io/schemas/1.45.0"
    spans = read(request.SerializeToString()).counted()
    assert len(spans) == 6
    found = count_spans(spans, {span.call_key for span in spans}).sums
    assert sum(sums[Count.CALLS] for sums in found.values()) == 6


@pytest.mark.parametrize(
    ("attributes", "tokens"),
    [
        ({}, 100),
        ({"gen_ai.usage.input_tokens": 7.0}, 7),
        ({"gen_ai.usage.prompt_tokens": 5}, 100),  # the newer spelling counts
        ({"gen_ai.usage.input_tokens": "7"}, None),
        ({"gen_ai.usage.input_tokens": [7]}, None),
        ({"gen_ai.usage.input_tokens": {"a": 7}}, None),
        ({"gen_ai.usage.input_tokens": b"7"}, None),
        ({"gen_ai.usage.input_tokens": float("nan")}, None),
        ({"gen_ai.usage.input_tokens": float("inf")}, None),
        ({"gen_ai.usage.input_tokens": None}, None),
    ],
)
def test_values_of_any_type_are_read_or_not_known(attributes: dict[str, Any], tokens: int | None) -> None:
    [span] = read(body_of(a_span(CHAT | attributes))).counted()
    assert (span.span.tokens.input if span.span.tokens else None) == tokens


def test_an_exception_that_left_a_span_is_its_error() -> None:
    span = a_span(CHAT)
    span.status.code = Status.STATUS_CODE_ERROR
    event = span.events.add(name="exception")
    for name, text in (("exception.message", "a secret"), ("exception.type", "openai.RateLimitError")):
        event.attributes.add(key=name).value.string_value = text
    assert read(body_of(span)).counted()[0].span.error == "openai.RateLimitError"


def test_a_text_that_has_the_name_of_our_attribute_is_no_stamp() -> None:
    said = {"gen_ai.input.messages": "what is promptops.revision?", "promptops.app": "bot"}
    assert read(body_of(a_span(said))).counted() == ()


def test_the_answer_says_how_many_spans_were_rejected_and_why() -> None:
    assert answer(read(body_of(a_span(CHAT)))) == b""
    batch = read(body_of(a_span(CHAT | {"promptops.variant": "blue"}), a_span(CHAT, number=2)))
    said = ExportTraceServiceResponse.FromString(answer(batch))
    assert said.partial_success.rejected_spans == 1
    assert said.partial_success.error_message == "promptops.variant is not one of stable, canary, fixed, named"


def test_an_empty_request_and_one_without_our_attribute_are_taken() -> None:
    assert read(b"").counted() == read(body_of(a_span({"http.request.method": "GET"}))).counted() == ()


# --- hostile -----------------------------------------------------------------------------------------

WHOLE = body_of(a_span(CHAT), a_span(CHAT, number=2))


@pytest.mark.parametrize("size", range(WHOLE.index(b"promptops.revision") + 18, len(WHOLE), 7))
def test_a_body_that_is_cut_anywhere_is_refused_as_a_whole(size: int) -> None:
    with pytest.raises(RequestInvalid, match="not an ExportTraceServiceRequest"):
        read(WHOLE[:size])


@given(st.binary(max_size=300), st.integers(0, len(WHOLE)))
def test_no_bytes_make_it_fail_in_another_way(noise: bytes, place: int) -> None:
    for body in (noise, noise + b"promptops.revision", WHOLE[:place] + noise + WHOLE[place:]):
        try:
            read(body).counted()
        except (RequestInvalid, RequestTooLarge):
            continue


def _field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def test_a_million_empty_spans_are_refused_before_they_take_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    many = _field(1, _field(2, _field(2, b"") * 1_000_000 + _field(2, b"promptops.revision")))
    with pytest.raises(RequestTooLarge, match="over 20,000 spans"):
        read(many)
    nothing = _field(1, _field(2, b"\x18\x01" * 1_000_000 + _field(2, b"promptops.revision")))
    with pytest.raises(RequestTooLarge, match="over 20,000 fields"):
        read(nothing)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_a_span_that_is_small_as_bytes_and_large_in_memory_is_not_parsed() -> None:
    bomb = a_span(CHAT).SerializeToString() + b"\x4a\x00" * (1 << 20)  # empty attributes
    batch = read(_field(1, _field(2, _field(2, bomb) + _field(2, a_span(CHAT, number=2).SerializeToString()))))
    assert len(batch.counted()) == 1
    assert (batch.rejected, batch.why) == (1, "a span has over 1,048,576 bytes")


def test_values_that_are_nested_deeply_are_refused() -> None:
    value = b""
    for _ in range(2_000):
        value = _field(5, _field(1, value))
    deep = a_span(CHAT).SerializeToString() + _field(9, _field(1, b"x") + _field(2, value))
    with pytest.raises(RequestInvalid):
        read(_field(1, _field(2, _field(2, deep))))


def test_as_many_spans_as_may_be_are_read() -> None:
    one = _field(2, a_span({}).SerializeToString())
    body = _field(1, _field(2, one * (MOST_SPANS - 1) + _field(2, a_span(CHAT).SerializeToString())))
    assert len(read(body).counted()) == 1
