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
    passed: Table = np.where(losses + gains <= pairs, statistic, -np.inf) > norm.ppf(1 - level)
    for lost in range(pairs + 1):
        if binom.cdf(lost, pairs, (1 + margin) / 2) > level:
            passed[lost, pairs - lost] = False
    return passed


def chance(passed: Table, loss: float, gain: float) -> float:
    """Returns the probability that a result is in the table, of independent cases that are lost and gained so often."""
    pairs = len(passed) - 1
    lost = np.flatnonzero(passed.any(axis=1))
    if not len(lost):
        return 0.0
    total = 0.0
    rest = min(1.0, gain / (1 - loss)) if loss < 1 else 0.0
    weights = binom.pmf(lost, pairs, loss)
    for losses, weight in zip(lost, weights, strict=True):
        if weight > 1e-14:
            gains = np.flatnonzero(passed[losses])
            total += weight * float(binom.pmf(gains, pairs - losses, rest).sum())
    return float(total)


def worst_chance(passed: Table, margin: float, steps: int = 40) -> tuple[float, float]:
    """Returns the largest probability over every share of cases that disagree, and that share."""
    span = np.linspace(margin, 1.0, steps)
    fine = np.concatenate([span, margin + (1 - margin) * np.linspace(0, 0.06, 7)[1:]])
    found = [(chance(passed, (share + margin) / 2, (share - margin) / 2), float(share)) for share in fine]
    return max(found)


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
