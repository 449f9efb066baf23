"""Whole rollouts with five guardrails, judged by the code that judges yours: what is aborted, found and let pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial

import numpy as np

from promptops.core.bucketing import bucket
from promptops.core.canary.coins import Tosses, log_e_value
from promptops.core.canary.judge import Verb
from promptops.core.canary.state import Coin
from promptops.core.deployment_parts import WHOLE
from tests.harness.calibrate.canary_rollout import RAMPS, End, Rollout, policy
from tests.harness.calibrate.canary_rules import RULES, alarms
from tests.harness.calibrate.canary_sample import lines as sample_lines
from tests.harness.calibrate.canary_sample import split_lines
from tests.harness.calibrate.canary_traffic import Ints, World, draw
from tests.harness.calibrate.draw import Random
from tests.harness.calibrate.line import Line

_LIMIT = math.log(15 / 0.05)
"""Of five guardrails with three coins each."""
_BOUND, _SEEING = 0.05, 0.0625
"""How often a canary may be aborted that is no worse: with steps that see no sides of keys, and with ones that do."""

EQUAL = (
    World(name="50 heavy-tailed users", users=50, bad=0.3),
    World(name="500 heavy-tailed users", bad=0.2),
    World(name="5,000 heavy-tailed users", users=5_000, bad=0.1),
    World(name="3,000 users who are alike", users=3_000, heavy=False),
    World(name="five times as many bad calls at the end as at the start", users=2_000, bad=0.04, drift=5.0),
    World(name="an outage: 40 % of the calls of six hours are bad", users=2_000, outage=(30.0, 36.0)),
    World(name="no keys: each call is a key of its own", users=1_000_000, heavy=False),
    World(
        name="reports up to an hour late, in any order, from five servers", users=2_000, bad=0.1, late=1.0, servers=5
    ),
    World(name="held conversations, which stay on their revision", bad=0.2, held=True),
    World(name="a tenth of the calls without a unit", users=2_000, bad=0.1, unitless=0.1),
    World(name="a tenth of the keys are made up, and every call of theirs is bad", users=2_000, broken=0.1),
)
_LONG = RAMPS["1, 5, 25, 50 %"]
BETTER = (0.67, 0.5, 0.2)

_FEW = World(name="", users=5_000, calls=20_000, bad=0.02)
_MANY = World(name="", users=20_000, calls=40_000, bad=0.02)
FOUND: tuple[tuple[str, World, Sequence[int], float, float | None], ...] = (
    *(
        (f"× {times:g}, 1, 5, 25, 50 %", replace(_FEW, times=times), _LONG, share, call)
        for times, share, call in ((2.0, 0.38, 14_945), (3.0, 0.93, 12_324), (5.0, 0.99, 10_236), (10.0, 1.0, 6_331))
    ),
    *(
        (f"× {times:g}, 10 %", replace(_FEW, times=times), (1_000,), share, call)
        for times, share, call in ((2.0, 0.10, 7_299), (3.0, 0.57, 6_882), (5.0, 0.95, 3_299))
    ),
    *(
        (
            f"× {times:g} from the step of 50 % on, 20,000 users",
            replace(_MANY, times=times, from_step=3),
            _LONG,
            share,
            call,
        )
        for times, share, call in ((3.0, 0.94, 34_645), (5.0, 1.0, 31_504))
    ),
    *(
        (
            f"× {times:g} from half of the time on, 10 %, 20,000 users",
            replace(_MANY, times=times, from_hour=36.0),
            (1_000,),
            share,
            call,
        )
        for times, share, call in ((3.0, 0.35, 34_328), (5.0, 0.95, 28_906))
    ),
)  # fmt: skip
"""What a prototype found with one coin of ten: the share of rollouts, and the median call."""


def lines(seed: int, tries: int) -> Iterator[Line]:
    """Yields every line about canaries; each group has a generator of its own."""
    for number, group in enumerate(GROUPS):
        yield from group(np.random.default_rng(seed + number), tries)


def _false_aborts(random: Random, tries: int) -> Iterator[Line]:
    for world in EQUAL:
        for name, ramp in RAMPS.items():
            seen = [_end(world, ramp, random) for _ in range(tries)]
            others = np.mean([rules for _, rules in seen], axis=0).tolist()
            yield _line(
                f"aborted, equal: {world.name}; {name}",
                _aborted([end for end, _ in seen]),
                tries,
                beside=dict(zip(RULES, others, strict=True)),
            )


def _end(world: World, ramp: Sequence[int], random: Random) -> tuple[End, tuple[bool, bool, bool]]:
    traffic = draw(world, random)
    return Rollout(traffic, policy(ramp)).run(), alarms(traffic, ramp)


def _chosen_keys(random: Random, tries: int) -> Iterator[Line]:
    """A tenth of the keys are chosen by the salt of an earlier rollout, to be the canary's, and all they do is bad."""
    ramp = RAMPS["5, 25, 50 %"]
    chosen = [key for key in map(str, range(20_000)) if bucket("app#prod#1.3#old", key) < ramp[0]][:200]
    world = World(name="", users=2_000, broken=0.0)
    aborted = []
    for salt in ("app#prod#1.9#new", "app#prod#1.3#old"):
        ends = []
        for number in range(tries):
            drawn = f"{salt}{number}" if salt.endswith("new") else salt
            traffic = draw(world, random, bucket=partial(_buckets, drawn, chosen, random))
            mine = traffic.user < len(chosen)
            ends.append(Rollout(replace(traffic, rate=np.where(mine, 1.0, traffic.rate)), policy(ramp)).run())
        aborted.append(_aborted(ends))
    yield _line(
        "aborted, equal: keys that are chosen by the salt of the last rollout, each call bad; 5, 25, 50 %",
        aborted[0],
        tries,
        without=aborted[1],
    )


