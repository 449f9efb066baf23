"""Reports: whole, in order, and of one channel; feedback that counts once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from promptops.core.errors import Invalid
from promptops.core.outcomes import report
from promptops.core.outcomes.call_outcome import Count, Tokens
from promptops.core.outcomes.kept_call import Kept, KeptCall, ToolUse
from promptops.core.outcomes.report import (
    BadUnit,
    Dropped,
    Feedback,
    Guardrail,
    OutcomeReport,
    SampledUnit,
    score_guardrail,
)
from promptops.core.outcomes.sums import UNDECLARED, Score, Sums
from tests.core.outcomes.nouns import ANSWER, FEEDBACK, LINEAGE, MINUTE, REPORTS, UNIT

BAD = BadUnit(assignment=ANSWER.assignment, unit=UNIT, minute=MINUTE, guardrails=("error", "slow"))
SAMPLED = SampledUnit(
    assignment=ANSWER.assignment, unit=UNIT, minute=MINUTE, could=("error", "score:helpful"), bad=("error",)
)
LINE = Feedback(call="pc1:0b0e11aa", name="helpful", score=0.5)
KEPT = KeptCall(
    call="pc1:0b0e11aa", prompt="answer", at=1_764_222_720, kept=Kept.BAD, version="1.4.0", reason="static",
    asked="openai/gpt-4o-2024-08-06", model="openai/gpt-4o-2024-08-06", flags=(Count.BAD, Count.REFUSED),
    finish="content_filter", tokens=Tokens(input=1_200, cached=1_024, output=9), latency_ms=812, first_token_ms=240,
    attempts=2, trace="4bf92f3577b34da6a3ce929d0e0e4736", response="chatcmpl-9", tools=(ToolUse(name="search"),),
    variables={"question": "Where is it?"},
)  # fmt: skip
ROWS = {(ANSWER, MINUTE): Sums(counts={Count.CALLS: 1})}
WHOLE = OutcomeReport(
    client="0" * 32,
    number=1,
    channel="prod",
    lineage=LINEAGE,
    sdk="promptops/0.5.0 python/3.12.1",
    sums=ROWS,
    bad_units=(BAD,),
    sampled_units=(SAMPLED,),
    feedback=(LINE,),
    calls=(KEPT,),
    dropped={Dropped.CALLS: 3},
)
ELSEWHERE = replace(ANSWER.assignment, channel="staging")


@given(REPORTS)
def test_the_order_of_units_is_the_same_however_they_come(made: OutcomeReport) -> None:
    turned = replace(made, bad_units=made.bad_units[::-1], sampled_units=made.sampled_units[::-1])
    assert turned == made


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"client": "web-1"}, "32 lower-case hex digits"),
        ({"number": 0}, "count from 1"),
        ({"number": 2**53}, "count from 1"),
        ({"channel": "Prod"}, "not a channel's name"),
        ({"lineage": "two\nlines"}, "a lineage is one line"),
        ({"sdk": "x" * 201}, "a client's sdk is one line"),
        ({"dropped": {Dropped.CALLS: 0}}, "dropped: a count is from 1"),
        ({"sums": {(ANSWER, -1): Sums()}}, "not a number of minutes"),
        ({"sums": {(replace(ANSWER, assignment=ELSEWHERE), MINUTE): Sums()}}, "has a row of staging"),
        ({"bad_units": (replace(BAD, assignment=ELSEWHERE),)}, "has a row of staging"),
        ({"sampled_units": (replace(SAMPLED, assignment=ELSEWHERE),)}, "has a row of staging"),
        ({"sums": {(ANSWER, minute): Sums() for minute in range(report.MAX_ROWS + 1)}}, "5,001 rows of sums"),
        ({"bad_units": (BAD,) * (report.MAX_UNITS + 1)}, "20,001 bad units"),
        ({"sampled_units": (SAMPLED,) * (report.MAX_UNITS + 1)}, "20,001 sampled units"),
        ({"feedback": (LINE,) * (report.MAX_FEEDBACK + 1)}, "5,001 lines of feedback"),
    ],
)
def test_a_report_that_cannot_be_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        replace(WHOLE, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"minute": -1}, "not a number of minutes"),
        ({"guardrails": ()}, "bad at a guardrail at least"),
        ({"guardrails": ("slow", "error")}, "in the order of their names"),
        ({"guardrails": ("slow", "slow")}, "each there once"),
        ({"guardrails": ("two words",)}, "not a guardrail"),
        ({"guardrails": ("score:",)}, "not a guardrail"),
        ({"guardrails": tuple(f"g{'a' * number}" for number in range(61))}, "at most 60"),
    ],
)
def test_a_bad_unit_that_cannot_be_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        replace(BAD, **change)  # type: ignore[arg-type]


def test_a_sampled_unit_is_bad_only_where_it_could_be() -> None:
    with pytest.raises(Invalid, match="only at guardrails at which it could be"):
        replace(SAMPLED, bad=("slow",))


def test_guardrails_are_words_that_units_take() -> None:
    names = sorted([*Guardrail, score_guardrail("helpful"), "of_the_future"])
    assert replace(BAD, guardrails=tuple(names)).guardrails == tuple(names)


# --- feedback ----------------------------------------------------------------------------------------


@given(FEEDBACK, FEEDBACK)
def test_feedback_counts_once_for_a_call_and_a_name(one: Feedback, other: Feedback) -> None:
    same = (one.call, one.name, one.score is None) == (other.call, other.name, other.score is None)
    assert (one.once == other.once) == same
    assert len(one.once) == 8


def test_a_second_score_of_a_call_is_the_same_feedback_and_an_outcome_is_another() -> None:
    assert LINE.once == replace(LINE, score=1.0).once
    assert LINE.once != replace(LINE, score=None).once


@pytest.mark.parametrize(
    ("line", "adds"),
    [
        (replace(LINE, score=0.5), Sums(scores={"helpful": Score(count=1, millionths=500_000, below=1)})),
        (replace(LINE, score=0.8), Sums(scores={"helpful": Score(count=1, millionths=800_000)})),
        (replace(LINE, name="short", score=0.0), Sums(scores={"short": Score(count=1, millionths=0)})),
        (replace(LINE, name="x", score=0.5), Sums(scores={UNDECLARED: Score(count=1, millionths=500_000)})),
        (replace(LINE, name="resolved", score=None), Sums(outcomes={"resolved": 1})),
        (replace(LINE, score=None), Sums(outcomes={UNDECLARED: 1})),  # declared, and as a score
    ],
)
def test_what_feedback_adds(line: Feedback, adds: Sums) -> None:
    assert line.sums(["resolved"], {"helpful": 0.8, "short": None}) == adds


@pytest.mark.parametrize(
    "change",
    [{"call": ""}, {"call": "x" * 261}, {"call": "a\nb"}, {"name": ""}, {"name": "two words"}, {"score": 1.1}],
)
def test_feedback_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        replace(LINE, **change)  # type: ignore[arg-type]
