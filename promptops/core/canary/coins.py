"""E-values of coins: does a canary get more of the bad keys than its share?

Which side a key is on was drawn by the salt alone. So if the canary is no different, each key that goes bad is one toss
of a coin that says "canary" with the odds of the weight, whatever the traffic looks like: heavy users, drift, outages.
The e-value is the mean, over several multiples *m*, of the likelihood ratio of "the odds are *m* times as high"::

    a key of the canary   m · (1 + odds) / (1 + odds · m)
    a key of stable           (1 + odds) / (1 + odds · m)

Its expected value stays at most 1 if the odds are as given or lower, however often and whenever one looks, so it
reaches 1/level with at most the probability ``level`` (Ville's inequality; J. Ville, *Étude critique de la notion de
collectif*, 1939; V. Vovk and R. Wang, *E-values: Calibration, combination and applications*, Annals of Statistics 49,
2021).

Tosses are kept as counts, so that servers which saw the same keys in another order have the same number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, TypeVar

from promptops.core.statistics.bets import log_mean

WORSE: Final = (1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0)
"""How many times as high the odds may be: from what is just worth an abort up to what breaks at once."""

DIFFERENT: Final = (*WORSE, *(1 / multiple for multiple in WORSE))
"""The same in both directions, for a side that gets too many keys or too few."""

Number = TypeVar("Number", float, Fraction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tosses:
    """Keys of the canary and of stable, each of which was the canary's with these odds."""

    odds: float
    canary: int
    stable: int


def growth(odds: Number, multiple: Number) -> tuple[Number, Number]:
    """Returns by what an e-value grows with a key of the canary, and with one of stable."""
    stable = (1 + odds) / (1 + odds * multiple)
    return multiple * stable, stable


def log_e_value(tosses: Iterable[Tosses], multiples: Sequence[float] = WORSE) -> float:
    """Returns the logarithm of the e-value; 0 without tosses."""
    thrown = [toss for toss in tosses if toss.odds > 0]
    return log_mean([math.fsum(_log_growth(toss, multiple) for toss in thrown) for multiple in multiples])


def _log_growth(toss: Tosses, multiple: float) -> float:
    canary, stable = growth(toss.odds, multiple)
    return toss.canary * math.log(canary) + toss.stable * math.log(stable)
