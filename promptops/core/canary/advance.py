"""May a canary advance to its next step? Exact tests on a sample of keys, at two fixed looks.

The keys are those of the sample that were first seen in the first half of the step so far, so that each had time to go
bad. Of a guardrail, only keys count that could show it: of a score, those that were scored. It lets the canary advance
if one of two things is shown:

- the share of the canary's keys that went bad is below the tolerance (Clopper and Pearson);
- the canary's keys go bad at most ``ratio`` times as often as those of stable (binomial, given the bad keys of both).

Each look at each of the two spends a quarter of the error, so that all four together are wrong in at most 5 % of steps.

Nearly every key goes bad in the end, of any release, so the ratio approaches 1 however bad a canary is. It judges only
while at most a tenth of stable's keys have gone bad.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from promptops.core.canary.coins import DIFFERENT, Tosses, log_e_value
from promptops.core.statistics.bounds import binomial_tail

RATIO: Final = 1.5
TOLERANCE: Final = 0.01
LEVEL: Final = 0.05 / 4
"""Of each of two looks at each of two ways."""
SATURATED: Final = 0.10
"""Share of stable's keys from which on the ratio no longer judges."""
SKEWED: Final = 1 / 1_000
"""How often a rollout may be paused for its sides that splits its keys as it should."""


class Advance(StrEnum):
    """What a guardrail says of the next step."""

    BELOW_TOLERANCE = "below-tolerance"
    NOT_ABOVE_RATIO = "not-above-ratio"
    SATURATED = "saturated"
    INCONCLUSIVE = "inconclusive"

    @property
    def is_shown(self) -> bool:
        """True if the canary may advance as far as this guardrail goes."""
        return self in (Advance.BELOW_TOLERANCE, Advance.NOT_ABOVE_RATIO)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledKeys:
    """Keys of the sample that could show a guardrail, and those that went bad, of each side.

    Raises:
        ValueError: a number is negative, or more keys went bad than there are.
    """

    canary: int
    canary_bad: int
    stable: int
    stable_bad: int

    def __post_init__(self) -> None:
        if not (0 <= self.canary_bad <= self.canary and 0 <= self.stable_bad <= self.stable):
            raise ValueError(f"there are no such keys: {self}")


def judge_step(
    keys: SampledKeys, odds: float, *, ratio: float = RATIO, tolerance: float = TOLERANCE, level: float = LEVEL
) -> Advance:
    """Judges one guardrail at one look.

    ``odds`` are those of a sampled key to be the canary's: of the weight, times how much likelier a key of the canary
    is in the sample.
    """
    if keys.canary and _at_most(keys.canary_bad, keys.canary, tolerance) <= level:
        return Advance.BELOW_TOLERANCE
    if keys.stable_bad > SATURATED * keys.stable:
        return Advance.SATURATED
    bad = keys.canary_bad + keys.stable_bad
    if bad and _at_most(keys.canary_bad, bad, ratio * odds / (1 + ratio * odds)) <= level:
        return Advance.NOT_ABOVE_RATIO
    return Advance.INCONCLUSIVE


def is_skewed(first_seen: Iterable[Tosses]) -> bool:
    """Returns whether a side gets more keys than its share, or fewer: documents that are lost, a wrong salt.

    ``first_seen`` are the sampled keys, each counted once, when it was seen first. It may be asked any number of times.
    """
    return log_e_value(first_seen, DIFFERENT) >= math.log(1 / SKEWED)


def _at_most(count: int, of: int, share: float) -> float:
    """Returns the probability of at most ``count`` among ``of``, each of probability ``share``."""
    return binomial_tail(of - count, of, 1 - share)
