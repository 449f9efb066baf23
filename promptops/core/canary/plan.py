"""What the steps of a rollout can see, and when, from the traffic of the last days: said before it starts. Pure.

How long something takes is worked out in :mod:`promptops.core.canary.foresight`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from promptops.core.canary.advance import SATURATED
from promptops.core.canary.foresight import (
    LONGEST,
    Growing,
    KeysSeen,
    Shown,
    abort_of,
    days_to_abort,
    first_sight,
    headline,
    longest,
    sampled_keys,
    time_to_show,
)
from promptops.core.deployment_parts import WHOLE

if TYPE_CHECKING:
    from promptops.core.canary.rollout_policy import RolloutPolicy

DEFAULT: Final[Mapping[str, object]] = {
    "steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}, {"percent": 50, "bake": "24h"}]
}
"""The ``rollout:`` that is planned for a channel without one."""
_WEIGHTS: Final = (100, 500, 1_000, 2_500, 5_000)
_HORIZONS: Final = (timedelta(days=1), timedelta(days=3), timedelta(days=7))
_BAKE: Final = timedelta(hours=4)
_WAIT: Final = timedelta(hours=72)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)


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
    """What a step of this weight sees, by guardrail, and when it has the keys that the policy asks for.

    ``foretold`` is the time to the abort of the canary that :func:`first_sight` is about, by the plan's ``headline``.
    """

    weight: int
    canary_keys_a_day: float
    enough_keys: timedelta | None
    foretold: timedelta | None
    sights: Mapping[str, Sight]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """A canary that the policy calls not worse, and that is aborted all the same once there are enough keys.

    ``share`` of its keys are bad at the ``guardrail``, as many as ``ratio`` and ``tolerance`` admit. ``keys`` are those
    of both sides at the ``weight`` of a step.
    """

    guardrail: str
    weight: int
    share: float
    keys: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a rollout by a policy sees.

    ``headline`` is the guardrail that speaks for all: ``error`` where that is on; empty where none is. ``dropped`` are
    guardrails that let no canary advance, with the reason. ``proposed`` is a ``rollout:`` for this
    traffic; None where there is too little of it for any. ``inside`` is None where no canary is aborted that the policy
    calls not worse.
    """

    steps: tuple[StepPlan, ...]
    headline: str
    dropped: Mapping[str, str]
    inside: Inside | None
    proposed: Mapping[str, object] | None


def plan(
    policy: RolloutPolicy,
    keys: KeysSeen,
    *,
    off: Mapping[str, str] | None = None,
    settings: Mapping[str, object] | None = None,
) -> Plan:
    """Returns what the steps of a policy see, and what a policy for this traffic could be.

    ``off`` are guardrails that do not judge a canary that starts now. ``settings`` are those of the policy; what a
    proposal has no reason to change is kept of them.
    """
    on = {name: keys.of(name) for name in policy.guardrails if name not in (off or {})}
    dropped = {name: why for name, shown in on.items() if (why := _lacks(shown, policy, keys.a_day))}
    judged = {name: shown for name, shown in on.items() if name not in dropped}
    return Plan(
        steps=tuple(_step(policy, keys, on, judged, step.weight) for step in policy.steps),
        headline=headline(on),
        dropped=dropped,
        inside=_inside(policy, on),
        proposed=_proposed(policy, judged, off, settings),
    )


def _lacks(shown: Shown, policy: RolloutPolicy, keys_a_day: float) -> str:
    """Why a guardrail lets no canary advance; empty if it may."""
    if keys_a_day and not shown.keys.a_day:
        return "no key could show it, so a step has no data: leave it out"
    part = shown.share(policy.wait / _DAY)
    if part > SATURATED:
        return f"{part:.0%} of keys go bad within {policy.wait / _HOUR:g}h, so it saturates: choose a rarer guardrail"
    return ""


