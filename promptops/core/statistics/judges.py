"""What a judge is worth: sensitivity, specificity, their sum less one (Youden, 1950), and Cohen's kappa, with bounds.

Sensitivity is the share of good answers that the judge passes, specificity that of bad ones that it fails. Each is
bounded exactly (Clopper and Pearson) at :data:`LEVEL`, one-sided. They are of different answers, so independent: both
bounds are right with at least (1 − 0.1)² = 0.81. The sum of the lower bounds is above the true sum more rarely, since
one that is too high is mostly made up for by the other: in at most 10 % of samples, counted for 5 to 150 good and 3 to
30 bad answers and all rates (``make calibrate``).

Kappa depends on how many answers are good. Its bounds are for the share among those labelled: at the bounds of both
rates, with which it rises. (J. Cohen, *A coefficient of agreement for nominal scales*, 1960.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from promptops.core.statistics.bounds import lower_bound, upper_bound

DIFFERENT: Final = 0.05
"""At which each rate is shown to be another one on some answers than on others: Fisher's exact test, one-sided."""

LEVEL: Final = 0.1
"""At which sensitivity and specificity are bounded: with it, false passes stay at their level (``make calibrate``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """How often a judge agreed with people: on answers that they passed (``good``), and on those that they failed.

    ``skipped`` answers are among them, each where the judge would have erred.
    """

    good: int = 0
    good_passed: int = 0
    bad: int = 0
    bad_failed: int = 0
    skipped: int = 0

    @property
    def count(self) -> int:
        """How many answers people labelled."""
        return self.good + self.bad - self.skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What was seen, with a lower and an upper bound; None where no answer could show it."""

    seen: float | None
    lower: float
    upper: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeWorth:
    """What labels say of a judge. Skipped answers count in all of it, each against the judge."""

    sensitivity: Estimate
    specificity: Estimate
    youden: Estimate
    kappa: Estimate


def youden_bounds(labelled: Labelled) -> tuple[float, float]:
    """Returns the lower and the upper bound of sensitivity + specificity − 1, each from −1 to 1."""
    good, bad = _rate(labelled.good_passed, labelled.good), _rate(labelled.bad_failed, labelled.bad)
    return good.lower + bad.lower - 1, good.upper + bad.upper - 1


def errs_differently(own: Labelled, rest: Labelled) -> bool:
    """Returns whether a judge is shown to favour some answers: it passes more of the good or of the bad.

    By the exact test of R. A. Fisher, each rate by itself.
    """
    more_bad = _as_few(own.bad_failed, own.bad, rest.bad_failed, rest.bad)
    more_good = _as_few(own.good - own.good_passed, own.good, rest.good - rest.good_passed, rest.good)
    return min(more_bad, more_good) <= DIFFERENT


def judge_worth(labelled: Labelled) -> JudgeWorth:
    """Returns the figures of a judge with their bounds."""
    good, bad = _rate(labelled.good_passed, labelled.good), _rate(labelled.bad_failed, labelled.bad)
    share = labelled.good / (labelled.good + labelled.bad) if labelled.good + labelled.bad else 0.0
    both = good.seen is not None and bad.seen is not None
    return JudgeWorth(
        sensitivity=good,
        specificity=bad,
        youden=Estimate(
            seen=(good.seen or 0) + (bad.seen or 0) - 1 if both else None,
            lower=good.lower + bad.lower - 1,
            upper=good.upper + bad.upper - 1,
        ),
        kappa=Estimate(
            seen=kappa(good.seen or 0, bad.seen or 0, share) if both else None,
            lower=kappa(good.lower, bad.lower, share) if both else -1.0,
            upper=kappa(good.upper, bad.upper, share) if both else 1.0,
        ),
    )


def kappa(sensitivity: float, specificity: float, good: float) -> float:
    """Returns Cohen's kappa of a judge and people, where a share ``good`` of answers is good; 0 if all are or none."""
    passed = good * sensitivity + (1 - good) * (1 - specificity)
    agreed = good * sensitivity + (1 - good) * specificity
    by_chance = good * passed + (1 - good) * (1 - passed)
    return (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0


def _as_few(few: int, count: int, others: int, of: int) -> float:
    """Returns the probability that so few of ``few + others`` are among ``count``, if those and ``of`` are alike."""
    drawn, first = few + others, max(0, few + others - of)
    whole = _log_choose(count + of, drawn)
    terms = (_log_choose(count, k) + _log_choose(of, drawn - k) - whole for k in range(first, few + 1))
    return min(1.0, math.fsum(map(math.exp, terms)))


def _log_choose(count: int, chosen: int) -> float:
    return math.lgamma(count + 1) - math.lgamma(chosen + 1) - math.lgamma(count - chosen + 1)


def _rate(seen: int, count: int) -> Estimate:
    return Estimate(
        seen=seen / count if count else None,
        lower=lower_bound(seen, count, LEVEL),
        upper=upper_bound(seen, count, LEVEL),
    )
