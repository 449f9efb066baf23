"""Releases that are worse by the margin, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.gate.world import F, P

Random = np.random.Generator
Rates = npt.NDArray[np.float64]
Rows = list[list[Any]]

MARGIN = 0.05
GATE: dict[str, Any] = {"not_worse": {"margin": "5%"}}
N = 200


def share(tries: int, passes: Callable[[], bool]) -> float:
    return sum(passes() for _ in range(tries)) / tries


def answers(passed: npt.NDArray[np.bool_]) -> Rows:
    """One answer a case, or a column of repeats."""
    columns = passed if passed.ndim == 2 else passed[:, None]
    return [[P if one else F for one in row] for row in columns.tolist()]


def differing(random: Random, count: int, loss: float, disagree: float) -> tuple[Rows, Rows]:
    """Candidate and live that pass the same cases but for a share that disagrees; worse by ``loss`` on average."""
    kind = random.choice([-1, 1, 0], count, p=[(disagree + loss) / 2, (disagree - loss) / 2, 1 - disagree])
    live = np.where(kind == -1, True, np.where(kind == 1, False, True))
    return answers(np.where(kind == 0, live, ~live)), answers(live)


def noisy(random: Random, count: int, loss: float, spread: float = 1.0) -> tuple[Rates, Rates]:
    """Each case's probability to pass: live about 85 %, the candidate less by ``loss`` on average, on a few cases."""
    live = random.beta(0.85 * spread, 0.15 * spread, count)
    taken = random.permutation(np.where(np.arange(count) < 0.3 * count, 1.0, 0.0)) * live
    scale = loss * count / max(float(taken.sum()), 1e-9)
    return np.clip(live - taken * min(scale, 1.0), 0, 1), live


def drawn(random: Random, rates: Rates, repeats: int = 1) -> Rows:
    return answers(random.random((len(rates), repeats)) < rates[:, None])
