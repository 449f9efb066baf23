"""Steps that advance, on sampled keys: how often a canary advances that is worse than both limits, and a good one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from promptops.core.canary.advance import RATIO, TOLERANCE, SampledKeys, is_skewed, judge_step
from promptops.core.canary.coins import Tosses
from promptops.core.canary.state import RolloutState
from promptops.core.deployment_parts import WHOLE
from promptops.core.outcomes.units import EVERY, Sample
from tests.harness.calibrate.canary_traffic import Bools, Floats, World, draw
from tests.harness.calibrate.draw import Random
from tests.harness.calibrate.line import Line

_WEIGHT = 2_500
_ODDS = _WEIGHT / (WHOLE - _WEIGHT)
_BOUND = 0.05


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Keys of the sample at a look: the side of each, whether it could show the guardrail, and whether it is bad if it
    is the canary's and if it is stable's.
    """

    canary: Bools
    could: Bools
    bad_on_canary: Bools
    bad_on_stable: Bools

    def sampled(self, *, all_keys: bool = False) -> SampledKeys:
        """What the look counts; with ``all_keys``, also those that could not show the guardrail."""
        among = self.could | all_keys
        bad = self.could & np.where(self.canary, self.bad_on_canary, self.bad_on_stable)
        return SampledKeys(
            canary=int((among & self.canary).sum()),
            canary_bad=int((bad & self.canary).sum()),
            stable=int((among & ~self.canary).sum()),
            stable_bad=int((bad & ~self.canary).sum()),
        )

    @property
    def is_worse(self) -> bool:
        """Whether the canary is above both limits: by what each key would do on either side."""
        if not self.could.any():
            return False
        canary, stable = (float(bad[self.could].mean()) for bad in (self.bad_on_canary, self.bad_on_stable))
        return canary > TOLERANCE and canary > RATIO * stable


Draw = Callable[[Random], tuple[Keys, Keys]]
"""Draws the keys at the end of ``bake`` and at that of ``wait``."""


def traffic_looks(world: World) -> Draw:
    """Looks after a quarter of the time and at its end, at keys that were seen in the first half until then."""

    def drawn(random: Random) -> tuple[Keys, Keys]:
        traffic = draw(world, random, guardrails=1)
        bucket = traffic.bucket < _WEIGHT
        sides = [traffic.bad(np.full(world.calls, side), np.zeros(1, int)) for side in (True, False)]
        looks = []
        for hour in (world.hours / 4, world.hours):
            seen, until = np.zeros((2, world.users), bool)
            seen[traffic.user[traffic.at < hour / 2]] = True
            until = traffic.at < hour
            bad = np.zeros((2, world.users), bool)
            for place, side in enumerate(sides):
                bad[place, traffic.user[until & side]] = True
            looks.append(
                Keys(
                    canary=bucket[seen],
                    could=np.ones(int(seen.sum()), bool),
                    bad_on_canary=bad[0, seen],
                    bad_on_stable=bad[1, seen],
                )
            )
        return looks[0], looks[1]

    return drawn


def scored_looks(keys: int, scored: float, bad: float, times: float) -> Draw:
    """Looks at keys of which few have a score."""

    def drawn(random: Random) -> tuple[Keys, Keys]:
        looks = []
        for share in (0.05, 0.5):
            count = random.poisson(keys * share)
            number: Floats = random.random(count)
            looks.append(
                Keys(
                    canary=random.random(count) < _WEIGHT / WHOLE,
                    could=random.random(count) < scored,
                    bad_on_canary=number < bad * times,
                    bad_on_stable=number < bad,
                )
            )
        return looks[0], looks[1]

    return drawn


def advances(looks: tuple[Keys, Keys], *, all_keys: bool = False) -> bool:
    """Whether one of two looks lets the canary advance."""
    return any(judge_step(keys.sampled(all_keys=all_keys), _ODDS).is_shown for keys in looks)


def wrongly(looks: tuple[Keys, Keys], *, all_keys: bool = False) -> bool | None:
    """Whether one of two looks lets a canary advance that is worse at it; None where it is worse at neither."""
    worse = tuple(keys for keys in looks if keys.is_worse)
    return any(judge_step(keys.sampled(all_keys=all_keys), _ODDS).is_shown for keys in worse) if worse else None


