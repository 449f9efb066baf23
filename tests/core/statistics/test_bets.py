"""E-values: no world of bounded differences passes above its level, worse never passes, and order changes nothing."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from promptops.core.statistics import bets

MARGIN = 0.05
DIFFERENCES = st.lists(st.floats(-1, 1), min_size=1, max_size=60)


def own(differences: list[float], margin: float = MARGIN) -> float:
    return bets.log_e_value([one + margin for one in differences], 1 - margin)


@pytest.mark.parametrize("level", [0.05, 0.03, 0.005])
@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05, 0.1])
@pytest.mark.parametrize("gain", [0.0, 0.01, 0.1, 0.4])
def test_rare_total_losses_among_tiny_gains_pass_at_most_at_the_level(level: float, margin: float, gain: float) -> None:
    """What a judge shows when a prompt breaks for a few: a score test with scaled counts passes up to 10.3 %."""
    lost = (margin + gain) / (1 + gain)  # a world of two values whose mean is just the margin's
    for cases in (15, 51, 120, 400):
        chance = 0.0
        for losses in range(cases + 1):
            steps = [margin - 1] * losses + [margin + gain] * (cases - losses)
            if not bets.shows(steps, 1 - margin, level):
                break  # with more losses it is less
            chance += float(binom.pmf(losses, cases, lost))
        assert chance <= level / 3


def test_the_value_is_the_mean_of_twelve_products() -> None:
    differences = [0.25, -0.5, 0.0, 1.0, -1.0, 0.1]
    products = [
        math.prod(1 + (number + 0.5) / 12 * 0.98 / (1 - MARGIN) * (one + MARGIN) for one in differences)
        for number in range(12)
    ]
    assert own(differences) == pytest.approx(math.log(float(np.mean(products))), abs=1e-12)


@given(DIFFERENCES, st.data())
def test_the_value_falls_with_every_difference(differences: list[float], data: st.DataObject) -> None:
    which = data.draw(st.integers(0, len(differences) - 1))
    worse = [*differences]
    worse[which] = data.draw(st.floats(-1, differences[which]))
    assert own(worse) <= own(differences) + 1e-12


@given(DIFFERENCES, st.randoms(use_true_random=False))
def test_order_changes_nothing(differences: list[float], shuffler: random.Random) -> None:
    other = [*differences]
    shuffler.shuffle(other)
    assert own(other) == own(differences)


@pytest.mark.parametrize("step", [-0.96, math.nan, math.inf])
def test_what_is_no_step_is_refused(step: float) -> None:
    with pytest.raises(ValueError, match="is not a step"):
        bets.log_e_value([0.05, step], 0.95)


def test_without_steps_nothing_is_shown() -> None:
    assert not bets.shows([], 0.95, 0.05)
    assert not bets.shows([0.5] * 100, 0.0, 0.05)  # a bar of 100 % has no floor: no sample shows it


def test_one_cluster_does_not_hide_a_loss() -> None:
    """One cluster of 60 cases that are all lost, 100 single ones that do not differ: 37 points are lost."""
    clusters = [[MARGIN - 1] * 60, *([MARGIN] for _ in range(100))]
    means = [math.fsum(cluster) / len(cluster) for cluster in clusters]
    assert bets.log_e_value(means, 1 - MARGIN) > bets.log_e_value(bets.cluster_steps(clusters), 1 - MARGIN)
    assert bets.log_e_value(bets.cluster_steps(clusters), 1 - MARGIN) < 0


@given(st.lists(st.lists(st.floats(-0.95, 1.05), min_size=1, max_size=8), min_size=1, max_size=12))
def test_the_steps_of_clusters_keep_to_the_floor_and_to_the_sum(clusters: list[list[float]]) -> None:
    steps = bets.cluster_steps(clusters)
    assert all(step >= -0.95 - 1e-9 for step in steps)
    largest = max(map(len, clusters))
    assert math.fsum(steps) * largest == pytest.approx(math.fsum(one for cluster in clusters for one in cluster))
