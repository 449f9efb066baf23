"""Exact bounds: of a share of successes (Clopper and Pearson, 1934), and of a quantile, whatever the distribution.

A bound at a level is on the wrong side of the truth with at most that probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

_STEPS = 64
"""Halvings of an interval within [0, 1]: more than a double can tell apart."""
_TINY = 1e-300
_TERMS = 100_000
"""Far more terms of the continued fraction than 200,000 calls need: their number grows with the square root."""


@lru_cache(maxsize=64)
def normal_quantile(level: float) -> float:
    """Returns the point that a standard normal variable exceeds with the probability ``level``."""
    return NormalDist().inv_cdf(1 - level)


def binomial_tail(least: int, count: int, share: float) -> float:
    """Returns the probability of ``least`` successes or more among ``count``, each of probability ``share``."""
    if least <= 0:
        return 1.0
    if least > count or share <= 0:
        return 0.0
    return 1.0 if share >= 1 else incomplete_beta(least, count - least + 1, share)


def lower_bound(successes: int, count: int, level: float) -> float:
    """Returns the exact lower bound (Clopper and Pearson) of the share of successes; 0 of no successes or no calls."""
    if successes <= 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if binomial_tail(successes, count, middle) > level:
            high = middle
        else:
            low = middle
    return low


def upper_bound(successes: int, count: int, level: float) -> float:
    """Returns the exact upper bound (Clopper and Pearson) of the share of successes; 1 of no calls."""
    return 1 - lower_bound(count - successes, count, level)


def fewest_for_bar(bar: float, level: float) -> int:
    """Returns how many calls without a failure put the lower bound at or above ``bar``, from 0 to 1 exclusive."""
    return math.ceil(math.log(level) / math.log(bar) - 1e-12)


def quantile_rank(count: int, quantile: float, level: float) -> int | None:
    """Returns which of ``count`` values in order, from 1, bounds the quantile from above; None of too few values.

    The k-th smallest is below the quantile only where ``k`` values or more are: a binomial tail.
    """
    if binomial_tail(count, count, quantile) > level:
        return None
    low, high = 1, count  # the tail of `high` is small enough, that of `low` is not: it falls with k
    if binomial_tail(low, count, quantile) <= level:
        return low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if binomial_tail(middle, count, quantile) <= level else (middle, high)
    return high


def quantile_upper_bound(values: Sequence[float], quantile: float, level: float) -> float | None:
    """Returns a value that the quantile exceeds with at most the probability ``level``; None of too few values."""
    rank = quantile_rank(len(values), quantile, level)
    return None if rank is None else sorted(values)[rank - 1]


def fewest_for_quantile(quantile: float, level: float) -> int:
    """Returns how many values bound a quantile from above at all: 59 at 5 % for the 95 % one, 69 at 3 %."""
    return math.ceil(math.log(level) / math.log(quantile) - 1e-12)


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Returns the regularised incomplete beta function, by its continued fraction on the side where that is quick."""
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta_left(b, a, 1 - x)
    return _incomplete_beta_left(a, b, x)


def _incomplete_beta_left(a: float, b: float, x: float) -> float:
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return front * _continued_fraction(a, b, x) / a


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Lentz's evaluation of the continued fraction 26.5.8 of Abramowitz and Stegun."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for coefficient in (even, odd):
            d = 1 / _not_zero(1 + coefficient * d)
            c = _not_zero(1 + coefficient / c)
            step *= d * c
            value *= d * c
        if abs(step - 1) < 1e-15:
            break
    return value


def _not_zero(number: float) -> float:
    return number if abs(number) > _TINY else _TINY
