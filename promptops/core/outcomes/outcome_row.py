"""What a registry keeps of sums: those of a series in a stretch of time."""

from __future__ import annotations

from dataclasses import dataclass

from promptops.core.outcomes.series import Series
from promptops.core.outcomes.sums import Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """What the calls of a series did in ``width`` minutes (1, 60 or 1,440) from the minute ``minute``."""

    series: Series
    minute: int
    width: int
    sums: Sums