def _buckets(salt: str, chosen: Sequence[str], random: Random, users: int) -> Ints:
    found = random.integers(0, WHOLE, users)
    found[: len(chosen)] = [bucket(salt, key) for key in chosen]
    return found


class _Stays(Rollout):
    """Steps of a schedule that sees the sides of all keys, and stays while the canary has more than its share."""

    def _looks_until(self, hour: float) -> End | None:
        while self.step < len(self.weights) - 1 and self.begun[-1] + 1 <= hour:
            if self._is_high[self.step] and hour < self.traffic.world.hours - 1:
                return None
            self.step += 1
            self.begun.append(hour)
        return None

    @cached_property
    def _is_high(self) -> list[bool]:
        buckets = self.traffic.bucket[np.unique(self.traffic.user)]
        return [float((buckets < weight).mean()) > weight / WHOLE for weight in self.weights]


def _seeing(random: Random, tries: int) -> Iterator[Line]:
    for users, bad in ((50, 0.3), (200, 0.3), (3_000, 0.05)):
        world = World(name="", users=users, bad=bad, heavy=users < 1_000)
        ends = [_Stays(draw(world, random), policy(RAMPS["5, 25, 50 %"])).run() for _ in range(tries)]
        name = (
            f"aborted, equal: a schedule that sees all sides stays where the canary has too many keys; {users:,} users"
        )
        yield _line(name, _aborted(ends), tries, bound=_SEEING)


