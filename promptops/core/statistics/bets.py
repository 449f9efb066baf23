"""E-values: what a bettor would own who bets twelve fixed shares of every stake against a hypothesis.

A step is a number of which the hypothesis says that its mean is at most 0, and that is never below −floor. The e-value
is the mean, over twelve bets λ between 0 and 0.98/floor, of ∏ (1 + λ·step). Its expected value is at most 1 if the
hypothesis is true: by independence it is ∏ (1 + λ·mean of the step), and the mean of logarithms is at most the
logarithm of the mean, so steps whose means differ are covered where their sum is at most 0. By Markov's inequality it
reaches 1/level with at most the probability ``level``, whatever the distribution, for any number of steps.
(Waudby-Smith and Ramdas, *Estimating means of bounded random variables by betting*, JRSS B 86, 2024.)

It rises with every step, knows no order and needs no random numbers.

Steps for "not worse by the margin m" are d + m with the floor 1 − m, where d is a case's mean score in the new release
less that in the old; for "worse by more" −d − m with the floor 1 + m. For "at least the bar" x − bar with the floor
``bar``. A cluster is one step: the sum over its cases, divided by the number of cases in the largest cluster.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

BETS = 12
_BOLDEST = 0.98
"""The share of the bound at which a stake could be lost whole."""


def shows(steps: Iterable[float], floor: float, level: float) -> bool:
    """Returns whether the steps show, at the level, that their mean is above 0. Without steps, nothing does."""
    return log_e_value(steps, floor) >= math.log(1 / level)


def log_e_value(steps: Iterable[float], floor: float) -> float:
    """Returns the logarithm of the e-value; 0 without steps. The same steps in any order give the same number.

    Raises:
        ValueError: a step is below −floor, or is not a finite number.
    """
    if not floor > 0:
        return 0.0
    counted = Counter(steps)
    for step in counted:
        if not -floor - 1e-9 <= step < math.inf:  # refuses NaN too
            raise ValueError(f"{step} is not a step of at least {-floor}")
    return log_mean([_growth(counted, bet) for bet in bets(floor)])


@lru_cache(maxsize=64)
def bets(floor: float) -> tuple[float, ...]:
    """Returns the twelve shares that are bet."""
    return tuple((number + 0.5) / BETS * _BOLDEST / floor for number in range(BETS))


def cluster_steps(clusters: Iterable[Sequence[float]]) -> list[float]:
    """Returns a step for each cluster: the sum of its cases' steps, divided by the size of the largest cluster.

    The means of clusters would let one large cluster, all of whose cases are lost, weigh as little as a single case.
    """
    given = [cluster for cluster in clusters if cluster]
    largest = max(map(len, given), default=1)
    return [math.fsum(cluster) / largest for cluster in given]


def _growth(counted: Counter[float], bet: float) -> float:
    return math.fsum(count * math.log1p(bet * step) for step, count in counted.items())


def log_mean(logarithms: Sequence[float]) -> float:
    """Returns the logarithm of the mean of numbers, of which the logarithms are given."""
    largest = max(logarithms)
    return largest + math.log(math.fsum(math.exp(number - largest) for number in logarithms) / len(logarithms))
