"""What calls did, added up: in any order and grouping the same, also at every limit."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.client.prompt import Variant
from promptops.core.errors import Invalid
from promptops.core.outcomes.call_outcome import CallOutcome, Count, Measure, Tokens
from promptops.core.outcomes.counters import MAX_COUNT
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.series import Arm
from promptops.core.outcomes.sums import MAX_ERRORS, MAX_NAMES, OTHER, UNDECLARED, Score, Sums
from tests.core.outcomes.nouns import ANSWER, CALLS, SUMS, scores


def test_what_a_call_adds() -> None:
    call = CallOutcome(
        has_unit=False,
        refused=True,
        truncated=True,
        tokens=Tokens(input=1200, cached=1024, output=90, reasoning=40),
        latency_ms=850.0,
        first_token_ms=120.0,
        cost_usd=0.0042,
    )
    assert Sums.of(call) == Sums(
        counts={
            Count.CALLS: 1,
            Count.NO_UNIT: 1,
            Count.REFUSED: 1,
            Count.BAD: 1,
            Count.TRUNCATED: 1,
            Count.INPUT_TOKENS: 1200,
            Count.CACHED_TOKENS: 1024,
            Count.OUTPUT_TOKENS: 90,
            Count.REASONING_TOKENS: 40,
        },
        histograms={
            Measure.CACHED_LATENCY: Histogram.of([850.0]),
            Measure.FIRST_TOKEN: Histogram.of([120.0]),
            Measure.COST: Histogram.of([4200.0]),
        },
    )


@pytest.mark.parametrize(
    ("flag", "count", "bad"),
    [
        ("refused", Count.REFUSED, True),
        ("schema_failed", Count.SCHEMA_FAILED, True),
        ("check_failed", Count.CHECK_FAILED, True),
        ("cancelled", Count.CANCELLED, False),
        ("unread", Count.UNREAD, False),
        ("pin_mismatch", Count.PIN_MISMATCH, False),
        ("truncated", Count.TRUNCATED, False),
    ],
)
def test_every_flag_has_a_counter(flag: str, count: Count, bad: bool) -> None:
    wanted = {Count.CALLS: 1, count: 1, **({Count.BAD: 1} if bad else {})}
    assert Sums.of(CallOutcome(**{flag: True})).counts == wanted  # type: ignore[arg-type]


def test_a_call_is_bad_once_and_not_where_the_caller_went_away() -> None:
    bad = CallOutcome(error="TimeoutError", refused=True, schema_failed=True, check_failed=True)
    assert Sums.of(bad)[Count.BAD] == Sums.of(CallOutcome(error="TimeoutError"))[Count.BAD] == 1
    assert Sums.of(replace(bad, cancelled=True))[Count.BAD] == 0


@pytest.mark.parametrize("end", [{"error": "TimeoutError"}, {"cancelled": True}])
def test_the_time_of_a_call_without_an_answer_is_no_latency(end: dict[str, object]) -> None:
    made = Sums.of(CallOutcome(latency_ms=60_000.0, first_token_ms=1.0, cost_usd=0.1, **end))  # type: ignore[arg-type]
    assert made.histograms == {}
    assert made[Count.CALLS] == 1


def test_latencies_with_and_without_a_cache_are_together_all() -> None:
    cold = Sums.of(CallOutcome(latency_ms=900.0, tokens=Tokens(input=10)))
    warm = Sums.of(CallOutcome(latency_ms=300.0, tokens=Tokens(input=10, cached=8)))
    both = cold.merged(warm)
    assert both.histograms == {
        Measure.LATENCY: Histogram.of([900.0]),
        Measure.CACHED_LATENCY: Histogram.of([300.0]),
    }
    assert both.latency() == Histogram.of([300.0, 900.0])
    assert Sums().latency() == Histogram()


@given(SUMS, SUMS, SUMS)
def test_merging_has_no_order(one: Sums, two: Sums, three: Sums) -> None:
    assert one.merged(two) == two.merged(one)
    assert one.merged(two).merged(three) == one.merged(two.merged(three))
    assert one.merged(Sums()) == one


@given(st.lists(CALLS, min_size=1, max_size=40))
def test_sums_count_every_call_once(calls: list[CallOutcome]) -> None:
    total = reduce(Sums.merged, map(Sums.of, calls))
    assert total[Count.CALLS] == len(calls)
    assert total.failed == sum(bool(call.error) for call in calls)
    used = sum(call.tokens.input for call in calls if call.tokens)
    assert total[Count.INPUT_TOKENS] == min(used, MAX_COUNT)
    answered = [call for call in calls if not call.error and not call.cancelled and call.latency_ms is not None]
    assert total.latency() == Histogram.of([call.latency_ms or 0.0 for call in answered])


def test_too_many_classes_of_errors_are_counted_together() -> None:
    calls = [Sums.of(CallOutcome(error=f"Error{number:02}")) for number in range(MAX_ERRORS + 5)]
    total = reduce(Sums.merged, calls)
    assert len(total.errors) == MAX_ERRORS + 1
    assert (total.errors[OTHER], total.failed) == (5, MAX_ERRORS + 5)
    assert reduce(Sums.merged, calls[::-1]) == total


def test_too_many_names_are_counted_together() -> None:
    names = [f"w{number:02}" for number in range(MAX_NAMES + 3)]
    each = [Sums(outcomes={name: 2}, scores={name: Score.of(0.5, pass_at=0.8)}) for name in names]
    total = reduce(Sums.merged, each)
    assert total.outcomes[UNDECLARED] == 6
    assert total.scores[UNDECLARED] == Score(count=3, millionths=1_500_000, below=3)
    assert reduce(Sums.merged, each[::-1]) == total


@pytest.mark.parametrize(
    ("score", "pass_at", "expected"),
    [
        (1.0, None, Score(count=1, millionths=1_000_000)),
        (0.0, 0.5, Score(count=1, millionths=0, below=1)),
        (0.5, 0.5, Score(count=1, millionths=500_000)),  # as good as declared passes
        (1 / 3, 0.5, Score(count=1, millionths=333_333, below=1)),
        (2 / 3, 0.5, Score(count=1, millionths=666_667)),
    ],
)
def test_a_score_is_rounded_to_a_millionth(score: float, pass_at: float | None, expected: Score) -> None:
    assert Score.of(score, pass_at=pass_at) == expected


@given(st.lists(st.floats(0, 1), min_size=1))
def test_the_mean_of_scores_is_exact_to_a_millionth(given_scores: list[float]) -> None:
    total = reduce(Score.merged, map(Score.of, given_scores))
    assert abs(total.mean - sum(given_scores) / len(given_scores)) <= 1e-6


@given(scores(), scores(), scores())
def test_scores_add_up_in_any_order(one: Score, two: Score, three: Score) -> None:
    assert one.merged(two).merged(three) == three.merged(one.merged(two))


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_number_that_is_no_score_is_refused(score: float) -> None:
    with pytest.raises(Invalid, match="a score from 0 to 1"):
        Score.of(score)


@pytest.mark.parametrize(
    "parts",
    [
        {"counts": {Count.CALLS: 0}},
        {"counts": {Count.CALLS: MAX_COUNT + 1}},
        {"errors": {"": 1}},
        {"errors": {"two\nlines": 1}},
        {"errors": {"x" * 101: 1}},
        {"errors": {f"E{number}": 1 for number in range(MAX_ERRORS + 1)}},
        {"outcomes": {"two words": 1}},
        {"outcomes": {"x": 0}},
        {"outcomes": {f"w{number}": 1 for number in range(MAX_NAMES + 1)}},
        {"scores": {"ü": Score.of(1.0)}},
        {"histograms": {Measure.LATENCY: Histogram()}},
    ],
)
def test_sums_that_cannot_be_are_refused(parts: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        Sums(**parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "parts",
    [
        {"count": 0, "millionths": 0},
        {"count": 1, "millionths": -1},
        {"count": 1, "millionths": 1_000_001},
        {"count": 1, "millionths": 0, "below": 2},
        {"count": MAX_COUNT + 1, "millionths": 0},
    ],
)
def test_scores_that_do_not_fit_together_are_refused(parts: dict[str, int]) -> None:
    with pytest.raises(Invalid):
        Score(**parts)


@pytest.mark.parametrize(
    "parts",
    [
        {"latency_ms": -1.0},
        {"latency_ms": float("nan")},
        {"first_token_ms": float("inf")},
        {"cost_usd": 1e300},
        {"error": "two\nlines"},
        {"error": "x" * 101},
    ],
)
def test_a_call_that_cannot_be_is_refused(parts: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        CallOutcome(**parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [-1, MAX_COUNT + 1])
def test_tokens_that_cannot_be_are_refused(number: int) -> None:
    with pytest.raises(Invalid, match="tokens"):
        Tokens(reasoning=number)


# --- what sums are of --------------------------------------------------------------------------------


def test_a_revision_is_counted_in_its_epoch() -> None:
    assert ANSWER.assignment.counted == "3.17"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prompt": ""}, "not a prompt's name"),
        ({"prompt": "a//b"}, "not a prompt's name"),
        ({"prompt": "a" * 501}, "not a prompt's name"),
        ({"model": "two\nlines"}, "a model is one line"),
        ({"model": "x" * 201}, "a model is one line"),
        ({"tier": -1}, "not a number of tokens"),
        ({"tags": (("b", "1"), ("a", "2"))}, "in the order of their names"),
        ({"tags": (("a", "1"), ("a", "2"))}, "each once"),
        ({"tags": tuple((name, "") for name in "abcd")}, "at most 3 tags"),
        ({"tags": (("a b", "1"),)}, "not a tag's name"),
        ({"tags": (("a", "x" * 65),)}, "the tag 'a' is one line"),
        ({"tags": (("a", "\0"),)}, "the tag 'a' is one line"),
    ],
)
def test_a_series_that_cannot_be_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        replace(ANSWER, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"app": "Support"}, "not an app's name"),
        ({"app": "a:b"}, "not an app's name"),
        ({"channel": ""}, "not a channel's name"),
        ({"epoch": -1}, "not a revision"),
        ({"revision": 10**9 + 1}, "not a revision"),
    ],
)
def test_an_assignment_that_cannot_be_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        replace(ANSWER.assignment, **change)  # type: ignore[arg-type]


def test_arms_are_those_that_clients_name() -> None:
    assert [arm.value for arm in Arm if arm is not Arm.NAMED] == [variant.value for variant in Variant]
    assert len({arm.value[0] for arm in Arm}) == len(Arm)  # a call id has the first letter