def _step(
    policy: RolloutPolicy, keys: KeysSeen, on: Mapping[str, Shown], judged: Mapping[str, Shown], weight: int
) -> StepPlan:
    """What a step sees. Every guardrail that is on has coins, also one that lets nothing advance."""
    canary = keys.a_day * weight / WHOLE
    return StepPlan(
        weight=weight,
        canary_keys_a_day=canary,
        enough_keys=longest(Growing(sampled_keys(canary), keys.again).days(policy.canary_keys)) if canary else None,
        foretold=first_sight(policy, on[headline(on)], weight, len(on)) if on else None,
        sights={
            name: Sight(
                worse=abort_of(shown, weight, len(on), ratio=policy.abort_ratio),
                not_worse=time_to_show(policy, shown, keys.a_day, weight),
            )
            for name, shown in judged.items()
        },
    )


def _inside(policy: RolloutPolicy, on: Mapping[str, Shown]) -> Inside | None:
    """The canary inside ``ratio`` and ``tolerance`` that is aborted at the fewest keys.

    It lets itself be called not worse with any share up to the larger one of ``ratio`` times stable's and the
    tolerance. Where the abort asks for any difference, this is one, and enough keys show it: after the days of
    :func:`days_to_abort` with that share as *c*, which have so many keys.
    """
    found: Inside | None = None
    for name, shown in on.items():
        canary = min(1.0, max(policy.ratio * shown.bad, policy.tolerance))
        for step in policy.steps:
            days = days_to_abort(shown, step.weight, len(on), canary=canary, ratio=policy.abort_ratio)
            keys = shown.keys.within(days) if days < math.inf else math.inf
            if keys < (found.keys if found else math.inf):
                found = Inside(guardrail=name, weight=step.weight, share=canary, keys=math.ceil(keys))
    return found


# --- a proposal ------------------------------------------------------------------------------------


def _proposed(
    policy: RolloutPolicy,
    judged: Mapping[str, Shown],
    off: Mapping[str, str] | None,
    settings: Mapping[str, object] | None,
) -> Mapping[str, object] | None:
    """Steps of which the first one sees a canary that is three times as bad within a day, by what goes bad most often;
    where no step does, within the shortest time that a step can, up to seven days.

    Where next to nothing goes bad, that is a canary with a share of bad keys at the tolerance.
    """
    if not judged:
        return None
    most = max(judged.values(), key=lambda shown: shown.keys.a_day * shown.bad)
    times = {weight: first_sight(policy, most, weight, len(judged)) or LONGEST for weight in _WEIGHTS}
    first = next((weight for most in _HORIZONS for weight in _WEIGHTS if times[weight] <= most), None)
    if first is None:
        return None
    weights = [first, *(weight for weight in (500, 2_500, 5_000) if weight > first)]
    slowest = [time_to_show(policy, shown, shown.keys.a_day, first) or LONGEST for shown in judged.values()]
    guardrails = [name for name in policy.guardrails if name in judged or name in (off or {})]
    return {
        "steps": [
            {"percent": _percent(weight), "bake": _hours(min(max(times[weight], _BAKE), _DAY))} for weight in weights
        ],
        "wait": _hours(min(max(_WAIT, times[first], *slowest), _HORIZONS[-1])),
        "guardrails": guardrails,
        **_kept(settings or {}, guardrails),
    }


def _kept(settings: Mapping[str, object], guardrails: list[str]) -> dict[str, object]:
    kept = {name: value for name, value in settings.items() if name not in ("steps", "wait", "guardrails")}
    if isinstance(actions := kept.pop("actions", None), Mapping):
        left = {name: action for name, action in actions.items() if name in guardrails}
        kept |= {"actions": left} if left else {}
    return kept


def _hours(time: timedelta) -> str:
    return f"{math.ceil(time / _HOUR)}h"


def _percent(weight: int) -> int | float:
    return weight // 100 if weight % 100 == 0 else weight / 100
