"""Spans over OTLP/HTTP: stock exporters send them, and they count for the release that they are stamped with."""

from __future__ import annotations

import gzip
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.series import Arm
from promptops.core.token import Scope
from tests.server.conftest import Place, mint
from tests.server.running import Reply
from tests.support.otlp import a_span, body_of

TRACES = "/v1/traces"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
CHAT: dict[str, Any] = {
    "promptops.app": "bot",
    "promptops.channel": "prod",
    "promptops.revision": 3,
    "promptops.variant": "stable",
    "gen_ai.prompt.name": "bot/answer",
    "gen_ai.operation.name": "chat",
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
}


@pytest.fixture
def reporter(place: Place) -> Iterator[str]:
    """The secret of a token of the test alone that reports for everything."""
    yield mint(place.registry, f"reporter-{uuid.uuid4().hex[:8]}", Scope.REPORT)


def spans(count: int, attributes: Mapping[str, Any] = CHAT, *, ago: float = 0.0) -> bytes:
    """So many spans of a trace of the test alone that ended so many seconds ago."""
    made = [a_span(attributes, number=n + 1, end=int((time.time() - ago) * 10**9)) for n in range(count)]
    trace = uuid.uuid4().bytes
    for span in made:
        span.trace_id = trace
    return body_of(*made)


def send(place: Place, token: str, body: bytes, **headers: str) -> Reply:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return place.server.ask("POST", TRACES, token=token, headers=PROTOBUF | more, body=body)


def rejected(reply: Reply) -> tuple[int, str]:
    """How many spans were rejected, and why the first one was."""
    assert (reply.status, reply.headers["content-type"]) == (200, "application/x-protobuf")
    said = ExportTraceServiceResponse.FromString(reply.body).partial_success
    return said.rejected_spans, said.error_message


def counted(place: Place, count: Count = Count.CALLS) -> dict[tuple[str, Arm], int]:
    """What is counted of `bot`, by revision and arm."""
    at = datetime.now(UTC)
    found: dict[tuple[str, Arm], int] = {}
    with place.registry.read() as reader:
        for row in reader.outcome_rows("bot", since=at - timedelta(days=4), now=at):
            assignment = row.series.assignment
            if row.series.model == "gpt-4o":
                key = (assignment.counted, assignment.arm)
                found[key] = found.get(key, 0) + row.sums[count]
    return found


def test_spans_count_once_for_their_release_and_their_side(place: Place, reporter: str) -> None:
    before = counted(place).get(("1.3", Arm.STABLE), 0)
    body = spans(5)
    assert rejected(send(place, reporter, body)) == (0, "")
    assert rejected(send(place, reporter, body)) == (0, "")  # an exporter that heard no answer
    assert rejected(send(place, reporter, gzip.compress(body), Content_Encoding="gzip")) == (0, "")
    assert rejected(send(place, reporter, spans(2, CHAT | {"promptops.variant": "canary"}))) == (0, "")
    found = counted(place)
    assert (found["1.3", Arm.STABLE] - before, found["1.3", Arm.CANARY]) == (5, 2)
    metrics = place.server.get("/metrics", place.reader).body.decode()
    line = 'promptops_outcomes_total{app="bot",arm="stable",channel="prod",count="calls",release="0.1.2"}'
    assert float(metrics.partition(f"{line} ")[2].partition("\n")[0]) >= 5
    assert counted(place, Count.NO_UNIT) == found


def test_spans_of_other_things_are_dropped_and_an_empty_request_is_taken(place: Place, reporter: str) -> None:
    before = counted(place)
    for body in (b"", spans(3, {"http.request.method": "GET"})):
        assert rejected(send(place, reporter, body)) == (0, "")
    assert counted(place) == before


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"promptops.app": "nobody"}, "the channel never served the app's revision, or the token does not report"),
        ({"promptops.channel": "dev"}, "the channel never served the app's revision"),
        ({"promptops.revision": 4}, "the channel never served the app's revision"),
        ({"promptops.revision": "2.1"}, "the channel never served the app's revision"),
        ({"promptops.variant": "blue"}, "promptops.variant is not one of stable, canary, fixed"),
        (
            {"promptops.call_id": "pc1:00000000:bot:prod:1.3s:0db52f40:-:AAECAwQF-"},
            "of a registry whose lineage begins",
        ),
    ],
)
def test_stamped_spans_that_cannot_count_are_rejected_and_the_others_count(
    place: Place, reporter: str, attributes: dict[str, Any], why: str
) -> None:
    before = counted(place)
    count, message = rejected(send(place, reporter, spans(3, CHAT | attributes)))
    assert count == 3 and why in message
    assert counted(place) == before


