"""Is what is live worse than it was? Nightly runs are compared with the mean of the first three, and never with the run
that passed the gate: that one was chosen for being good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from promptops.core.statistics import bets

MONTH: Final = 30
"""Nights that share a level of 5 %: one false alarm in 20 months at most."""
LEVEL: Final = 0.05 / MONTH
FIRST: Final = 3
"""Runs whose mean is what later ones are compared with."""


def worse_than_before(differences: Sequence[float], margin: float = 0.0) -> bool:
    """Returns whether a night shows that what is live became worse by more than the margin.

    ``differences`` are, for each case, its mean score of the night less that of the first three runs.
    """
    return bets.shows([-one - margin for one in differences], 1 + margin, LEVEL)
