"""Exact bounds agree with scipy and statsmodels to 1e-9, at the sizes and levels that gates use."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom, norm
from statsmodels.stats.proportion import proportion_confint

from promptops.core.statistics.bounds import (
    binomial_tail,
    fewest_for_bar,
    fewest_for_quantile,
    lower_bound,
    normal_quantile,
    quantile_rank,
    quantile_upper_bound,
    upper_bound,
)

CLOSE = 1e-9
COUNTS = [(0, 10), (1, 1), (1, 30), (29, 30), (30, 30), (95, 100), (9_500, 10_000), (199_990, 200_000), (3, 200_000)]


@pytest.mark.parametrize("level", [0.05, 0.03, 0.015, 0.005, 0.1])
@pytest.mark.parametrize(("successes", "count"), COUNTS)
def test_clopper_and_pearson(successes: int, count: int, level: float) -> None:
    lower, upper = proportion_confint(successes, count, alpha=2 * level, method="beta")
    assert lower_bound(successes, count, level) == pytest.approx(0.0 if successes == 0 else lower, abs=CLOSE)
    assert upper_bound(successes, count, level) == pytest.approx(1.0 if successes == count else upper, abs=CLOSE)


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.0005, 0.2))
def test_bounds_agree_with_the_beta_distribution(counts: tuple[int, int], level: float) -> None:
    successes, count = counts
    expected = beta.ppf(level, successes, count - successes + 1) if successes else 0.0
    assert lower_bound(successes, count, level) == pytest.approx(expected, abs=CLOSE)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n + 1), st.just(n))), st.floats(0, 1))
def test_tails(counts: tuple[int, int], share: float) -> None:
    least, count = counts
    assert binomial_tail(least, count, share) == pytest.approx(binom.sf(least - 1, count, share), abs=CLOSE)


@pytest.mark.parametrize("level", [0.05, 0.03, 0.015, 0.005, 0.05 / 30, 0.2])
def test_the_normal_quantile(level: float) -> None:
    assert normal_quantile(level) == pytest.approx(norm.ppf(1 - level), abs=CLOSE)


def test_how_many_calls_bound_a_quantile() -> None:
    assert [fewest_for_quantile(0.95, level) for level in (0.05, 0.03)] == [59, 69]
    for level in (0.05, 0.03, 0.015):
        fewest = fewest_for_quantile(0.95, level)
        assert quantile_rank(fewest, 0.95, level) == fewest
        assert quantile_rank(fewest - 1, 0.95, level) is None


@given(st.integers(1, 3000), st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.sampled_from([0.05, 0.03, 0.005]))
def test_the_rank_is_the_smallest_that_is_safe(count: int, quantile: float, level: float) -> None:
    rank = quantile_rank(count, quantile, level)
    if rank is None:
        assert binom.sf(count - 1, count, quantile) > level
        return
    assert binom.sf(rank - 1, count, quantile) <= level * (1 + CLOSE)
    assert rank == 1 or binom.sf(rank - 2, count, quantile) > level * (1 - CLOSE)


def test_the_bound_of_a_quantile_is_one_of_the_values() -> None:
    assert quantile_upper_bound([float(number) for number in range(200)], 0.95, 0.03) == 195.0
    assert quantile_upper_bound([1.0] * 58, 0.95, 0.05) is None
    assert quantile_upper_bound([1.0] * 68 + [math.inf], 0.95, 0.03) == math.inf


def test_how_many_calls_without_a_failure_reach_a_bar() -> None:
    assert [fewest_for_bar(bar, 0.05) for bar in (0.9, 0.95, 0.99)] == [29, 59, 299]
    assert fewest_for_bar(0.9, 0.03) == 34
    assert lower_bound(34, 34, 0.03) >= 0.9 > lower_bound(33, 33, 0.03)
