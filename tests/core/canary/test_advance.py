"""What lets a canary advance, and what does not: exact tests on sampled keys."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from promptops.core.canary.advance import LEVEL, RATIO, TOLERANCE, Advance, SampledKeys, is_skewed, judge_step
from promptops.core.canary.coins import DIFFERENT, WORSE, Tosses, growth, log_e_value


def sampled(canary: int, canary_bad: int, stable: int = 0, stable_bad: int = 0) -> SampledKeys:
    return SampledKeys(canary=canary, canary_bad=canary_bad, stable=stable, stable_bad=stable_bad)


@pytest.mark.parametrize(
    ("keys", "odds", "verdict"),
    [
        (sampled(436, 0, 436), 1.0, Advance.INCONCLUSIVE),
        (sampled(437, 0, 437), 1.0, Advance.BELOW_TOLERANCE),  # 0.99 ** 437 is below 1.25 %, 0.99 ** 436 is not
        (sampled(0, 0), 1.0, Advance.INCONCLUSIVE),
        (sampled(2_000, 100, 2_000, 100), 1.0, Advance.NOT_ABOVE_RATIO),
        (sampled(2_000, 150, 2_000, 100), 1.0, Advance.INCONCLUSIVE),
        (sampled(2_000, 100, 2_000, 201), 1.0, Advance.SATURATED),
        (sampled(2_000, 100, 2_000, 200), 1.0, Advance.NOT_ABOVE_RATIO),
        # A canary of 5 % with as many bad keys as stable is nineteen times as bad.
        (sampled(2_000, 100, 2_000, 100), 5 / 95, Advance.INCONCLUSIVE),
    ],
)
def test_a_guardrail_says_why_a_canary_may_advance(keys: SampledKeys, odds: float, verdict: Advance) -> None:
    assert judge_step(keys, odds) is verdict
    assert verdict.is_shown == (verdict in (Advance.BELOW_TOLERANCE, Advance.NOT_ABOVE_RATIO))


@pytest.mark.parametrize("numbers", [(1, 2, 1, 0), (1, 0, 1, 2), (-1, 0, 1, 0), (1, -1, 1, 0)])
def test_keys_that_cannot_be_are_refused(numbers: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="no such keys"):
        sampled(*numbers)


@given(st.integers(1, 3_000), st.integers(0, 60), st.integers(1, 3_000), st.integers(0, 60), st.floats(0.01, 1))
def test_one_more_bad_key_of_the_canary_never_lets_it_advance(
    canary: int, canary_bad: int, stable: int, stable_bad: int, odds: float
) -> None:
    canary, stable = canary + canary_bad, stable + stable_bad
    better = judge_step(sampled(canary + 1, canary_bad, stable, stable_bad), odds)
    worse = judge_step(sampled(canary + 1, canary_bad + 1, stable, stable_bad), odds)
    assert better.is_shown or not worse.is_shown


@pytest.mark.parametrize("weight", [0.01, 0.05, 0.25, 0.5])
def test_a_canary_above_both_limits_advances_in_a_quarter_of_5_percent_at_most(weight: float) -> None:
    """Exactly, over all numbers of bad keys: its share is just at the tolerance, and its odds just at the ratio."""
    for keys in (437, 1_000, 3_000):
        below = sum(
            binom.pmf(bad, keys, TOLERANCE)
            for bad in range(keys + 1)
            if judge_step(sampled(keys, bad), 1.0) is Advance.BELOW_TOLERANCE
        )
        assert below <= LEVEL
    odds = weight / (1 - weight)
    share = RATIO * odds / (1 + RATIO * odds)
    for bad in (5, 20, 100):
        beside = sum(
            binom.pmf(count, bad, share)
            for count in range(bad + 1)
            if judge_step(sampled(bad, count, 10 * bad, bad - count), odds) is Advance.NOT_ABOVE_RATIO
        )
        assert beside <= LEVEL


@pytest.mark.parametrize("odds", [0.01, 1 / 19, 1.0])
@pytest.mark.parametrize("multiples", [WORSE, DIFFERENT])
def test_a_toss_of_fair_odds_expects_the_stake_back(odds: float, multiples: tuple[float, ...]) -> None:
    share = odds / (1 + odds)
    for multiple in multiples:
        canary, stable = growth(odds, multiple)
        assert share * canary + (1 - share) * stable == pytest.approx(1, abs=1e-12)
    one = [Tosses(odds=odds, canary=1, stable=0)], [Tosses(odds=odds, canary=0, stable=1)]
    expected = share * math.exp(log_e_value(one[0], multiples)) + (1 - share) * math.exp(log_e_value(one[1], multiples))
    assert expected == pytest.approx(1, abs=1e-12)
    assert log_e_value([]) == log_e_value([Tosses(odds=0, canary=0, stable=9)]) == 0


@pytest.mark.parametrize(
    ("canary", "stable", "skewed"),
    [(500, 9_500, False), (560, 9_440, False), (800, 9_200, True), (300, 9_700, True), (0, 500, True), (0, 0, False)],
)
def test_a_side_that_gets_too_many_keys_or_too_few_is_seen(canary: int, stable: int, skewed: bool) -> None:
    assert is_skewed([Tosses(odds=500 / 9_500, canary=canary, stable=stable)]) == skewed
