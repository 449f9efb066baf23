"""One rollout from its start to its end, judged by the code that judges yours."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from promptops.core.canary.advance import SampledKeys
from promptops.core.canary.guardrail import Guardrail
from promptops.core.canary.judge import Judgement, Look, Moment, Verb, judge
from promptops.core.canary.rollout_policy import RolloutPolicy, read_rollout
from promptops.core.canary.state import Coin, Counted, RolloutState
from promptops.core.deployment_parts import WHOLE
from tests.harness.calibrate.canary_traffic import Traffic

NAMES = ("error", "refusal", "schema", "slow", "dear")
RAMPS = {"5, 25, 50 %": (500, 2500, 5000), "1, 5, 25, 50 %": (100, 500, 2500, 5000)}


def policy(ramp: Sequence[int], *, hours: float = 72.0, stops: bool = False) -> RolloutPolicy:
    """A policy whose steps last these hours together at most; it advances in the end, unless it ``stops`` there."""
    wait = hours / len(ramp)
    response = "pause" if stops else "advance"
    return read_rollout(
        {
            "steps": [{"percent": weight / 100, "bake": f"{round(wait * 15)}m"} for weight in ramp],
            "wait": f"{round(wait * 60)}m",
            "guardrails": list(NAMES),
            "on": {"inconclusive": response, "no_data": response},
        }
    )


@dataclass(frozen=True, kw_only=True)
class End:
    """How a rollout ended: by this verb, at this call and step; ``shown`` are the steps shown not to be worse."""

    verb: Verb
    call: int
    step: int
    shown: int = 0


@dataclass
class Rollout:
    """A rollout that meets traffic, with the looks of its policy.

    ``begun`` are the hours at which its steps begin; where all are given, it has no looks. ``kinds`` are the coins that
    may abort it.
    """

    traffic: Traffic
    policy: RolloutPolicy
    begun: list[float] = field(default_factory=lambda: [0.0])
    kinds: tuple[Coin, ...] = tuple(Coin)
    step: int = 0
    shown: int = 0
    looks: set[Look] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.weights = [step.weight for step in self.policy.steps]
        self.state = RolloutState(self.weights, NAMES)
        self.coins = self.state.coins
        self.has_looks = len(self.begun) < len(self.weights)
        self._next = math.inf
        self._wait()
        self._counted: list[dict[int, Counted]] = [{} for _ in NAMES]
        self._bad: list[set[tuple[int, int]]] = [set() for _ in NAMES]

    def run(self) -> End:
        """Goes through the traffic and returns how the rollout ends."""
        traffic, world = self.traffic, self.traffic.world
        calls = traffic.may_be_bad()
        places = range(traffic.guardrails.shape[1])
        columns = zip(
            calls.tolist(),
            traffic.at[calls].tolist(),
            traffic.reported[calls].tolist(),
            traffic.assigned[calls].tolist(),
            traffic.user[calls].tolist(),
            traffic.drawn[calls].tolist(),
            traffic.rate[calls].tolist(),
            strict=True,
        )
        for call, at, reported, assigned, user, drawn, rate in columns:
            if end := self._looks_until(reported):
                return end
            step = bisect.bisect_right(self.begun, assigned) - 1
            bucket = int(traffic.bucket[user])
            worse = bucket < self.weights[step] and at >= world.from_hour and step >= world.from_step
            if worse and world.wear:
                had_since = self.begun[bisect.bisect_right(self.weights, bucket)]
                worse = at >= had_since + world.wear
            if drawn < min(1.0, rate * (world.times if worse else 1.0)):
                for place in places:
                    if traffic.guardrails[call, place] and self._is_worse(place, user, bucket, step, int(at * 60)):
                        return End(verb=Verb.ABORT, call=call, step=self.step, shown=self.shown)
        return self._looks_until(world.hours + 1) or End(verb=Verb.HOLD, call=world.calls, step=self.step)

    def _is_worse(self, place: int, user: int, bucket: int, step: int, minute: int) -> bool:
        """Counts a bad key and returns whether that ends the rollout. Only a key of the canary can."""
        name = NAMES[place]
        self._bad[place].add((user, step))
        before = self._counted[place].get(user, Counted())
        after = self._counted[place][user] = self.state.bad(name, before, bucket=bucket, step=step, minute=minute)
        if bucket >= self.weights[step] or after == before:
            return False
        changed = [kind for kind, one, other in zip(Coin, before.masks, after.masks, strict=True) if one != other]
        return any(self._shows(self.coins[kind.of(name)]) for kind in changed if kind in self.kinds)

    def _shows(self, coin: Guardrail) -> bool:
        return coin.log_e_value() >= self.state.limit

    def _looks_until(self, hour: float) -> End | None:
        """Takes the looks that are due until this hour."""
        while hour >= self._next:
            judgement = judge(self.policy, self.state, self._moment(self._ages()[0]))
            assert judgement.look is not None, judgement
            if (end := self._follow(judgement)) is not None:
                return end
        return None

    def _ages(self) -> list[timedelta]:
        """How old the step is at each look that it still has."""
        ages = {Look.BAKE: self.policy.steps[self.step].bake, Look.WAIT: self.policy.wait}
        is_last = self.step == len(self.weights) - 1
        return sorted(
            age for look, age in ages.items() if look not in self.looks and not (is_last and look is Look.BAKE)
        )

    def _wait(self) -> None:
        ages = self._ages() if self.has_looks else []
        self._next = self.begun[-1] + ages[0] / timedelta(hours=1) if ages else math.inf

    def _follow(self, judgement: Judgement) -> End | None:
        hour = self._next
        if judgement.look:
            self.looks.add(judgement.look)
        if judgement.verb is Verb.HOLD:
            self._wait()
            return None
        call = int(np.searchsorted(self.traffic.at, hour))
        self.shown += judgement.why == "not-worse"
        if judgement.verb is not Verb.ADVANCE or judgement.weight == WHOLE:
            return End(verb=judgement.verb, call=call, step=self.step, shown=self.shown)
        self.step += 1
        self.looks.clear()
        self.begun.append(hour)
        self._wait()
        return None

    def _moment(self, age: timedelta) -> Moment:
        begun, weight = self.begun[-1], self.weights[self.step]
        half = begun + age / timedelta(hours=2)
        traffic = self.traffic
        seen = (traffic.at >= begun) & (traffic.at < half) & (traffic.assigned >= begun)
        keys = np.unique(traffic.user[seen])
        canary = traffic.bucket[keys] < weight
        known: dict[str, Any] = {}
        for place, name in enumerate(NAMES):
            bad = np.array([(key, self.step) in self._bad[place] for key in keys.tolist()], bool)
            known[name] = SampledKeys(
                canary=int(canary.sum()),
                canary_bad=int((bad & canary).sum()),
                stable=int((~canary).sum()),
                stable_bad=int((bad & ~canary).sum()),
            )
        return Moment(
            age=age,
            weight=weight,
            looks=frozenset(self.looks),
            keys=known,
            odds=weight / (WHOLE - weight),
            canary_keys=int(canary.sum()),
        )
