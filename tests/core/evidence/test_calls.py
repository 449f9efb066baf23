"""What calls cost, beside those of what is live: what was not measured is nothing, and never 0."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptops.ci.call_words import call_lines
from promptops.core.evidence.calls import CallChange, call_change
from promptops.core.evidence.case_table import Arm, Case, CaseTable, Row, RowOutcome

CASES = tuple(Case(suite="s", prompt="p", id=str(n), key=str(n), digest=str(n)) for n in range(4))


def row(case: int, arm: Arm = Arm.CANDIDATE, **more: Any) -> Row:
    """An answered call that cost a cent and a second."""
    usual: dict[str, Any] = {"score": 1.0, "latency_ms": 1_000.0, "input_tokens": 90, "output_tokens": 10}
    return Row(case=case, arm=arm, repeat=1, **{"outcome": RowOutcome.PASSED, "cost_usd": 0.01, **usual, **more})


def lost(case: int, arm: Arm = Arm.CANDIDATE) -> Row:
    """An error."""
    return Row(case=case, arm=arm, repeat=1, outcome=RowOutcome.ERROR, error="timeout")


def change(*rows: Row, timed: bool = True, compare: bool = True) -> CallChange | None:
    return call_change("run", CaseTable(cases=CASES, rows=rows), timed=timed, compare=compare)


def test_two_releases_are_compared_by_the_cases_that_both_answered() -> None:
    rows = [row(0, cost_usd=0.02), row(1, cost_usd=0.04), row(2, cost_usd=9.0), lost(3)]
    made = change(*rows, row(0, Arm.LIVE), row(1, Arm.LIVE), lost(2, Arm.LIVE), row(3, Arm.LIVE, cost_usd=9.0))
    assert made is not None and made.live is not None and made.cases == 2
    assert made.now.cost_usd == pytest.approx(0.03) and made.live.cost_usd == pytest.approx(0.01)
    assert list(call_lines(made)) == [
        "a call costs $0.03, on live $0.01 (+200.0%), over 2 cases",
        "a call has 100 tokens, on live 100 tokens (+0.0%), over 2 cases",
        "half of the calls take at most 1,000 ms, on live 1,000 ms (+0.0%), over 2 cases",
    ]


def test_a_run_that_was_not_put_to_what_is_live_has_no_change() -> None:
    for made in (change(row(0)), change(row(0), row(0, Arm.LIVE), compare=False), change(row(0), row(1, Arm.LIVE))):
        assert made is not None and made.live is None and made.now.cost_usd == 0.01
        assert not any("live" in line for line in call_lines(made))


@pytest.mark.parametrize(
    ("more", "left"),
    [
        ({"cost_usd": None}, ["a call has", "half of"]),
        ({"input_tokens": None}, ["a call costs", "half of"]),
        ({"latency_ms": None}, ["a call costs", "a call has"]),
    ],
)
def test_one_number_that_is_not_known_leaves_no_mean(more: dict[str, Any], left: list[str]) -> None:
    made = change(row(0), row(1, **more))
    assert [line[:7] for line in call_lines(made)] == [words[:7] for words in left]


def test_recorded_and_reused_answers_have_no_time() -> None:
    replayed, reused = change(row(0), timed=False), change(row(0, reused=True), row(1, reused=True))
    assert replayed is not None and reused is not None
    assert replayed.now.latency_ms is reused.now.latency_ms is None and reused.now.cost_usd == 0.01


def test_without_an_answer_nothing_is_said() -> None:
    assert change() is None and change(lost(0), row(0, Arm.LIVE)) is None and list(call_lines(None)) == []


def test_what_was_free_on_live_has_no_share() -> None:
    free = change(row(0), row(0, Arm.LIVE, cost_usd=0.0))
    assert free is not None
    assert next(iter(call_lines(free))) == "a call costs $0.01, on live $0, over 1 case"
    assert next(iter(call_lines(replace(free, cases=1_000)))).endswith("over 1,000 cases")
