"""Spans of OTLP -> sums, against the least that a reader in Python does: protobuf, and every attribute as a value.

Parsing alone, in C and without a value for Python, is ten times as fast as that.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from promptops.core.outcomes.call_outcome import Count
from promptops.core.spans.batch import Batch, count_spans
from promptops.server.http.otlp import read_spans
from tests.harness.bench.measure import Line, compare, timed
from tests.support.otlp import END, a_span, body_of

_SPANS = 2_000
_LINEAGE = "0b0e11aa-6c1f-4f6e-9d52-6a5f2a4f8f10"
_REQUEST = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-2024-08-06",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.max_tokens": 300,
    "gen_ai.usage.output_tokens": 100,
    "gen_ai.usage.cache_read.input_tokens": 500,
    "server.address": "api.openai.com",
    "server.port": 443,
}
_STAMP = {
    "promptops.app": "support-bot",
    "promptops.release": "1.4.0",
    "promptops.digest": "sha256:" + "0" * 64,
    "promptops.channel": "prod",
    "promptops.revision": "3.17",
    "gen_ai.prompt.name": "support-bot/answer",
    "gen_ai.prompt.version": "1.4.0",
}


def lines(folder: Path) -> Iterator[Line]:
    """Requests to models, all of them stamped; and a trace of which one span in ten is."""
    yield _line("each a request to a model with 20 attributes", every=1)
    yield _line("one in ten is stamped", every=10)


def _line(what: str, *, every: int) -> Line:
    body = _body(every)

    def ours() -> int:
        batch = Batch(lineage=_LINEAGE, epoch=3)
        read_spans(body, batch)
        spans = batch.counted()
        sums = count_spans(spans, {span.call_key for span in spans}).sums
        return sum(each[Count.CALLS] for each in sums.values())

    if ours() != _SPANS // every:
        raise RuntimeError("the reader did not count every span")
    return compare(
        f"spans of OTLP to sums: {_SPANS:,} spans, {what}",
        partial(timed, ours),
        partial(timed, lambda: _bare(body)),
        named="protobuf, each attribute as a value",
        bound=1 / 0.3,
        rounds=9,
    )


def _body(every: int) -> bytes:
    spans = []
    for number in range(_SPANS):
        more = {"gen_ai.response.id": f"chatcmpl-{number}", "gen_ai.usage.input_tokens": 1000 + number}
        stamp = _STAMP | {"promptops.variant": "stable" if number % 4 else "canary"} if number % every == 0 else {}
        spans.append(a_span({**_REQUEST, **more, **stamp}, number=number + 1, end=END + number * 10**6))
    return body_of(*spans)


def _bare(body: bytes) -> int:
    return sum(
        len({attribute.key: _value(attribute.value) for attribute in span.attributes})
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None
