"""What sums say to people: shares of calls that ended on their own, what they and outcomes cost, what is coming."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from promptops.core.declarations import Limit, Plan
from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.forecast import Peak, Traffic, forecast, looks, peaks, traffic
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.measured import Measured, by_day, measure, together
from promptops.core.outcomes.outcome_row import OutcomeRow
from promptops.core.outcomes.rates import ModelRates, Rates
from promptops.core.outcomes.series import Arm, Series
from promptops.core.outcomes.sums import Sums
from promptops.core.timestamp import DAY
from tests.core.outcomes.nouns import ANSWER

RATES = ModelRates(tiers=((0, Rates(input=Decimal(1), output=Decimal(10))),))
TODAY = 20_000 * DAY
CANARY = replace(ANSWER, assignment=replace(ANSWER.assignment, arm=Arm.CANARY))
FEEDBACK = replace(ANSWER, model="", tier=None)


def row(
    minute: int, series: Series = ANSWER, *, width: int = 1, outcomes: dict[str, int] | None = None, **counts: int
) -> OutcomeRow:
    sums = Sums(counts={Count(name): count for name, count in counts.items()}, outcomes=outcomes or {})
    return OutcomeRow(series=series, minute=minute, width=width, sums=sums)


def measured(*rows: OutcomeRow) -> Measured:
    return measure(rows, lambda row: None, lambda model, minute: RATES if model else None)[None]


def days(count: int, *, calls: int = 100, tokens: int = 10**6, width: int = DAY) -> list[OutcomeRow]:
    """So many days before today with a row each, and today."""
    return [
        row(TODAY - back * DAY, width=width, calls=calls, input_tokens=tokens) for back in range(count, -1, -1)
    ]  # fmt: skip


def test_a_call_that_its_caller_left_is_neither_good_nor_bad() -> None:
    found = measured(row(0, calls=10, cancelled=2, refused=4, bad=4))
    share = found.share(Count.BAD)
    assert (share.count, share.of, share.share) == (4, 8, 0.5)
    assert share.interval is not None and share.interval.low < 0.5 < share.interval.high


def test_a_call_costs_what_those_cost_whose_tokens_are_known() -> None:
    found = measured(row(0, calls=12, cancelled=1, unread=1, input_tokens=10**6, output_tokens=10**5))
    assert found.spend.usd == Decimal(2)
    assert found.cost_a_call == Decimal("0.2")


def test_an_outcome_costs_all_calls_of_its_kind_whenever_it_came() -> None:
    rows = [
        entry
        for day in range(8)
        for entry in (
            row(day * DAY, calls=50, input_tokens=10**6 * (1 + day % 2)),
            row(day * DAY + 700, FEEDBACK, outcomes={"resolved": 10, "undeclared": 3}),
        )
    ]
    (cost,) = measured(*rows).outcome_costs()
    assert (cost.name, cost.count, cost.cost) == ("resolved", 80, Decimal("0.15"))
    assert cost.interval is not None and cost.interval.low < 0.15 < cost.interval.high
    assert cost.interval.low > 0.1


def test_kinds_that_were_measured_at_once_are_together_what_all_of_it_is() -> None:
    rows = [
        entry
        for day in range(8)
        for entry in (
            row(day * DAY, calls=50, input_tokens=10**6, outcomes={"resolved": 1 + day}),
            row(day * DAY + 60, CANARY, calls=5, refused=1, output_tokens=10**5, outcomes={"resolved": 2}),
            row(day * DAY, replace(ANSWER, model=""), calls=1, output_tokens=7),
        )
    ]
    for kind in (lambda row: row.series, lambda row: row.minute % 7, lambda row: None):
        found = measure(rows, kind, lambda model, minute: RATES if model else None)
        assert together(found.values()) == measured(*rows)
    assert together([]) == Measured()


def test_what_has_no_price_makes_a_cost_unknown_and_not_smaller() -> None:
    other = replace(ANSWER, model="acme/llama")
    rates = {ANSWER.model: RATES}
    rows = [
        row(0, calls=1, input_tokens=10, outcomes={"resolved": 1}), row(0, other, calls=1, input_tokens=7)
    ]  # fmt: skip
    found = measure(rows, lambda row: None, lambda model, minute: rates.get(model))[None]
    assert found.cost_a_call is None and found.spend.unpriced == {"acme/llama": 7}
    assert [(cost.count, cost.cost, cost.interval) for cost in found.outcome_costs()] == [(1, None, None)]


def test_calls_are_told_apart_and_add_up() -> None:
    rows = [row(minute, series, calls=1) for minute in range(5) for series in (ANSWER, CANARY, CANARY)]
    found = measure(rows, lambda row: row.series.assignment.arm, lambda model, minute: RATES)
    assert {arm: each.answered for arm, each in found.items()} == {Arm.STABLE: 5, Arm.CANARY: 10}


def test_quantiles_are_of_all_answered_calls_from_a_cache_or_not() -> None:
    histograms = {Measure.LATENCY: Histogram.of([1000.0] * 90), Measure.CACHED_LATENCY: Histogram.of([100.0] * 10)}
    rows = [OutcomeRow(series=ANSWER, minute=0, width=1, sums=Sums(histograms=histograms))]
    low, high = measured(*rows).quantiles((0.1, 0.95))
    assert low == pytest.approx(100, rel=0.01) and high == pytest.approx(1000, rel=0.01)
    assert Measured().quantiles((0.5,)) == [None]


@pytest.mark.parametrize(("rows", "blocks"), [(days(5), 6), (days(2, width=1), 3)])
def test_blocks_are_days_of_long_times_and_hours_of_short_ones(rows: list[OutcomeRow], blocks: int) -> None:
    assert len(measured(*rows).blocks) == blocks
    two = [row(minute * 30, calls=1) for minute in range(20)]
    assert len(measured(*two).blocks) == 10
    assert list(by_day(measured(*two))) == [0]


# --- what is coming --------------------------------------------------------------------------------


def test_traffic_is_of_whole_days_and_a_day_without_calls_is_one() -> None:
    rows = [*days(8), row(TODAY + 5, calls=7)]
    del rows[4]
    found = traffic(measured(*rows), TODAY + 10)
    assert found.calls == (100, 100, 100, 100, 0, 100, 100, 100)
    assert traffic(measured(*days(3)), TODAY + 10).calls == (100, 100), "the first day is rarely whole"
    assert found.calls_a_day == pytest.approx(600 / 7)
    assert found.month == pytest.approx(Decimal(6) / 7 * 30)
    assert traffic(Measured(), TODAY).calls_a_day is None
    assert traffic(measured(row(TODAY, calls=5)), TODAY + 5).calls_a_day is None, "today is not over"


def test_ten_times_the_traffic_costs_ten_times_as_much_and_breaks_the_plan() -> None:
    limits = (Limit(of="acme", tokens_a_minute=5), Limit(of="openai", calls_a_minute=300))
    plan = Plan(calls_a_day=500, monthly_cents=20_000, limits=limits)
    now = Traffic(calls=(100,) * 7, spent=(Decimal(5),) * 7)
    found = forecast(Decimal("0.05"), now, {"openai": Peak(calls=31, tokens=9)}, plan, calls_a_day=1000)
    assert [found.times, found.day, found.month] == [10, 50, 1500]
    assert (found.in_plan, found.in_budget) == (False, False)
    assert [(limit.calls, limit.holds) for limit in found.limits] == [(None, None), (310, False)]
    fits = forecast(Decimal("0.05"), now, {"openai": Peak(calls=30, tokens=9)}, plan, calls_a_day=100)
    assert (fits.in_plan, fits.in_budget, fits.limits[1].holds) == (True, True, True)
    unknown = forecast(None, Traffic(), {}, None, calls_a_day=100)
    assert (unknown.times, unknown.month, unknown.in_budget, unknown.in_plan) == (None, None, None, None)


def test_the_largest_minute_is_of_a_model_and_of_a_provider() -> None:
    mini = replace(ANSWER, model="openai/gpt-4o-mini")
    rows = [
        row(1, calls=5, input_tokens=10),
        row(1, CANARY, calls=5, input_tokens=10, output_tokens=1),
        row(1, mini, calls=2, input_tokens=500),
        row(2, calls=9, input_tokens=3),
        row(60, width=60, calls=1000),
    ]
    assert peaks(rows) == {
        ANSWER.model: Peak(calls=10, tokens=21),
        mini.model: Peak(calls=2, tokens=500),
        "openai": Peak(calls=12, tokens=521),
    }


def codes(*rows: OutcomeRow, plan: Plan | None = None) -> list[str]:
    found = measured(*rows)
    return [look.code for look in looks(found, traffic(found, TODAY + 10), plan)]


def test_what_is_worth_a_look() -> None:
    assert codes(*days(8)) == []
    assert codes(*days(8), plan=Plan(monthly_cents=3000)) == []
    assert codes(*days(8), plan=Plan(monthly_cents=2999)) == ["over-budget"]
    assert codes(*days(8), row(TODAY - DAY, calls=1, input_tokens=10**6)) == []
    assert codes(*days(8), row(TODAY - DAY, calls=1, input_tokens=10**6 + 1)) == ["dear-day"]
    assert codes(*days(6), row(TODAY - DAY, calls=1, input_tokens=10**8)) == [], "seven days say what is usual"
    assert codes(row(TODAY, calls=100, pin_mismatch=1)) == ["pin-mismatch"]
    assert codes(row(TODAY, calls=100, unread=1)) == []
    assert codes(row(TODAY, calls=100, unread=2)) == ["unread"]


def test_a_model_without_a_price_makes_no_forecast() -> None:
    other = replace(ANSWER, model="acme/llama")
    rows = [row(TODAY - day * DAY, other, width=DAY, calls=9, input_tokens=9) for day in range(9)]
    found = measure(rows, lambda row: None, lambda model, minute: None)[None]
    assert traffic(found, TODAY + 10).month is None
    assert list(looks(found, traffic(found, TODAY + 10), Plan(monthly_cents=1))) == []
