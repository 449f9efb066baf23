"""From when on a call is slow or dear: a share of keys, whatever they call; and when nothing can be said of it."""

from __future__ import annotations

import random

import pytest

from promptops.core.canary.limits import ENOUGH, Dearer, limits_of, off_of
from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.sums import Sums
from promptops.core.trial import Limits


def sums(
    latency: list[float] | None = None, cached: list[float] | None = None, cost: list[float] | None = None
) -> Sums:
    given = {Measure.LATENCY: latency, Measure.CACHED_LATENCY: cached, Measure.COST: cost}
    histograms = {name: Histogram.of(values) for name, values in given.items() if values}
    counts = {Count.OPENED: 10, Count.CALLS: 10}
    return Sums(counts=counts, histograms=histograms)


@pytest.mark.parametrize("calls_a_key", [1, 5, 30])
def test_about_two_of_a_hundred_keys_go_over_a_limit_however_often_they_call(calls_a_key: int) -> None:
    dice = random.Random(calls_a_key)
    keys = [[dice.lognormvariate(6, 0.8) for _ in range(calls_a_key)] for _ in range(20_000)]
    limit = limits_of(sums([value for key in keys for value in key]), calls_a_key).slow_ms
    assert limit is not None
    over = sum(max(key) > limit for key in keys) / len(keys)
    assert 0.015 <= over <= 0.0205


def test_the_limit_is_not_below_the_quantile_and_above_it_by_no_more_than_a_bin() -> None:
    values = [float(number) for number in range(1, 10_001)]
    limit = limits_of(sums(values, cost=values), 1.0)
    assert limit.slow_ms is not None
    assert 9_800 <= limit.slow_ms <= 9_800 * 1.016 + 1
    assert limit.dear_micro_usd == limit.slow_ms


def test_a_candidate_that_is_known_to_be_slower_and_dearer_has_higher_limits_and_a_faster_one_no_lower_ones() -> None:
    values = [float(number) for number in range(1, 10_001)]
    plain = limits_of(sums(values, cost=values), 1.0)
    higher = limits_of(sums(values, cost=values), 1.0, Dearer(slow=2.0, dear=3.0))
    assert plain.slow_ms is not None and higher.slow_ms is not None and higher.dear_micro_usd is not None
    assert 1.99 <= higher.slow_ms / plain.slow_ms <= 2.0
    assert 2.99 <= higher.dear_micro_usd / plain.slow_ms <= 3.0


@pytest.mark.parametrize("calls_a_key", [0.2, 1.0, 4.0])
def test_too_few_calls_give_no_limit(calls_a_key: float) -> None:
    needed = int(ENOUGH * max(1.0, calls_a_key))
    assert limits_of(sums([5.0] * needed), calls_a_key).slow_ms is not None
    assert limits_of(sums([5.0] * (needed - 1), cost=[5.0] * (needed - 1)), calls_a_key) == Limits()


def test_calls_with_a_cache_are_judged_only_where_there_are_no_others() -> None:
    both = limits_of(sums([10.0] * ENOUGH, cached=[90.0] * 10 * ENOUGH), 1.0)
    assert (both.slow_ms, both.cached_slow_ms) == (11, None)
    warm = limits_of(sums(cached=[90.0] * ENOUGH), 1.0)
    assert (warm.slow_ms, warm.cached_slow_ms) == (None, 91)
    few = limits_of(sums([10.0], cached=[90.0] * 10 * ENOUGH), 1.0)
    assert (few.slow_ms, few.cached_slow_ms) == (None, None), "the few without a cache are slower, as a canary's are"


def test_a_limit_beyond_what_a_histogram_knows_is_none() -> None:
    assert limits_of(sums([2.0**31] * ENOUGH), 1.0).slow_ms is None


def test_what_is_off_says_why() -> None:
    none = off_of([Limits()], [sums()], 4.0)
    assert none == {
        "slow": "no prompt had 2,000 calls of the stable release in 7 days whose time is known, all with or all without"
        " a cache",
        "dear": "no prompt had 2,000 calls of the stable release in 7 days whose cost is known",
    }
    assert off_of([Limits(), Limits(slow_ms=1, dear_micro_usd=1)], [sums()], 1.0) == {}
    assert off_of([Limits(cached_slow_ms=1)], [sums()], 1.0).keys() == {"dear"}


@pytest.mark.parametrize(
    ("opened", "calls", "is_off"), [(0, 0, True), (10, 4, True), (10, 5, False), (10, 10, False), (0, 10, True)]
)
def test_an_app_that_records_few_of_its_calls_is_not_judged_by_those_it_does_not(
    opened: int, calls: int, is_off: bool
) -> None:
    counts = {name: number for name, number in ((Count.OPENED, opened), (Count.CALLS, calls)) if number}
    assert ("unrecorded" in off_of([Limits(slow_ms=1, dear_micro_usd=1)], [Sums(counts=counts)], 1.0)) is is_off
