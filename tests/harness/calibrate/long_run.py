"""What many releases or many nights add up to, and what no gate can see; by the tests of the gate on drawn counts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from promptops.core.gate.drift import worse_than_before
from promptops.core.statistics import tango
from promptops.core.statistics.bounds import lower_bound
from tests.core.statistics.exact import tango_table
from tests.harness.calibrate.draw import Random
from tests.harness.calibrate.line import Line

LEVEL = 0.03


def creep(random: Random, tries: int) -> Iterator[Line]:
    """Twelve releases in a row, each 1 to 1.5 points worse, margin 3 points, 1,000 cases."""
    cases, margin, disagree = 1000, 0.03, 0.1

    def passes(loss: float) -> bool:
        share = max(disagree, abs(loss) + 0.02)
        lost, gained, _ = random.multinomial(cases, [(share + loss) / 2, (share - loss) / 2, 1 - share])
        return tango.passes(int(lost), int(gained), cases, margin, LEVEL)

    def gone(anchored: bool) -> float:
        quality, live = [0.9], 0
        bounds = [lower_bound(900, cases, 0.05)]
        for _ in range(12):
            candidate = quality[live] - random.uniform(0.01, 0.015)
            best = int(np.argmax(bounds))
            good = passes(quality[live] - candidate)
            if good and anchored and best != live:
                good = passes(quality[best] - candidate)
            if good:
                quality.append(candidate)
                bounds.append(lower_bound(int(random.binomial(cases, candidate)), cases, 0.05))
                live = len(quality) - 1
        return 0.9 - quality[live]

    lost = sorted(gone(anchored=True) for _ in range(tries))
    without = sorted(gone(anchored=False) for _ in range(max(tries // 4, 20)))
    worst, worst_without = lost[int(len(lost) * 0.95)], without[int(len(without) * 0.95)]
    yield Line(
        world="creep: points gone after twelve releases that are each a little worse, on average",
        measured=float(np.mean(lost)),
        bound=0.02,
        without=float(np.mean(without)),
        how=f"{tries:,} times twelve releases",
    )
    yield Line(
        world="creep: the same in the worst twentieth",
        measured=worst,
        bound=0.03,
        without=worst_without,
        how=f"{tries:,} times twelve releases",
    )


def drift(random: Random, tries: int) -> Iterator[Line]:
    """Nightly runs of what is live against the mean of the first three; 200 cases."""
    few = max(tries // 4, 20)

    def nights(loss: float, count: int) -> bool:
        rates = random.beta(0.85, 0.15, 200)
        before = np.mean([random.random(200) < rates for _ in range(3)], axis=0)
        now = np.clip(rates - random.choice([0, 1], 200, p=[0.6, 0.4]) * loss / 0.4, 0, 1)
        return any(worse_than_before(((random.random(200) < now) - before).tolist()) for _ in range(count))

    alarms = sum(nights(0.0, 30) for _ in range(few)) / few
    yield Line(world="drift: a false alarm in a month of nights", measured=alarms, bound=0.05, tries=few, without=0.73)
    found = sum(nights(0.12, 2) for _ in range(few)) / few
    yield Line(
        world="drift: a drop of about 10 points is found in two nights",
        measured=found,
        bound=0.5,
        least=True,
        tries=few,
    )


def unseen(random: Random, tries: int) -> Iterator[Line]:
    """What a gate cannot see: the best of ten contents by local runs on the same cases."""
    passed = tango_table(200, 0.05, LEVEL)
    counts = random.multinomial(200, [0.075, 0.025, 0.9], (tries, 10))
    best = passed[counts[..., 0], counts[..., 1]].any(axis=1).mean()
    yield Line(
        world="not closed: the best of ten contents, chosen by local runs on the same cases",
        measured=float(best),
        bound=0.22,
        tries=tries,
    )


WORLDS = (creep, drift, unseen)
