"""Is one arm shown not to be worse than the other, on pooled cases? Tango's test where it holds, bets everywhere else.

What is missing counts against a PASS as it can do most harm, and against a FAIL as it can do most good.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from promptops.core.gate.settings import FAIL_LEVEL
from promptops.core.statistics import bets, power, tango
from promptops.core.verdict import Outcome


class Difference(NamedTuple):
    """A case: what the candidate got less what the other release got, each a mean from 0 to 1.

    ``worst`` has what is missing against the candidate, ``best`` for it; ``late`` is ``worst`` with timeouts of first
    attempts as failures.
    """

    worst: float
    best: float
    late: float
    cluster: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What a comparison shows. ``smallest`` is the smallest margin that it could have shown; the rest as in
    :class:`~promptops.core.gate.verdict.CheckVerdict`.
    """

    outcome: Outcome
    got: str
    smallest: float
    missing: int
    least: int


def compare(differences: Sequence[Difference], margin: float, level: float, *, single: bool, late: bool) -> Compared:
    """Returns what the cases show at a margin. ``single``: each is one pass or failure in both arms, at a first look.

    ``late``: a PASS has to hold with first attempts that timed out as failures as well.
    """
    clusters = [one.cluster for one in differences if one.cluster]
    alone = len(set(clusters)) == len(clusters)
    test = _tango if single and alone else _bets
    return test(differences, margin, level, late)


def _tango(differences: Sequence[Difference], margin: float, level: float, late: bool) -> Compared:
    pairs = len(differences)

    def counts(of: Callable[[Difference], float]) -> tuple[int, int]:
        return sum(of(one) < 0 for one in differences), sum(of(one) > 0 for one in differences)

    losses, gains = counts(lambda one: one.worst)
    outcome = Outcome.INCONCLUSIVE
    if tango.fails(*counts(lambda one: one.best), pairs, margin, FAIL_LEVEL):
        outcome = Outcome.FAIL
    elif tango.passes(losses, gains, pairs, margin, level):
        slow = counts(lambda one: one.late)
        outcome = Outcome.PASS if not late or tango.passes(*slow, pairs, margin, level) else Outcome.INCONCLUSIVE
    share = (losses + gains) / pairs if pairs else 0.0
    return Compared(
        outcome=outcome,
        got=f"{losses} of {pairs} cases lost, {gains} gained",
        smallest=power.smallest_margin(pairs, share, level) if pairs else 1.0,
        missing=max(0, power.cases_needed(margin, share, level) - pairs),
        least=power.fewest_cases(margin, level),
    )


def _bets(differences: Sequence[Difference], margin: float, level: float, late: bool) -> Compared:
    pairs = len(differences)

    def steps(of: Callable[[Difference], float]) -> list[float]:
        clusters: dict[str, list[float]] = {}
        for place, one in enumerate(differences):
            clusters.setdefault(one.cluster or f"\0{place}", []).append(of(one))
        return bets.cluster_steps(clusters.values())

    worst = steps(lambda one: one.worst + margin)
    outcome = Outcome.INCONCLUSIVE
    if bets.shows(steps(lambda one: -one.best - margin), 1 + margin, FAIL_LEVEL):
        outcome = Outcome.FAIL
    elif bets.shows(worst, 1 - margin, level):
        slow = not late or bets.shows(steps(lambda one: one.late + margin), 1 - margin, level)
        outcome = Outcome.PASS if slow else Outcome.INCONCLUSIVE
    mean = math.fsum(one.worst for one in differences) / pairs if pairs else 0.0
    each = pairs / len(worst) if worst else 1.0
    needed = power.bets_needed(worst, margin, level) if worst else power.fewest_bets(margin, level)
    return Compared(
        outcome=outcome,
        got=f"{mean * 100:+.1f} points over {pairs} cases" + (f" in {len(worst)} clusters" if each > 1 else ""),
        smallest=power.smallest_margin_of_bets([one.worst for one in differences], level),
        missing=max(0, math.ceil(min(needed, power.MOST) * each) - pairs),
        least=power.fewest_bets(margin, level),
    )
