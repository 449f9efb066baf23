"""What a verdict says of missing cases: with so many, a release that is as good passes four in five times."""

from __future__ import annotations

import random

import pytest

from promptops.core.statistics import bets, bounds, power, tango
from tests.core.statistics.exact import chance, tango_table


def test_the_fewest_cases_of_the_docs() -> None:
    assert [power.fewest_cases(margin, 0.03) for margin in (0.02, 0.03, 0.05, 0.1)] == [221, 146, 87, 42]
    assert [power.fewest_bets(0.05, level) for level in (0.05, 0.03, 0.015, 0.005)] == [90, 103, 119, 145]


@pytest.mark.parametrize(("margin", "level"), [(0.05, 0.03), (0.1, 0.005), (0.2, 0.05)])
def test_one_case_less_never_passes(margin: float, level: float) -> None:
    fewest = power.fewest_cases(margin, level)
    assert [tango.passes(0, 0, count, margin, level) for count in (fewest - 1, fewest)] == [False, True]
    fewest = power.fewest_bets(margin, level)
    assert [bets.shows([margin] * count, 1 - margin, level) for count in (fewest - 1, fewest)] == [False, True]


def test_cases_needed_at_the_disagreement_seen() -> None:
    assert [power.cases_needed(0.05, share, 0.03) for share in (0.06, 0.1)] == [247, 350]
    assert [power.cases_needed(0.02, share, 0.03) for share in (0.06, 0.1)] == [1_229, 1_942]


@pytest.mark.parametrize(
    ("margin", "share", "level"), [(0.05, 0.06, 0.03), (0.05, 0.1, 0.05), (0.1, 0.3, 0.03), (0.1, 0.2, 0.005)]
)
def test_the_power_is_what_was_printed(margin: float, share: float, level: float) -> None:
    needed = power.cases_needed(margin, share, level)
    assert 0.795 <= chance(tango_table(needed, margin, level), share / 2, share / 2) <= 0.86


def test_the_smallest_margin_that_few_cases_show() -> None:
    assert power.smallest_margin(15, 0, 0.03) == pytest.approx(0.241, abs=5e-4)
    assert power.smallest_margin(14, 0, 0.05) == 1.0  # too few for Tango's test
    assert tango.passes(0, 0, 15, power.smallest_margin(15, 0, 0.03), 0.03)


def test_steps_needed_for_graded_results() -> None:
    generator = random.Random(5)

    def steps(count: int) -> list[float]:
        return [min(max(generator.gauss(0, 0.15), -1), 1) + 0.05 for _ in range(count)]

    needed = power.bets_needed(steps(400), 0.05, 0.05)
    assert 120 <= needed <= 190
    passed = sum(bets.shows(steps(needed), 0.95, 0.05) for _ in range(200))
    assert passed >= 140  # 80 % of 200, less three standard deviations
    assert power.bets_needed([], 0.05, 0.05) == power.MOST
    assert power.bets_needed([0.05] * 10, 0.05, 0.05) == 90


def test_the_smallest_margin_of_graded_results() -> None:
    assert power.smallest_margin_of_bets([0.0] * 90, 0.05) == pytest.approx(0.05, abs=5e-4)
    assert power.smallest_margin_of_bets([], 0.05) == 1.0
    assert power.smallest_margin_of_bets([1.0, -1.0], 0.05) > 0.9


@pytest.mark.parametrize("bar", [0.5, 0.65, 0.9])
@pytest.mark.parametrize("gap", [0.03, 0.05, 0.09])
@pytest.mark.parametrize("level", [0.05, 0.03, 0.005])
def test_the_cases_for_a_bar_have_the_power_that_is_said(bar: float, gap: float, level: float) -> None:
    count = power.cases_for_bar(bar + gap, bar, level)
    low, high = 0, count
    while high - low > 1:  # the fewest passes that show the bar
        middle = (low + high) // 2
        low, high = (low, middle) if bounds.lower_bound(middle, count, level) >= bar else (middle, high)
    assert 0.77 <= bounds.binomial_tail(high, count, bar + gap) <= 0.95


def test_no_number_of_cases_shows_a_bar_that_the_answers_are_below() -> None:
    assert power.cases_for_bar(0.6, 0.6, 0.05) == power.MOST
    assert power.cases_for_bar(1.0, 0.9, 0.03) == 34