def _better(random: Random, tries: int) -> Iterator[Line]:
    tries = max(tries // 2, 3)
    for bad in (0.05, 0.2):
        for times in BETTER:
            for name, ramp in (*RAMPS.items(), ("50 %", (5_000,))):
                world = World(name="", users=2_000, calls=60_000, bad=bad, times=times, heavy=False)
                ends = [Rollout(draw(world, random, 1), policy(ramp)).run() for _ in range(tries)]
                title = f"aborted, × {times:g}: 2,000 users with 30 calls, {bad:.0%} bad; {name}"
                yield _line(title, _aborted(ends), tries, bound=0.01)


def _found(random: Random, tries: int) -> Iterator[Line]:
    for name, world, ramp, share, call in FOUND:
        begun = [world.hours * place / len(ramp) for place in range(len(ramp))]
        ends = [Rollout(draw(world, random, 1), policy(ramp), begun=begun).run() for _ in range(tries)]
        calls = [end.call for end in ends if end.verb is Verb.ABORT]
        yield _line(f"found, {name}", len(calls) / tries, tries, bound=share - 0.1, least=True)
        if call and len(calls) >= 20:
            yield Line(
                world=f"found, {name}: the median call, of that of the prototype",
                measured=float(np.median(calls)) / call,
                bound=1.25,
                how=f"call {int(np.median(calls)):,}",
            )


def _attacks(random: Random, tries: int) -> Iterator[Line]:
    tries = max(tries // 4, 3)
    yield from _depth(random, tries)
    yield _wear(random, tries)
    yield from _cold_cache(random, tries)
    yield from _listed(random, tries)


def _depth(random: Random, tries: int) -> Iterator[Line]:
    """1,000 of 20,000 keys can go bad at all; a conversation is so many calls within an hour."""
    for calls, bad, times in ((30, 0.2, 4.0), (20, 0.33, 3.0), (30, 0.1, 5.0), (6, 0.2, 4.0)):
        world = World(name="", users=1_000, calls=1_000 * calls, bad=bad, times=times, heavy=False, within=1.0)
        found = []
        for kinds in (tuple(Coin), (Coin.ONCE,)):
            ends = [
                Rollout(draw(world, random, 1), policy((2_500,)), begun=[0.0], kinds=kinds).run() for _ in range(tries)
            ]
            found.append(_aborted(ends))
        name = f"found, depth: {bad:.0%} of {calls} calls of 1,000 conversations, {bad * times:.0%} on the canary"
        yield _line(name, found[0], tries, bound=0.95, least=True, without=found[1])


def _wear(random: Random, tries: int) -> Line:
    world = World(name="", users=5_000, calls=30_000, hours=90.0, bad=0.01, times=8.0, wear=12.0, heavy=False)
    ends = [
        Rollout(
            draw(world, random, 1),
            policy(RAMPS["5, 25, 50 %"], stops=True),
        ).run()
        for _ in range(tries)
    ]
    through = sum(end.verb is Verb.ADVANCE for end in ends) / tries
    return _line("reaches 100 %, wears users down: × 8 once they have had it for 12 hours; 5, 25, 50 %", through, tries)


def _cold_cache(random: Random, tries: int) -> Iterator[Line]:
    """Dear calls are above what 2 % of stable's keys pay; those of the canary miss the cache more often."""
    for calls, weight in ((120, 500), (300, 500), (1_000, 500)):
        paid = [_dear(random, calls * 24, weight, uncached=False) for _ in range(tries)]
        priced = [_dear(random, calls * 24, weight, uncached=True) for _ in range(tries)]
        name = (
            f"aborted, equal: a cold cache makes the canary's calls dear; {calls:,} calls an hour, {weight / 100:g} %"
        )
        yield _line(name, sum(priced) / tries, tries, without=sum(paid) / tries)


def _dear(random: Random, calls: int, weight: int, *, uncached: bool) -> bool:
    """Whether `dear` aborts an equal canary: by prices as they are paid, or with cached tokens as if they were not."""

    def cost(hours: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        misses = np.diff(hours, prepend=-9.0) > 5 / 60
        return np.where(misses | uncached, 4.0, 1.0) * random.lognormal(0, 0.2, hours.size)

    each = 6  # calls of a key
    limit = float(np.quantile(cost(np.sort(random.random(calls)) * 24), 1 - 0.02 / each))
    hours, user = np.sort(random.random(calls)) * 24, random.integers(0, calls // each, calls)
    on_canary = random.integers(0, WHOLE, calls // each)[user] < weight
    costs = np.empty(calls)
    for side in (True, False):
        costs[on_canary == side] = cost(hours[on_canary == side])
    bad = np.flatnonzero(costs > limit)
    _, first = np.unique(user[bad], return_index=True)
    odds = weight / (WHOLE - weight)
    mine, most = 0, 0.0
    for place, side in enumerate(on_canary[bad[np.sort(first)]].tolist()):
        mine += side
        most = max(most, log_e_value([Tosses(odds=odds, canary=mine, stable=place + 1 - mine)]) if side else 0.0)
    return most + math.log(0.5) >= _LIMIT


def _listed(random: Random, tries: int) -> Iterator[Line]:
    """A canary that breaks 3 % of the keys, of which most are named in the file of those that have it first."""
    for share in (0.8, 1.0):
        hidden = sum(_is_hidden(random, share) for _ in range(tries)) / tries
        unseen = sum(_is_hidden(random, share, named=False) for _ in range(tries)) / tries
        name = f"neither aborted nor paused: breaks 3 % of 20,000 keys, {share:.0%} of them named in --keys; 25 %"
        yield _line(name, hidden, tries, without=unseen)


def _is_hidden(random: Random, share: float, *, named: bool = True) -> bool:
    """Whether nothing stops it: no failure of a named key, and no coin of the others."""
    keys = 20_000
    prone = random.random(keys) < 0.03
    listed = prone & (random.random(keys) < share)
    canary = random.random(keys) < 0.25
    bad = random.random(keys) < np.where(prone & (canary | listed), 0.9, 0.01)
    if named and (bad & listed).any():
        return False
    sides = canary[bad & ~listed].cumsum()
    logs = [
        log_e_value([Tosses(odds=1 / 3, canary=mine, stable=place + 1 - mine)])
        for place, mine in enumerate(sides.tolist())
        if place % 5 == 4
    ]
    return max(logs, default=0.0) + math.log(0.5) < _LIMIT


def _aborted(ends: Sequence[End]) -> float:
    return sum(end.verb is Verb.ABORT for end in ends) / len(ends)


def _line(
    world: str,
    measured: float,
    tries: int,
    *,
    bound: float = _BOUND,
    least: bool = False,
    without: float | None = None,
    beside: dict[str, float] | None = None,
) -> Line:
    return Line(
        world=world,
        measured=measured,
        bound=bound,
        tries=tries,
        least=least,
        without=without,
        of="rollouts",
        beside=beside or {},
    )


GROUPS: tuple[Callable[[Random, int], Iterator[Line]], ...] = (
    _false_aborts,
    _chosen_keys,
    _seeing,
    _better,
    _found,
    _attacks,
    split_lines,
    sample_lines,
)
