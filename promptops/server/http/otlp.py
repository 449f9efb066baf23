"""OTLP: the spans of a body -> :class:`~promptops.core.spans.batch.Batch`, and the answer to it.

https://opentelemetry.io/docs/specs/otlp/ and the messages of ``opentelemetry.proto.collector.trace.v1``

The body is walked by its lengths down to the spans, and of those only the ones that have the name of our attribute are
parsed. So most spans of an application cost a search, and a body cannot be small as bytes and large in memory: a span
that is empty takes two bytes of a body, and a hundred once it is parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from promptops.core.errors import RequestInvalid, RequestTooLarge
from promptops.core.spans.batch import Batch
from promptops.core.spans.names import READ, REVISION, SPELLINGS, Fact
from promptops.core.spans.span import Value

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

MOST_SPANS: Final = 20_000
"""Spans of one request; the exporters of SDKs send 512 at a time, collectors 8,192."""

_MARK: Final = REVISION.encode()
_LARGEST: Final = 1 << 20  # bytes of one span with our attribute: it may have the text of a request and its answer
_WORDS: Final = 8  # items of a list that are read: the reasons why the choices of an answer ended
_ERROR: Final = 2  # STATUS_CODE_ERROR


def read_spans(body: bytes, batch: Batch) -> None:
    """Adds the spans of an ``ExportTraceServiceRequest`` that have a revision to the batch.

    Raises:
        RequestInvalid: it is not such a message. RequestTooLarge: it has too many spans.
    """
    if _MARK not in body:
        return
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    try:
        for start, end in _spans(body):
            if body.find(_MARK, start, end) < 0:
                continue
            if end - start > _LARGEST:
                batch.reject(f"a span has over {_LARGEST:,} bytes")
                continue
            _add(Span.FromString(body[start:end]), batch)
    except (DecodeError, IndexError) as error:
        raise RequestInvalid("the body is not an ExportTraceServiceRequest of OTLP") from error


def answer(batch: Batch) -> bytes:
    """Returns the ``ExportTraceServiceResponse``; it names how many spans were rejected, and why the first one was."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    said = ExportTraceServiceResponse()
    if batch.rejected:
        said.partial_success.rejected_spans = batch.rejected
        said.partial_success.error_message = batch.why
    return bytes(said.SerializeToString())


# --- lengths ---------------------------------------------------------------------------------------


def _spans(body: bytes) -> Iterator[tuple[int, int]]:
    """The places of all spans: field 1 of a request is a resource, 2 of that a scope, 2 of that a span."""
    count = 0
    for resource, resource_end in _messages(body, 0, len(body), 1):
        for scope, scope_end in _messages(body, resource, resource_end, 2):
            for span in _messages(body, scope, scope_end, 2):
                count += 1
                if count > MOST_SPANS:
                    raise RequestTooLarge(f"the request has over {MOST_SPANS:,} spans", hint="Export fewer at a time.")
                yield span


def _messages(body: bytes, place: int, end: int, number: int) -> Iterator[tuple[int, int]]:
    """The places of the messages in one field of a message.

    Raises:
        IndexError: it is cut, or no message.
    """
    steps = 0
    while place < end:
        steps += 1
        if steps > MOST_SPANS + 8:
            raise RequestTooLarge(f"a part of the request has over {MOST_SPANS:,} fields", hint="Export fewer spans.")
        tag, place = _varint(body, place)
        kind = tag & 7
        if kind == 2:
            size, place = _varint(body, place)
            if size > end - place:
                raise IndexError
            if tag >> 3 == number:
                yield place, place + size
            place += size
        elif kind == 0:
            _, place = _varint(body, place)
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        else:
            raise IndexError
    if place > end:
        raise IndexError


def _varint(body: bytes, place: int) -> tuple[int, int]:
    number = body[place]
    if number < 128:
        return number, place + 1
    number &= 127
    for shift in range(7, 70, 7):
        place += 1
        byte = body[place]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, place + 1
    raise IndexError


# --- attributes ------------------------------------------------------------------------------------


def _add(span: Span, batch: Batch) -> None:
    facts: dict[Fact, Value] = {}
    ranks: dict[Fact, int] = {}
    known_of = READ.get
    for attribute in span.attributes:
        known = known_of(attribute.key)
        if known is not None:
            fact, rank = known
            if fact not in ranks or rank < ranks[fact]:
                ranks[fact] = rank
                facts[fact] = _value(attribute.value)
    if Fact.REVISION not in facts:  # the name is in a text
        return
    failed = span.status.code == _ERROR
    if failed and Fact.ERROR not in facts:
        facts |= _exception(span)
    batch.add(
        facts,
        trace=span.trace_id,
        id=span.span_id,
        parent=span.parent_span_id,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        failed=failed,
    )


def _exception(span: Span) -> dict[Fact, Value]:
    """The class of the error in the event that SDKs add where an exception leaves a span."""
    for event in span.events[-1:]:
        for attribute in event.attributes:
            if attribute.key in SPELLINGS[Fact.ERROR]:
                return {Fact.ERROR: _value(attribute.value)}
    return {}


def _value(value: AnyValue) -> Value:
    if text := value.string_value:  # most values are texts, and asking for the kind takes as long again
        return text
    kind = value.WhichOneof("value")
    if kind is None or kind in ("kvlist_value", "bytes_value"):
        return None
    if kind == "array_value":
        return [item.string_value for item in value.array_value.values[:_WORDS]]
    found: Value = getattr(value, kind)
    return found