TRAFFIC = [
    World(name=name, users=users, calls=calls, bad=bad, times=times, heavy=heavy)
    for name, users, calls, bad in (
        ("20,000 users, 60,000 calls, 2 % bad", 20_000, 60_000, 0.02),
        ("20,000 users, 60,000 calls, 0.3 % bad", 20_000, 60_000, 0.003),
        ("20,000 users, 60,000 calls, 0.05 % bad", 20_000, 60_000, 0.0005),
        ("2,000 users, 60,000 calls, 0.3 % bad", 2_000, 60_000, 0.003),
        ("2,000 users, 60,000 calls, 2 % bad: keys used up", 2_000, 60_000, 0.02),
        ("2,000 users, 60,000 calls, 20 % bad: keys used up", 2_000, 60_000, 0.2),
    )
    for times in (2.0, 3.0, 10.0)
    for heavy in (True, False)
]
"""Six kinds of traffic, three canaries that are worse, and two kinds of tails."""
GOOD = [
    (World(name="20,000 users, 60,000 calls, 2 % bad", users=20_000, calls=60_000, bad=0.02, heavy=False), 0.9),
    (World(name="20,000 users, 60,000 calls, nothing bad", users=20_000, calls=60_000, bad=0.0), 0.95),
]


def lines(random: Random, tries: int) -> Iterator[Line]:
    """Yields a line for each kind of traffic."""
    for world in TRAFFIC:
        drawn = traffic_looks(world)
        found = [answer for answer in (wrongly(drawn(random)) for _ in range(tries)) if answer is not None]
        if len(found) >= tries / 10:
            tails = "heavy tails" if world.heavy else "light tails"
            yield _line(f"advances, × {world.times:g}: {world.name}, {tails}", sum(found) / len(found), len(found))
    for keys in (5_000, 20_000, 100_000):
        for times in (3.0, 5.0):
            drawn = scored_looks(keys, 0.03, 0.04, times)
            looks = [drawn(random) for _ in range(tries)]
            found = [answer for answer in map(wrongly, looks) if answer is not None]
            without = sum(advances(pair, all_keys=True) for pair in looks) / tries
            yield _line(
                f"advances, × {times:g}: 3 % of {keys:,} keys have a score, 4 % of those of stable bad",
                sum(found) / len(found),
                len(found),
                without,
            )
    for world, least in GOOD:
        drawn = traffic_looks(world)
        share = sum(advances(drawn(random)) for _ in range(tries)) / tries
        yield Line(
            world=f"advances, equal: {world.name}", measured=share, bound=least, least=True, tries=tries, of="steps"
        )


def _line(world: str, share: float, tries: int, without: float | None = None) -> Line:
    return Line(world=world, measured=share, bound=_BOUND, tries=tries, of="steps", without=without)


def split_lines(random: Random, tries: int) -> Iterator[Line]:
    """Yields what the split of the keys says, of one that is right and of one that loses documents."""
    ramp = (500, 2_500, 5_000)
    fair = [_split(random, ramp, lost=0.0) for _ in range(2 * tries)]
    lossy = [_split(random, ramp, lost=0.2) for _ in range(tries // 2)]
    yield Line(
        world="the split of the keys is called wrong, and is right; 100,000 users of whom most call under each step",
        measured=sum(either for either, _ in fair) / len(fair),
        bound=0.001,
        tries=len(fair),
        of="rollouts",
        without=sum(every for _, every in fair) / len(fair),
    )
    yield Line(
        world="a fifth of the canary's documents are lost: the split is called wrong",
        measured=sum(either for either, _ in lossy) / len(lossy),
        bound=0.95,
        least=True,
        tries=len(lossy),
        of="rollouts",
    )


def _split(random: Random, ramp: tuple[int, ...], *, lost: float, users: int = 100_000) -> tuple[bool, bool]:
    """Whether the split is called wrong, by keys that are in the sample either way, and by all that are in it."""
    ids, buckets = random.integers(0, EVERY, users), random.integers(0, WHOLE, users)
    seen = np.zeros((2, users), bool)
    tosses: tuple[list[Tosses], list[Tosses]] = ([], [])
    rows = []
    for step, weight in enumerate(ramp):
        sample = Sample.giving(users, weight=weight)
        canary = buckets < weight
        active = (random.random(users) < 0.95) & ~(canary & (random.random(users) < lost))
        every = np.where(canary, sample.canary, sample.stable)
        either = np.full(users, min(sample.canary, sample.stable))
        for place, (threshold, times) in enumerate(((either, 1.0), (every, sample.quotient))):
            first = active & (ids < threshold) & ~seen[place]
            seen[place] |= first
            sides = int((first & canary).sum()), int((first & ~canary).sum())
            tosses[place].append(Tosses(odds=weight / (WHOLE - weight) * times, canary=sides[0], stable=sides[1]))
            rows += [[step, *sides]] * (place == 0)
    state = RolloutState.of_json({"guardrails": {}, "first_seen": rows}, ramp)
    return state.is_skewed, is_skewed(tosses[1])
