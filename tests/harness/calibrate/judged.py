"""Releases that a judge decides about, who errs: equally in both arms, or in favour of the new answers.

Each release is worse by the margin. Labels are of the run's own answers, drawn at random, and of answers of before; the
gate itself reads them. In all of these worlds the judge is right about nine in ten of live's answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from promptops.core.evidence.case_table import Arm
from promptops.core.evidence.labels import Label
from promptops.core.statistics.bounds import lower_bound
from promptops.core.statistics.judges import LEVEL, Labelled
from tests.gate.world import World, cases, labels, measured, named, prompt, release, run, suite_of
from tests.harness.calibrate.draw import MARGIN, Random, answers, share
from tests.harness.calibrate.line import Line

GATE: dict[str, Any] = {"not_worse": {"margin": "5%"}, "judges": {"labels": 100, "youden": 0.4}}
COUNT = 400
PLAN = [replace(case, judged=True) for case in cases("answer", "answer", COUNT)]
SUITE = suite_of(PLAN, judges="desk")
NEW = release("2.0.0", prompt("answer", "new"), suites=[SUITE])
OLD = release("1.0.0", prompt("answer", "old"), suites=[SUITE])

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A run of a release that is worse by the margin: which answers of it are good, and which the judge passes."""

    world: World
    good: Flags
    passed: Flags

    def own(self, order: Sequence[int], skipped: Flags | None = None) -> list[Label]:
        """Labels of these of the release's answers; some of them may be skipped."""
        [given] = labels(Labelled(good=1), self.world.made[0].run.id)
        return [
            replace(
                given,
                case=f"case-{place}",
                answer=named(f"answer {place}"),
                good=None if skipped is not None and skipped[place] else bool(self.good[place]),
                passed=bool(self.passed[place]),
            )
            for place in order
        ]

    def opens(self, own: Sequence[Label], other: Sequence[Label]) -> bool:
        return self.world.but(evidence=(measured(SUITE.judge_digest, [*own, *other]),)).ask(GATE).opens


def asked(random: Random, sensitivity: float, specificity: float, loss: float = MARGIN) -> Asked:
    """Draws a run, with a judge of these rates on the candidate's answers."""
    good_live, good = random.random(COUNT) < 0.8, random.random(COUNT) < 0.8 - loss
    live = np.where(good_live, random.random(COUNT) < 0.9, random.random(COUNT) < 0.1)
    passed = np.where(good, random.random(COUNT) < sensitivity, random.random(COUNT) < 1 - specificity)
    made = run(NEW, PLAN, {Arm.CANDIDATE: answers(passed), Arm.LIVE: answers(live)}, others={Arm.LIVE: OLD})
    return Asked(world=World(candidate=NEW, live=(OLD,), made=(made,)), good=good, passed=passed)


def others(random: Random, count: int) -> list[Label]:
    """Labels of answers of before."""
    bad = int(random.binomial(count, 0.2))
    good = count - bad
    return labels(
        Labelled(
            good=good,
            good_passed=int(random.binomial(good, 0.9)),
            bad=bad,
            bad_failed=int(random.binomial(bad, 0.9)),
        )
    )


def lines(random: Random, tries: int, *, short: bool) -> Iterator[Line]:
    """Yields every line about judges."""
    yield _bound(short)
    yield from _both_arms(random, tries)
    yield from _chosen(random, tries)
    yield from _unseen(random, tries)


