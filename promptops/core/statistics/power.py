"""What a number of cases can show, and how many more are needed: printed beside every verdict, and never part of one.

Of a release that is as good as the old one, tests pass four in five times with :func:`cases_needed` cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

from promptops.core.statistics import bets, tango
from promptops.core.statistics.bounds import fewest_for_bar, normal_quantile

POWER = 0.8
MOST = 1_000_000
"""A number of cases from which on the answer is that it cannot be shown."""


@lru_cache(maxsize=256)
def fewest_cases(margin: float, level: float) -> int:
    """Returns how many cases pass Tango's test if none of them differs: below that, no result passes."""
    return _fewest(lambda pairs: tango.passes(0, 0, pairs, margin, level))


@lru_cache(maxsize=256)
def fewest_bets(margin: float, level: float) -> int:
    """Returns how many cases the bets need if none of them differs."""
    growth = [math.log1p(bet * margin) for bet in bets.bets(1 - margin)]
    return _fewest(lambda pairs: bets.log_mean([pairs * one for one in growth]) >= math.log(1 / level))


def cases_needed(margin: float, disagreement: float, level: float, power: float = POWER) -> int:
    """Returns how many cases pass Tango's test with this power, of a release that is as good.

    ``disagreement`` is the share of cases with another outcome. With 150 cases or more, the power is from 0.80 to 0.86.
    """
    least = fewest_cases(margin, level)
    if disagreement <= 0:
        return least
    share = tango.gain_share(disagreement / 2, disagreement / 2, 1, margin)
    wanted = normal_quantile(level) * math.sqrt(2 * share + margin - margin**2)
    wanted += normal_quantile(1 - power) * math.sqrt(disagreement)
    needed = ((wanted + math.sqrt(wanted**2 + 2 * margin)) / (2 * margin)) ** 2
    return max(least, math.ceil(needed))


def cases_for_bar(share: float, bar: float, level: float, power: float = POWER) -> int:
    """Returns how many cases show with this power that a share of passes is above a bar, if it is what was seen.

    :data:`MOST` where it is not above the bar. With 50 cases or more, the power is from 0.77 to 0.95.

    The sample size for one proportion with the correction for continuity: Fleiss, Levin and Paik, Statistical Methods
    for Rates and Proportions, 3rd edition, 2003, section 2.
    """
    gap = share - bar
    if gap <= 0:
        return MOST
    if share >= 1:
        return fewest_for_bar(bar, level)
    wanted = normal_quantile(level) * math.sqrt(bar * (1 - bar)) + normal_quantile(1 - power) * math.sqrt(
        share * (1 - share)
    )
    needed = (wanted / gap) ** 2
    needed *= (1 + math.sqrt(1 + 2 / (needed * gap))) ** 2 / 4
    return min(MOST, max(fewest_for_bar(bar, level), math.ceil(needed)))


def smallest_margin(pairs: int, disagreement: float, level: float) -> float:
    """Returns the smallest margin that Tango's test can show with so many cases, if losses and gains are as many.

    1 if no smaller one can be shown.
    """
    half = disagreement * pairs / 2
    return _smallest(lambda margin: tango.passes(half, half, pairs, margin, level))


def bets_needed(steps: Sequence[float], margin: float, level: float, power: float = POWER) -> int:
    """Returns how many steps the bets need with this power, if they spread as these do around a mean of 0 difference.

    ``steps`` are d + margin, as for the test itself. :data:`MOST` where there are none or they spread too widely.
    """
    if not steps:
        return MOST
    shift = margin - math.fsum(steps) / len(steps)
    floor = 1 - margin
    centred = [max(step + shift, -floor) for step in steps]
    moments = [_moments(centred, bet) for bet in bets.bets(floor)]
    short = normal_quantile(1 - power)

    def enough(count: int) -> bool:
        grown = [count * mean - short * math.sqrt(count * spread) for mean, spread in moments]
        return bets.log_mean(grown) >= math.log(1 / level)

    return _fewest(enough)


def smallest_margin_of_bets(differences: Sequence[float], level: float) -> float:
    """Returns the smallest margin that the bets can show with such differences, if their mean were 0; 1 if none."""
    if not differences:
        return 1.0
    mean = math.fsum(differences) / len(differences)
    centred = [min(max(difference - mean, -1.0), 1.0) for difference in differences]
    return _smallest(lambda margin: bets.shows([one + margin for one in centred], 1 - margin, level))


def _moments(steps: Sequence[float], bet: float) -> tuple[float, float]:
    """Returns the mean and the variance of what the logarithm of the stake grows by in one step."""
    growths = [math.log1p(bet * step) for step in steps]
    mean = math.fsum(growths) / len(growths)
    return mean, math.fsum((one - mean) ** 2 for one in growths) / len(growths)


def _fewest(enough: Callable[[int], bool]) -> int:
    """Returns the smallest number that is enough, where every larger one is too; :data:`MOST` where it is not."""
    high = 1
    while high < MOST and not enough(high):
        high *= 2
    if high >= MOST:
        return MOST
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _smallest(shown: Callable[[float], bool]) -> float:
    """Returns the smallest margin that is shown, to a hundredth of a point, where every larger one is too; else 1."""
    low, high = 0, 10_000
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown(middle / 10_000) else (middle, high)
    return high / 10_000
