"""What the steps of a rollout can see, and when, from the traffic of the last days: said before it starts.

All times are those of expected counts: of canaries that are three times as bad, about half are aborted earlier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from promptops.core.canary.advance import SATURATED, SampledKeys, judge_step
from promptops.core.canary.coins import WORSE, growth
from promptops.core.canary.guardrail import FALSE_ABORTS, share
from promptops.core.canary.state import Coin
from promptops.core.deployment_parts import WHOLE
from promptops.core.outcomes.units import KEYS_A_DAY

if TYPE_CHECKING:
    from promptops.core.canary.rollout_policy import RolloutPolicy

TIMES: Final = 3.0
"""How many times as bad a canary is whose abort is foretold."""
LONGEST: Final = timedelta(days=90)
"""What takes longer is called never."""
_WEIGHTS: Final = (100, 500, 1_000, 2_500, 5_000)
_SOON: Final = timedelta(days=1)
_BAKE: Final = timedelta(hours=4)
_WAIT: Final = timedelta(hours=72)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysSeen:
    """Keys of an app on a channel: how many a day, and by guardrail the share of a day's keys that went bad.

    Raises:
        ValueError: a number is negative, or a share is above 1.
    """

    a_day: float
    bad: Mapping[str, float]

    def __post_init__(self) -> None:
        if self.a_day < 0 or not all(0 <= bad <= 1 for bad in self.bad.values()):
            raise ValueError(f"there are no such keys: {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one guardrail sees at a weight; None where it takes longer than :data:`LONGEST`.

    ``worse`` is the time to the abort of a canary that is :data:`TIMES` times as bad, ``not_worse`` that until an equal
    one is shown not to be worse.
    """

    worse: timedelta | None
    not_worse: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """What a step of this weight sees, by guardrail, and when it has the keys that the policy asks for."""

    weight: int
    canary_keys_a_day: float
    enough_keys: timedelta | None
    sights: Mapping[str, Sight]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a rollout by a policy sees.

    ``dropped`` are guardrails that judge no step, with the reason. ``proposed`` is a ``rollout:`` for this traffic;
    None where there is too little of it for any.
    """

    steps: tuple[StepPlan, ...]
    dropped: Mapping[str, str]
    proposed: Mapping[str, object] | None


def plan(policy: RolloutPolicy, keys: KeysSeen) -> Plan:
    """Returns what the steps of a policy see, and what a policy for this traffic could be."""
    bad = {name: keys.bad.get(name, 0.0) for name in policy.guardrails}
    dropped = {
        name: f"{part:.0%} of keys go bad in a day, so it saturates: choose a rarer guardrail"
        for name, part in bad.items()
        if part > SATURATED
    }
    judged = {name: part for name, part in bad.items() if name not in dropped}
    steps = tuple(_step(policy, keys.a_day, judged, step.weight) for step in policy.steps)
    return Plan(steps=steps, dropped=dropped, proposed=_proposed(policy, keys.a_day, judged))


def time_to_abort(
    keys_a_day: float, bad: float, weight: int, guardrails: int, times: float = TIMES
) -> timedelta | None:
    """Returns how long the coin of keys that are bad once takes to abort a canary that is ``times`` as bad."""
    odds = weight / (WHOLE - weight)
    part = odds * times / (1 + odds * times)
    tosses = (growth(odds, multiple) for multiple in WORSE)
    gain = max(part * math.log(canary) + (1 - part) * math.log(stable) for canary, stable in tosses)
    limit = math.log(len(Coin) * guardrails / FALSE_ABORTS) + math.log(len(WORSE)) - math.log(share(0))
    a_day = keys_a_day * bad * (1 + (times - 1) * weight / WHOLE)
    return _time(limit / gain / a_day) if a_day else None


def _step(policy: RolloutPolicy, keys_a_day: float, judged: Mapping[str, float], weight: int) -> StepPlan:
    canary = keys_a_day * weight / WHOLE
    return StepPlan(
        weight=weight,
        canary_keys_a_day=canary,
        enough_keys=_time(policy.canary_keys / canary) if canary else None,
        sights={
            name: Sight(
                worse=time_to_abort(keys_a_day, bad, weight, len(judged)),
                not_worse=_time_to_show(policy, keys_a_day, bad, weight),
            )
            for name, bad in judged.items()
        },
    )


def _time_to_show(policy: RolloutPolicy, keys_a_day: float, bad: float, weight: int) -> timedelta | None:
    """How long it takes until an equal canary with the expected number of bad keys is shown not to be worse."""
    sides = [min(keys_a_day * part / WHOLE, KEYS_A_DAY) for part in (weight, WHOLE - weight)]

    def is_shown(hours: int) -> bool:
        canary, stable = (int(a_day * hours / 48) for a_day in sides)  # those that were first seen in the first half
        keys = SampledKeys(
            canary=canary, canary_bad=math.ceil(canary * bad), stable=stable, stable_bad=int(stable * bad)
        )
        verdict = judge_step(keys, sides[0] / sides[1], ratio=policy.ratio, tolerance=policy.tolerance)
        return verdict.is_shown

    return _first_hour(is_shown) if min(sides) else None


def _first_hour(holds: Callable[[int], bool]) -> timedelta | None:
    """The first hour at which it holds, of what holds from some hour on."""
    low, high = 0, LONGEST // _HOUR
    if not holds(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high * _HOUR


def _proposed(policy: RolloutPolicy, keys_a_day: float, judged: Mapping[str, float]) -> Mapping[str, object] | None:
    """Steps of which the first one sees a canary that is three times as bad within a day, by what goes bad most often.

    Where next to nothing goes bad, that is a canary with a share of bad keys at the tolerance.
    """
    if not judged:
        return None
    most = max(*judged.values(), policy.tolerance / TIMES)
    soon = [weight for weight in _WEIGHTS if _bake(keys_a_day, most, weight, len(judged)) <= _SOON]
    if not soon:
        return None
    weights = [soon[0], *(weight for weight in (500, 2_500, 5_000) if weight > soon[0])]
    slowest = [_time_to_show(policy, keys_a_day, bad, weights[0]) or LONGEST for bad in judged.values()]
    return {
        "steps": [
            {"percent": _percent(weight), "bake": _hours(_bake(keys_a_day, most, weight, len(judged)))}
            for weight in weights
        ],
        "wait": _hours(min(max(_WAIT, *slowest), 7 * _DAY)),
        "guardrails": list(judged),
    }


def _bake(keys_a_day: float, bad: float, weight: int, guardrails: int) -> timedelta:
    return max(time_to_abort(keys_a_day, bad, weight, guardrails) or LONGEST, _BAKE)


def _time(days: float) -> timedelta | None:
    return days * _DAY if days <= LONGEST / _DAY else None


def _hours(time: timedelta) -> str:
    return f"{math.ceil(time / _HOUR)}h"


def _percent(weight: int) -> int | float:
    return weight // 100 if weight % 100 == 0 else weight / 100
