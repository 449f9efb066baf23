"""Is a release worse than another by a margin? Tango's score test, for one pass or fail of each case in both arms.

Of ``pairs`` cases, ``losses`` passed on the old release alone, ``gains`` on the new one alone. The hypothesis is that
losses are more probable than gains by the margin or more. The statistic is

    (pairs·margin − (losses − gains) − continuity) / √(pairs · (2q + margin − margin²))

where q is the probability of a gain that fits best under the hypothesis: the root of a quadratic (Tango, *Equivalence
test and confidence interval for the difference in proportions for the paired-sample design*, Statistics in Medicine 17,
1998). The continuity is ½. Where nine in ten cases disagree or more, losses − gains moves in steps of two, so it is 1
there; and where all disagree, the binomial tail has to be small as well.

The probability that a release which is worse by the margin passes is at most the level, for every share of cases that
disagree: by enumeration of every result (``make calibrate``), for independent cases, margins up to 20 points and
15 cases or more.
"""

from __future__ import annotations

import math

from promptops.core.statistics.bounds import binomial_tail, normal_quantile

FEWEST = 15
"""Cases from which on the level holds: with 4 of them and a margin of 20 points, it was up to a fourteenth above it."""

MANY = 0.9
"""The share of cases that disagree from which on the continuity is 1."""


def passes(losses: float, gains: float, pairs: int, margin: float, level: float) -> bool:
    """Returns whether it is shown that the new release is not worse by the margin, which is between 0 and 1.

    It never becomes True by a result that is worse: by a loss more or a gain less.
    """
    if not 0 < margin < 1 or pairs < FEWEST:
        return False
    if not statistic(losses, gains, pairs, margin) > normal_quantile(level):
        return False
    if losses + gains < pairs:
        return True
    return 1 - binomial_tail(int(losses) + 1, pairs, (1 + margin) / 2) <= level


def fails(losses: float, gains: float, pairs: int, margin: float, level: float = 0.05) -> bool:
    """Returns whether it is shown that the new release is worse by more than the margin, from 0 to below 1."""
    if not 0 <= margin < 1 or pairs <= 0 or losses <= gains:
        return False
    spread = _spread(losses, gains, pairs, margin)
    excess = losses - gains - pairs * margin - 1  # with ½, up to 6.3 % would be said to be worse at 5 %
    if spread <= 0 or not excess / spread > normal_quantile(level):
        return False
    return losses + gains < pairs or binomial_tail(int(losses), pairs, (1 + margin) / 2) <= level


def statistic(losses: float, gains: float, pairs: int, margin: float, continuity: float | None = None) -> float:
    """Returns Tango's statistic, standard normal where the new release is worse by just the margin."""
    if continuity is None:
        continuity = _continuity(losses, gains, pairs)
    return (pairs * margin - (losses - gains) - continuity) / _spread(losses, gains, pairs, margin)


def gain_share(losses: float, gains: float, pairs: int, margin: float) -> float:
    """Returns the probability of a gain that is most likely if that of a loss is larger by the margin."""
    a = 2 * pairs
    b = -(losses + gains) + (2 * pairs - losses + gains) * margin
    c = -gains * margin * (1 - margin)
    return (-b + math.sqrt(max(0.0, b * b - 4 * a * c))) / (2 * a)


def _spread(losses: float, gains: float, pairs: int, margin: float) -> float:
    share = gain_share(losses, gains, pairs, margin)
    return math.sqrt(max(0.0, pairs * (2 * share + margin - margin * margin)))


def _continuity(losses: float, gains: float, pairs: int) -> float:
    return 1.0 if losses + gains >= MANY * pairs else 0.5
