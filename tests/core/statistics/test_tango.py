"""Tango's test: its false passes by exact enumeration, its statistic against the likelihood, and its monotony."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from promptops.core.statistics import tango
from tests.core.statistics.exact import (
    chances,
    openings,
    same_as_core,
    table,
    tango_table,
    worst_chance,
)

LEVELS = (0.05, 0.03, 0.015, 0.005)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("pairs", "margin"),
    # Where every case disagrees, losses less gains moves in steps of two: the continuity ½ alone passes up to 5.8 %.
    [(20, 0.15), (27, 0.2), (101, 0.1), (119, 0.2), (150, 0.08), (87, 0.05), (60, 0.1)],
)
def test_a_release_that_is_worse_by_the_margin_passes_at_most_at_the_level(
    pairs: int, margin: float, level: float
) -> None:
    assert worst_chance(tango_table(pairs, margin, level), margin)[0] <= level


def test_few_cases_never_pass() -> None:
    """All four gained: with a margin of 20 points, a release that is worse by it passes 3.2 % of the time at 3 %."""
    assert not tango.passes(0, 4, 4, 0.2, 0.03)
    assert not tango.passes(0, 14, 14, 0.2, 0.05)
    assert tango.passes(0, 15, 15, 0.05, 0.03)


@pytest.mark.parametrize(
    ("pairs", "margin", "level"), [(14, 0.2, 0.05), (27, 0.2, 0.005), (60, 0.1, 0.03), (120, 0.05, 0.05)]
)
def test_the_gates_code_and_the_enumerated_rule_are_one(pairs: int, margin: float, level: float) -> None:
    assert same_as_core(pairs, margin, level)


@pytest.mark.parametrize("pairs", [15, 20, 27, 60, 101, 150])
def test_no_worse_result_passes_where_a_better_one_does_not(pairs: int) -> None:
    for margin in (0.01, 0.037, 0.05, 0.1, 0.2):
        for level in LEVELS:
            assert openings(tango_table(pairs, margin, level)) == []


@pytest.mark.parametrize("pairs", [5, 20, 50, 84, 105])
@pytest.mark.parametrize("margin", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_release_that_is_worse_by_just_the_margin_is_rarely_said_to_be_worse(pairs: int, margin: float) -> None:
    failing = table(pairs, lambda losses, gains: tango.fails(losses, gains, pairs, margin))
    # The other way round it is such a table too: for each number of gains, all numbers of losses from one on.
    shares = np.linspace(margin, 1, 60)
    assert chances(failing.T, (shares - margin) / 2, (shares + margin) / 2).max() <= 0.05


def test_a_result_never_passes_and_fails() -> None:
    for margin in (0.02, 0.05, 0.1):
        for losses in range(61):
            for gains in range(61 - losses):
                both = tango.passes(losses, gains, 60, margin, 0.05), tango.fails(losses, gains, 60, margin)
                assert both != (True, True)


@pytest.mark.parametrize(
    ("losses", "gains", "pairs", "margin"), [(3, 1, 60, 0.05), (0, 4, 100, 0.1), (12, 30, 200, 0.02), (1, 0, 30, 0.2)]
)
def test_the_share_of_gains_is_the_likeliest_one(losses: int, gains: int, pairs: int, margin: float) -> None:
    def unlikely(gain: float) -> float:
        rest = pairs - losses - gains
        return -(
            losses * math.log(gain + margin)
            + (gains * math.log(gain) if gains else 0.0)
            + rest * math.log(1 - 2 * gain - margin)
        )

    best = minimize_scalar(
        unlikely, bounds=(1e-12, (1 - margin) / 2 - 1e-12), method="bounded", options={"xatol": 1e-12}
    )
    assert tango.gain_share(losses, gains, pairs, margin) == pytest.approx(best.x, abs=1e-7)


@pytest.mark.parametrize("margin", [0.0, -0.1, 1.0, float("nan")])
def test_without_a_margin_nothing_passes(margin: float) -> None:
    assert not tango.passes(0, 50, 100, margin, 0.05)


def test_without_cases_nothing_passes_or_fails() -> None:
    assert not tango.passes(0, 0, 0, 0.05, 0.05)
    assert not tango.fails(0, 0, 0, 0.05)
    assert not tango.fails(0, 0, 10, 0.0)