def test_a_span_is_counted_until_two_days_after_its_end(place: Place, reporter: str) -> None:
    assert rejected(send(place, reporter, spans(1, ago=47 * 3600))) == (0, "")
    count, message = rejected(send(place, reporter, spans(2, ago=49 * 3600)))
    assert count == 2 and "ended more than two days ago" in message
    assert rejected(send(place, reporter, spans(1, ago=-3600))) == (0, "")  # a clock that is ahead


def test_a_token_reports_of_what_it_may(place: Place) -> None:
    assert send(place, place.reader, spans(1)).status == 403
    assert send(place, "", spans(1)).status == 401
    limited = mint(place.registry, f"limited-{uuid.uuid4().hex[:8]}", Scope.REPORT, apps=("other",))
    count, message = rejected(send(place, limited, spans(2)))
    assert count == 2 and "the token does not report of them" in message


def test_json_and_what_is_no_protobuf_are_refused_with_what_to_do(place: Place, reporter: str) -> None:
    as_json = place.server.ask("POST", TRACES, token=reporter, body={"resourceSpans": []})
    assert (as_json.status, as_json.code) == (415, "media-type-not-taken")
    assert "http/protobuf" in str(as_json.json["hint"])
    assert send(place, reporter, b"x", Content_Encoding="br").status == 415
    for body in (b"promptops.revision", b"\xff" * 100 + b"promptops.revision"):
        refused = send(place, reporter, body)
        assert (refused.status, refused.code) == (422, "request-invalid")


def test_what_is_compressed_is_bounded_and_whole(place: Place, reporter: str) -> None:
    zipped = gzip.compress(spans(1))
    bomb = gzip.compress(bytes(64 << 20))
    assert len(bomb) < 100_000
    for body, status in ((bomb, 413), (zipped[:-9], 422), (zipped + b"more", 422), (b"not gzip", 422), (b"", 200)):
        assert send(place, reporter, body, Content_Encoding="gzip").status == status, body[:10]
    large = gzip.compress(spans(1) + b"\x7a" + b"\x80\x80\x80\x04" + bytes(8 << 20))  # an unknown field of 8 MiB
    assert rejected(send(place, reporter, large, Content_Encoding="gzip")) == (0, "")
    assert send(place, reporter, bytes(5 << 20)).status == 413


def test_no_text_of_a_span_is_stored_or_logged(place: Place, reporter: str) -> None:
    secret = "Ada-Lovelace-1815"
    texts = ("gen_ai.input.messages", "gen_ai.output.messages", "llm.input_messages.0.message.content", "error.message")
    span = a_span(CHAT | dict.fromkeys(texts, secret) | {"gen_ai.response.id": secret, "user.id": secret})
    span.trace_id, span.name = uuid.uuid4().bytes, secret
    span.status.code, span.status.message = Status.STATUS_CODE_ERROR, secret
    span.start_time_unix_nano = span.end_time_unix_nano = int(time.time() * 10**9)
    event = span.events.add(name="exception")
    for name in ("exception.message", "exception.stacktrace", "exception.type"):
        event.attributes.add(key=name).value.string_value = f"{secret}: the card of {secret} was declined"
    assert rejected(send(place, reporter, body_of(span))) == (0, "")
    at = datetime.now(UTC)
    with place.registry.read() as reader:
        rows = list(reader.outcome_rows("bot", since=at - timedelta(days=1), now=at))
    assert any(row.sums.failed for row in rows)
    assert secret not in repr(rows) and secret not in place.server.said()
    refused = CHAT | {"promptops.variant": secret, "promptops.call_id": secret}
    assert secret not in rejected(send(place, reporter, spans(1, refused)))[1]
