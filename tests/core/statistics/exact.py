"""Every result of a paired comparison with its probability: the exact chance that a rule lets a release pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, norm

from promptops.core.statistics import tango

Table = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


def table(pairs: int, passes: Callable[[int, int], bool]) -> Table:
    """Returns, for each number of losses and of gains, whether the rule passes; False where there is no such result."""
    result = np.zeros((pairs + 1, pairs + 1), dtype=bool)
    for losses in range(pairs + 1):
        for gains in range(pairs + 1 - losses):
            result[losses, gains] = passes(losses, gains)
    return result


@lru_cache(maxsize=512)
def tango_table(pairs: int, margin: float, level: float) -> Table:
    """The same as :func:`table` of ``tango.passes``, written a second time, for whole arrays."""
    losses = np.arange(pairs + 1)[:, None].astype(float)
    gains = np.arange(pairs + 1)[None, :].astype(float)
    continuity = np.where(losses + gains >= 0.9 * pairs, 1.0, 0.5)
    b = -(losses + gains) + (2 * pairs - losses + gains) * margin
    c = -gains * margin * (1 - margin)
    share = (-b + np.sqrt(np.maximum(0, b * b - 8 * pairs * c))) / (4 * pairs)
    spread = np.sqrt(pairs * (2 * share + margin - margin**2))
    statistic = (pairs * margin - (losses - gains) - continuity) / spread
    possible = (losses + gains <= pairs) & (pairs >= tango.FEWEST)
    passed: Table = np.where(possible, statistic, -np.inf) > norm.ppf(1 - level)
    for lost in range(pairs + 1):
        if binom.cdf(lost, pairs, (1 + margin) / 2) > level:
            passed[lost, pairs - lost] = False
    return passed


def chances(passed: Table, losses: Numbers, gains: Numbers) -> Numbers:
    """Returns the probability that a result is in the table, for each pair of probabilities of a loss and of a gain.

    Cases are independent; for each number of losses, the table has all numbers of gains from one on.
    """
    pairs = len(passed) - 1
    lost = np.flatnonzero(passed.any(axis=1))
    if not len(lost):
        return np.zeros(len(losses))
    fewest = passed[lost].argmax(axis=1)
    rest = np.minimum(1.0, gains / np.maximum(1 - losses, 1e-300))
    inside = binom.sf(fewest[None, :] - 1, (pairs - lost)[None, :], rest[:, None])
    total: Numbers = (binom.pmf(lost[None, :], pairs, losses[:, None]) * inside).sum(axis=1)
    return total


def chance(passed: Table, loss: float, gain: float) -> float:
    """Returns :func:`chances` of one pair."""
    return float(chances(passed, np.array([loss]), np.array([gain]))[0])


def worst_chance(passed: Table, margin: float, steps: int = 40) -> tuple[float, float]:
    """Returns the largest probability over every share of cases that disagree, and that share."""
    ends = np.concatenate([np.linspace(0, 0.06, 7), np.linspace(0.9, 1, 21)])
    shares = np.unique(np.concatenate([np.linspace(0, 1, steps), ends])) * (1 - margin) + margin
    found = chances(passed, (shares + margin) / 2, (shares - margin) / 2)
    place = int(found.argmax())
    return float(found[place]), float(shares[place])


def openings(passed: Table) -> list[tuple[int, int]]:
    """Returns results that do not pass although a worse one does: a loss more, a gain less, or one turned over."""
    pairs = len(passed) - 1
    found = []
    for losses in range(pairs + 1):
        for gains in range(pairs + 1 - losses):
            worse = [(losses + 1, gains), (losses, gains - 1), (losses + 1, gains - 1)]
            for lost, gained in worse:
                possible = lost <= pairs and gained >= 0 and lost + gained <= pairs
                if possible and passed[lost, gained] and not passed[losses, gains]:
                    found.append((losses, gains))
    return found


def same_as_core(pairs: int, margin: float, level: float) -> bool:
    """Whether the arrays above and the code of the gate say the same of every result."""
    core = table(pairs, lambda losses, gains: tango.passes(losses, gains, pairs, margin, level))
    return bool((core == tango_table(pairs, margin, level)).all())
