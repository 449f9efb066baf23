"""Spans in OTLP, as an exporter sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

END = 29_403_712 * 60 * 10**9 + 30 * 10**9


def a_span(attributes: Mapping[str, Any], *, number: int = 1, end: int = END, milliseconds: int = 1000) -> Span:
    """A span that ended then; its id follows from the number."""
    span = Span(trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), name="chat gpt-4o", kind=Span.SPAN_KIND_CLIENT)
    span.start_time_unix_nano, span.end_time_unix_nano = end - milliseconds * 10**6, end
    for name, value in attributes.items():
        span.attributes.add(key=name).value.CopyFrom(_any(value))
    return span


def body_of(*spans: Span) -> bytes:
    """A request with these spans."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    return bytes(request.SerializeToString())


def _any(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    made = AnyValue()
    if isinstance(value, list):
        made.array_value.values.extend(_any(item) for item in value)
    elif isinstance(value, dict):
        for name, item in value.items():
            made.kvlist_value.values.add(key=name).value.CopyFrom(_any(item))
    return made
