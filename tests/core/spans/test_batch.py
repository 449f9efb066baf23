"""Spans of one request: each is counted once and for its release, and what repeats another one is not counted."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.sums import Sums
from promptops.core.spans.batch import Batch, count_spans
from promptops.core.spans.span import facts_of

LINEAGE = "0b0e11aa-6c1f-4f6e-9d52-6a5f2a4f8f10"
STAMP: dict[str, Any] = {
    "promptops.app": "bot",
    "promptops.channel": "prod",
    "promptops.revision": "3.17",
    "promptops.variant": "stable",
    "gen_ai.prompt.name": "bot/answer",
}
CHAT = STAMP | {
    "gen_ai.operation.name": "chat",
    "gen_ai.response.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
}
MINUTE = 29_403_712
NOW = MINUTE * 60 * 10**9
TRACE = b"t" * 16
CALL = "pc1:0b0e11aa:bot:prod:3.17s:0db52f40:-:AAECAwQF-"


def batch() -> Batch:
    return Batch(lineage=LINEAGE, epoch=3)


def add(
    into: Batch, name: str, attributes: dict[str, Any], *, parent: str = "", at: float = 0.0, took: float = 1.0
) -> None:
    """A span that ends so many seconds after the beginning of the minute."""
    end = NOW + int(at * 10**9)
    into.add(
        facts_of(attributes),
        trace=TRACE,
        id=name.encode().rjust(8),
        parent=parent.encode().rjust(8) if parent else b"",
        start=end - int(took * 10**9),
        end=end,
        failed=False,
    )


def sums(of: Batch, *, known: frozenset[bytes] = frozenset()) -> dict[tuple[Series, int], Sums]:
    """The sums of what is new beside the keys that are known."""
    spans = [span for span in of.counted() if span.key not in known]
    recorded = count_spans(spans, {span.call_key for span in spans} - known)
    assert not recorded.dropped
    return dict(recorded.sums)


def keys(of: Batch) -> frozenset[bytes]:
    """What a registry remembers of a batch."""
    return frozenset(key for span in of.counted() for key in (span.key, span.call_key, *span.above))


def only(of: dict[tuple[Series, int], Sums]) -> Sums:
    [found] = of.values()
    return found


def test_a_request_to_a_model_is_counted_for_the_release_that_its_span_is_stamped_with() -> None:
    spans = batch()
    add(spans, "a", CHAT | {"gen_ai.provider.name": "openai"}, at=30, took=2)
    [(place, counted)] = sums(spans).items()
    assignment = Assignment(app="bot", channel="prod", epoch=3, revision=17, arm=Arm.STABLE)
    assert place == (Series(assignment=assignment, prompt="answer", model="openai/gpt-4o"), MINUTE)
    assert dict(counted.counts) == {
        Count.CALLS: 1,
        Count.NO_UNIT: 1,
        Count.INPUT_TOKENS: 100,
        Count.OUTPUT_TOKENS: 10,
    }
    assert counted.latency().quantile(0.5) == pytest.approx(2000, rel=0.01)
    assert (spans.rejected, spans.why) == (0, "")


@pytest.mark.parametrize(
    ("attributes", "counts"),
    [
        ({"gen_ai.response.finish_reasons": ["content_filter"]}, {Count.REFUSED: 1}),
        ({"gen_ai.response.finish_reasons": ["length"]}, {Count.TRUNCATED: 1}),
        ({"gen_ai.usage.output_tokens": None}, {Count.UNREAD: 1, Count.INPUT_TOKENS: 0, Count.OUTPUT_TOKENS: 0}),
        ({"error.type": "CancelledError"}, {Count.CANCELLED: 1}),
    ],
)
def test_how_a_request_ended_is_counted(attributes: dict[str, Any], counts: dict[Count, int]) -> None:
    spans = batch()
    add(spans, "a", CHAT | attributes)
    found = only(sums(spans))
    assert {count: found[count] for count in counts} == counts
    assert found.failed == 0


def test_an_error_is_counted_by_its_class_and_is_no_latency() -> None:
    spans = batch()
    add(spans, "a", CHAT | {"error.type": "timeout", "gen_ai.usage.output_tokens": None})
    found = only(sums(spans))
    assert (dict(found.errors), found[Count.UNREAD], dict(found.histograms)) == ({"timeout": 1}, 0, {})


def test_a_span_that_is_sent_again_counts_once_also_within_one_request() -> None:
    first = batch()
    add(first, "a", CHAT)
    add(first, "a", CHAT)
    assert only(sums(first))[Count.CALLS] == 1
    again = batch()
    add(again, "a", CHAT)
    add(again, "b", CHAT)
    assert only(sums(again, known=keys(first)))[Count.CALLS] == 1


def test_a_wrapper_that_repeats_what_it_wraps_is_not_counted_in_one_request_or_in_two() -> None:
    agent = STAMP | {"gen_ai.operation.name": "invoke_agent", "gen_ai.usage.input_tokens": 100}
    together = batch()
    add(together, "inner", CHAT, parent="middle", at=1)
    add(together, "middle", STAMP | {"http.request.method": "POST"}, parent="outer", at=2)
    add(together, "outer", CHAT, parent="agent", at=3)
    add(together, "agent", agent, at=4)
    assert only(sums(together))[Count.INPUT_TOKENS] == 100

    inner, outer = batch(), batch()
    add(inner, "inner", CHAT, parent="outer", at=1)
    add(outer, "outer", CHAT, at=3)
    assert only(sums(inner))[Count.INPUT_TOKENS] == 100
    assert sums(outer, known=keys(inner)) == {}


def test_spans_in_a_circle_end_the_search_for_what_lies_in_what() -> None:
    spans = batch()
    add(spans, "a", CHAT, parent="b")
    add(spans, "b", CHAT, parent="a")
    add(spans, "c", CHAT, parent="c")
    assert spans.counted() == ()


def test_several_requests_of_one_call_are_one_call_in_one_request_or_in_two() -> None:
    one = CHAT | {"promptops.call_id": CALL}
    together = batch()
    add(together, "a", one, at=10, took=2)
    add(together, "b", one | {"error.type": "timeout"}, at=15, took=1)
    add(together, "c", one, at=20, took=1)
    found = only(sums(together))
    assert (found[Count.CALLS], found[Count.INPUT_TOKENS], found.failed) == (1, 300, 0)
    assert found.latency().quantile(1.0) == pytest.approx(12_000, rel=0.01)

    later = batch()
    add(later, "d", one, at=30)
    more = only(sums(later, known=keys(together)))
    assert dict(more.counts) == {Count.INPUT_TOKENS: 100, Count.OUTPUT_TOKENS: 10}
    assert Measure.LATENCY not in more.histograms


def test_what_a_client_reports_itself_is_not_counted_again() -> None:
    spans = batch()
    add(spans, "a", CHAT | {"promptops.reported": True})
    assert (spans.counted(), spans.rejected) == ((), 0)


def test_a_span_that_is_no_request_to_a_model_is_dropped_without_a_word() -> None:
    spans = batch()
    add(spans, "a", STAMP)
    assert (spans.counted(), spans.rejected) == ((), 0)


def test_a_whole_number_is_a_revision_of_the_newest_epoch() -> None:
    spans = batch()
    add(spans, "a", CHAT | {"promptops.revision": 17})
    add(spans, "b", CHAT | {"promptops.revision": "17"})
    [(series, _)] = sums(spans)
    assert series.assignment.counted == "3.17"


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"promptops.app": None}, "a span with promptops.revision needs promptops.app"),
        ({"promptops.app": 7}, "needs promptops.app"),
        ({"promptops.app": "No App"}, "'No App' is not an app's name"),
        ({"promptops.channel": ""}, "needs promptops.channel"),
        ({"gen_ai.prompt.name": None}, "needs gen_ai.prompt.name"),
        ({"gen_ai.prompt.name": "../x"}, "'../x' is not a prompt's name"),
        ({"promptops.variant": "blue"}, "promptops.variant is not one of stable, canary, fixed"),
        ({"promptops.variant": None}, "promptops.variant is not one of"),
        ({"promptops.revision": "3.x"}, "promptops.revision '3.x' is not a revision after its epoch"),
        ({"promptops.revision": True}, "promptops.revision is not a revision after its epoch"),
        ({"promptops.revision": -1}, "is not a revision after its epoch"),
        ({"promptops.revision": 2.5}, "is not a revision after its epoch"),
        ({"promptops.revision": 2**63 - 1}, "is not a revision after its epoch"),
        (
            {"promptops.call_id": CALL.replace("0b0e11aa", "ffffffff")},
            "of a registry whose lineage begins with 'ffffffff'",
        ),
    ],
)
def test_a_stamp_that_cannot_be_read_rejects_its_span_and_no_other(attributes: dict[str, Any], why: str) -> None:
    spans = batch()
    add(spans, "a", CHAT | attributes)
    add(spans, "b", CHAT)
    add(spans, "c", CHAT | attributes)
    assert only(sums(spans))[Count.CALLS] == 1
    assert spans.rejected == 2 and why in spans.why


def test_ids_that_no_span_has_are_rejected() -> None:
    spans = batch()
    for trace, name in ((b"t", b"s" * 8), (TRACE, b"s"), (b"", b"")):
        spans.add(facts_of(CHAT), trace=trace, id=name, parent=b"", start=0, end=NOW, failed=False)
    assert (spans.counted(), spans.rejected) == ((), 3)


def test_any_times_of_64_bits_are_counted_by_the_minute_of_their_end() -> None:
    spans = batch()
    spans.add(facts_of(CHAT), trace=TRACE, id=b"s" * 8, parent=b"", start=0, end=2**64 - 1, failed=False)
    assert [minute for _, minute in sums(spans)] == [(2**64 - 1) // (60 * 10**9)]


def test_an_attribute_that_is_no_call_id_is_as_if_it_were_not_there() -> None:
    spans = batch()
    add(spans, "a", CHAT | {"promptops.call_id": "mine"})
    add(spans, "b", CHAT | {"promptops.call_id": ["pc1:"]})
    assert only(sums(spans))[Count.CALLS] == 2