def _bound(short: bool) -> Line:
    """How often the lower bound of sensitivity + specificity − 1 is above it, at worst: every result is counted."""
    worst = 0.0
    rates = np.linspace(0.3, 1, 15 if short else 71)
    for good, bad in ((26, 8), (75, 25)) if short else ((5, 3), (26, 8), (60, 30), (75, 25), (150, 8), (150, 3)):
        of_good, of_bad = _bounds(good), _bounds(bad)
        for sensitivity in (*rates, *(of_good - 1e-9)):
            weights = binom.pmf(np.arange(good + 1), good, sensitivity)
            for specificity in (*rates, *(of_bad - 1e-9)):
                over = np.add.outer(of_good, of_bad) > sensitivity + specificity + 1e-12
                worst = max(worst, float(weights @ over @ binom.pmf(np.arange(bad + 1), bad, specificity)))
    return Line(world="judges: the lower bound of the sum is above it", measured=worst, bound=LEVEL)


def _bounds(count: int) -> npt.NDArray[np.float64]:
    return np.array([lower_bound(seen, count, LEVEL) for seen in range(count + 1)])


def _both_arms(random: Random, tries: int) -> Iterator[Line]:
    def passes(specificity: float, own: int) -> bool:
        one = asked(random, 0.9, specificity)
        return one.opens(one.own(random.permutation(COUNT)[:own].tolist()), others(random, 2 * own))

    for specificity, own, without in (
        (0.9, 50, 0.025),
        (0.8, 50, 0.135),
        (0.6, 50, 0.721),
        (0.9, 200, 0.025),
        (0.8, 200, 0.135),
        (0.6, 200, 0.721),
    ):
        yield Line(
            world=f"judges in both arms: specificity 0.9 on live's answers, {specificity} on the candidate's, "
            f"{own} of {3 * own} labels of its own",
            measured=share(tries, lambda one=specificity, own=own: passes(one, own)),  # type: ignore[misc]
            bound=0.05,
            tries=tries,
            without=without,
        )


def _chosen(random: Random, tries: int) -> Iterator[Line]:
    """What a person can choose: when to stop, and which answers to skip."""

    def until_it_counts() -> bool:
        one, other = asked(random, 0.9, 0.9), others(random, 66)
        order = random.permutation(COUNT).tolist()
        return any(one.opens(one.own(order[:count]), other) for count in range(34, 135, 10))

    def without_doubt() -> bool:
        one = asked(random, 0.9, 0.6)
        fooled = ~one.good & one.passed & (random.random(COUNT) < 0.8)
        return one.opens(one.own(random.permutation(COUNT)[:50].tolist(), fooled), others(random, 100))

    few = tries // 4
    yield Line(
        world="judges: labels are added, ten at a time, until the gate opens",
        measured=share(few, until_it_counts),
        bound=0.05,
        tries=few,
    )
    yield Line(
        world="judges: specificity 0.6 on the candidate's answers, and those that are hard to tell are skipped",
        measured=share(tries, without_doubt),
        bound=0.05,
        tries=tries,
    )


def _unseen(random: Random, tries: int) -> Iterator[Line]:
    """What so few labels cannot see."""

    def passes(own: int, sensitivity: float, specificity: float, pleased: float = 0.0) -> bool:
        one = asked(random, sensitivity, specificity)
        taken = ~one.good & one.passed & (random.random(COUNT) < pleased)
        fooled = replace(one, good=one.good | taken)
        return fooled.opens(fooled.own(random.permutation(COUNT)[:own].tolist()), others(random, 2 * own))

    for world, bound, own, rates in (
        ("specificity 0.7 on the candidate's answers, 100 of 300 labels of its own", 0.08, 100, (0.9, 0.7)),
        ("good answers please it more, 0.99 for 0.9, 34 of 102 labels of its own", 0.35, 34, (0.99, 0.9)),
        ("the same, 100 of 300", 0.1, 100, (0.99, 0.9)),
        (
            "specificity 0.6, and the person is pleased by half of what pleases it, 50 of 150",
            0.2,
            50,
            (0.9, 0.6, 0.5),
        ),
    ):
        yield Line(
            world=f"not closed: a judge in both arms, {world}",
            measured=share(tries, lambda own=own, rates=rates: passes(own, *rates)),  # type: ignore[misc]
            bound=bound,
            tries=tries,
        )
