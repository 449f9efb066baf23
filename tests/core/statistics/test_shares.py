"""Intervals for people: the numbers of the literature, and the laws that hold for any."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from promptops.core.statistics.shares import FEWEST_BLOCKS, FEWEST_EVENTS, ratio, t_quantile, wilson


@pytest.mark.parametrize(
    ("count", "of", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I: the score method without continuity correction
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_a_share_has_the_interval_of_wilson(count: int, of: int, low: float, high: float) -> None:
    found = wilson(count, of)
    assert found is not None
    assert [found.low, found.high] == pytest.approx([low, high], abs=6e-5)


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_of_a_share_is_around_it(count: int, of: int) -> None:
    found = wilson(min(count, of), of)
    assert found is not None
    assert 0 <= found.low <= min(count, of) / of <= found.high <= 1


def test_nothing_has_no_interval() -> None:
    assert wilson(0, 0) is None
    assert ratio([]) is None


@pytest.mark.parametrize("degrees", [1, 4, 6, 23, 167, 2879])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_the_quantile_is_that_of_student(degrees: int, level: float) -> None:
    assert t_quantile(level, degrees) == pytest.approx(student.ppf(1 - level / 2, degrees), rel=1e-6)


@given(st.lists(st.tuples(st.floats(0.1, 100), st.integers(1, 50)), min_size=FEWEST_BLOCKS, max_size=30))
def test_a_ratio_is_within_its_interval_whatever_its_unit_and_the_order(blocks: list[tuple[float, int]]) -> None:
    found = ratio([(above, float(below)) for above, below in blocks])
    if sum(below for _, below in blocks) < FEWEST_EVENTS:
        assert found is None
        return
    assert found is not None
    value = math.fsum(above for above, _ in blocks) / sum(below for _, below in blocks)
    assert 0 <= found.low <= value * (1 + 1e-9) and value <= found.high * (1 + 1e-9)
    cents = ratio([(above * 100, float(below)) for above, below in reversed(blocks)])
    assert cents is not None
    assert [cents.low, cents.high] == pytest.approx([found.low * 100, found.high * 100])


def test_blocks_that_all_say_the_same_leave_no_doubt() -> None:
    found = ratio([(2.0, 4.0)] * 7)
    assert found is not None
    assert found.low == pytest.approx(0.5) and found.high == pytest.approx(0.5)


def test_too_few_blocks_or_events_have_no_interval() -> None:
    assert ratio([(1.0, 100.0)] * (FEWEST_BLOCKS - 1)) is None
    assert ratio([(1.0, 1.0)] * (FEWEST_EVENTS - 1)) is None
    assert ratio([(0.0, 100.0)] * 20) is None
