"""Intervals of what was measured, for people who read numbers: of a share, and of a ratio of two sums.

A gate uses exact bounds instead (:mod:`promptops.core.statistics.bounds`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from promptops.core.statistics.bounds import incomplete_beta, normal_quantile

LEVEL: Final = 0.05
"""How often an interval misses: 1 in 20."""
FEWEST_BLOCKS: Final = 5
FEWEST_EVENTS: Final = 10
"""Blocks of time, and events below the line, from which on a ratio has an interval."""
_STEPS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From ``low`` to ``high``, both included."""

    low: float
    high: float


def wilson(count: int, of: int, level: float = LEVEL) -> Interval | None:
    """Returns the interval of a share (Wilson, JASA 22, 1927); None of nothing.

    It takes calls as independent: where a few keys make most calls, the truth is further away.
    """
    if of <= 0:
        return None
    z = normal_quantile(level / 2)
    share = count / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return Interval(low=max(middle - half, 0.0) if count else 0.0, high=min(middle + half, 1.0) if count < of else 1.0)


def ratio(blocks: Sequence[tuple[float, float]], level: float = LEVEL) -> Interval | None:
    """Returns the interval of sum(above) / sum(below) over blocks of time; None of too little, or where one block has
    all of it.

    By the jackknife (Tukey, 1958): the logarithm of the ratio without each of the B blocks, whose squared distances
    from their mean, times (B - 1) / B, are the variance of the logarithm of the ratio. To first order that is the delta
    method; with few blocks, of which one has much, it is wider. The quantile is that of Student's t with B - 2 degrees
    of freedom, since two sums are estimated. On the logarithm, so that no bound is below 0.

    Blocks have to be long against bursts and against how late events come: in simulated traffic, at the level of 5 %,
    the interval over days misses 4 to 7 times in 100, and one over minutes up to 81 times (docs/calibration.md).
    """
    above, below = math.fsum(a for a, _ in blocks), math.fsum(b for _, b in blocks)
    count = len(blocks)
    if count < FEWEST_BLOCKS or below < FEWEST_EVENTS or not all(a < above and b < below for a, b in blocks):
        return None
    without = [math.log((above - a) / (below - b)) for a, b in blocks]
    mean = math.fsum(without) / count
    error = math.sqrt((count - 1) / count * math.fsum((each - mean) ** 2 for each in without))
    width = math.exp(min(t_quantile(level, count - 2) * error, 700.0))
    return Interval(low=above / below / width, high=above / below * width)


@lru_cache(maxsize=256)
def t_quantile(level: float, degrees: int) -> float:
    """Returns what the absolute value of Student's t exceeds with the probability ``level``."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if incomplete_beta(degrees / 2, 0.5, middle) > level:
            high = middle
        else:
            low = middle
    return math.sqrt(degrees * (1 - low) / low) if low > 0 else math.inf
