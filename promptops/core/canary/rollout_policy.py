"""What a channel's ``rollout:`` asks: the steps by which a release reaches everyone, what is watched, and what follows.

A policy is read once more from what was frozen when its canary started, so a later version of the policy of the channel
holds for the next canary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from promptops.core.canary.advance import RATIO, TOLERANCE
from promptops.core.deployment_parts import WHOLE
from promptops.core.duration import duration_text
from promptops.core.errors import Invalid
from promptops.core.names import is_name
from promptops.core.outcomes.report import GUARDRAIL, Guardrail, score_guardrail
from promptops.core.setting_values import Values

MOST_STEPS: Final = 10
"""More steps than that are no ramp; each has a component of its own, with half the weight of the one before."""
MOST_GUARDRAILS: Final = 20
"""Each guardrail raises what the others have to show before they abort."""
WAIT: Final = timedelta(hours=72)
CANARY_KEYS: Final = 200
MOST_RATIO: Final = 10.0
LARGEST_TOLERANCE: Final = 0.2
_PER_PERCENT: Final = WHOLE // 100


class Response(StrEnum):
    """What follows from a cause."""

    PAUSE = "pause"
    ADVANCE = "advance"
    ABORT = "abort"

    @property
    def strictness(self) -> int:
        """Higher where the canary gets less."""
        return (Response.ADVANCE, Response.PAUSE, Response.ABORT).index(self)


class Cause(StrEnum):
    """Why a canary is neither shown worse nor shown not worse. The values are the keys of ``on:``."""

    INCONCLUSIVE = "inconclusive"
    """At the end of ``wait``, not every guardrail was shown not worse; a saturated one is among them."""
    NO_DATA = "no_data"
    """At the end of ``wait``, the step had fewer keys than ``minimum``."""
    ANALYSIS_FAILED = "analysis_failed"
    SAMPLE_RATIO = "sample_ratio"
    """A side has more keys than its share, or fewer."""
    ARM_MISMATCH = "arm_mismatch"
    """More than 1 % of calls were served by the other release than their key has."""
    NO_UNIT = "no_unit"
    """More than 5 % of calls were made without a key."""


RESPONSES: Final[Mapping[Cause, tuple[Response, ...]]] = {
    cause: tuple(Response)
    if cause in (Cause.INCONCLUSIVE, Cause.NO_DATA)
    else (Response.PAUSE, Response.ABORT)  # such an analysis says nothing of the canary, so nothing advances by it
    for cause in Cause
}
"""What each cause may lead to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RampStep:
    """The canary gets ``weight`` basis points of the keys, for ``bake`` at least."""

    weight: int
    bake: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPolicy:
    """How a channel takes a release in steps. :func:`read_rollout` makes one.

    A step lasts at least its ``bake`` and at most ``wait``; the last one lasts ``wait``. ``guardrails`` are watched, by
    the names that reports have. ``canary_keys`` is the number of keys of the canary that a step needs. ``ratio`` and
    ``tolerance``, a share, say what is not worse; with ``abort_above``, only a canary that is worse by more than
    ``ratio`` is aborted. ``actions`` are guardrails that do something other than abort. ``ask`` are external checks.
    ``on`` has every cause.
    """

    steps: tuple[RampStep, ...]
    wait: timedelta = WAIT
    guardrails: tuple[str, ...] = tuple(guardrail.value for guardrail in Guardrail)
    canary_keys: int = CANARY_KEYS
    ratio: float = RATIO
    tolerance: float = TOLERANCE
    abort_above: bool = False
    actions: Mapping[str, Response] = field(default_factory=dict)
    ask: tuple[str, ...] = ()
    on: Mapping[Cause, Response] = field(default_factory=lambda: dict.fromkeys(Cause, Response.PAUSE))

    def action(self, guardrail: str) -> Response:
        """Returns what follows where a guardrail shows that the canary is worse."""
        return self.actions.get(guardrail, Response.ABORT)

    @property
    def abort_ratio(self) -> float:
        """A canary is aborted if its odds are shown to be more than so many times those of its weight."""
        return self.ratio if self.abort_above else 1.0

    def number_at(self, weight: int) -> int:
        """Returns the place, from 0, of the step that holds at a weight: of one between two steps, the earlier.

        A person may start below the first step, which holds there.
        """
        return max((place for place, step in enumerate(self.steps) if step.weight <= weight), default=0)

    def after(self, weight: int) -> RampStep | None:
        """Returns the step that follows a weight; None where the next one is to finish."""
        return next((step for step in self.steps if step.weight > weight), None)

    @property
    def shortest(self) -> timedelta:
        """How long the canary takes at least, from its start to its finish."""
        return sum((step.bake for step in self.steps[:-1]), self.wait)


def unseen_hours(policy: RolloutPolicy) -> str:
    """Returns which hours of the day no step may see, of a canary that starts in the morning; empty where each is seen.

    A canary that is finished within less than a day did not meet every hour.
    """
    if policy.shortest >= timedelta(days=1):
        return ""
    ends = (datetime(2000, 1, 1, 9, tzinfo=UTC) + policy.shortest).strftime("%H:%M")
    return f"of one that starts at 09:00, no step sees the hours from {ends} to 09:00"


def read_rollout(settings: Mapping[str, object]) -> RolloutPolicy:
    """Returns what the policy key ``rollout:`` asks.

    Raises:
        Invalid: a key is not known, or a value has another form. The message names it: ``rollout.steps.2.percent``.
    """
    values = Values(settings, "rollout")
    steps = _steps(values)
    guardrails = _guardrails(values)
    minimum = _part(values, "minimum")
    policy = RolloutPolicy(
        steps=steps,
        wait=_wait(values, steps),
        guardrails=guardrails,
        canary_keys=minimum.whole("canary_keys", CANARY_KEYS, least=1, most=999_999),
        ratio=values.number("ratio", RATIO, least=1.0, most=MOST_RATIO),
        tolerance=values.share("tolerance", TOLERANCE, most=LARGEST_TOLERANCE, zero=True),
        abort_above=values.choice("abort_above", "any", ("any", "ratio")) == "ratio",
        actions=_actions(_part(values, "actions"), guardrails),
        ask=_ask(values),
        on=_on(_part(values, "on")),
    )
    minimum.done()
    values.done()
    return policy


def _part(values: Values, key: str) -> Values:
    given = values.raw(key)
    return Values({} if given is None else given, f"{values.path}.{key}")


def _steps(values: Values) -> tuple[RampStep, ...]:
    given = values.raw("steps")
    if not isinstance(given, list | tuple) or not 0 < len(given) <= MOST_STEPS:
        values.refuse("steps", f"one to {MOST_STEPS} steps, such as [{{percent: 5, bake: 4h}}]")
    steps: list[RampStep] = []
    for number, one in enumerate(given, 1):
        step = Values(one, f"{values.path}.steps.{number}")
        weight = _weight(step)
        if steps and weight <= steps[-1].weight:
            step.refuse("percent", f"more than {steps[-1].weight / _PER_PERCENT:g}, that of the step before")
        if "bake" not in step:
            step.refuse("bake", "how long the step lasts at least, such as 4h")
        steps.append(RampStep(weight=weight, bake=step.time("bake", WAIT)))
        step.done()
    return tuple(steps)


def _weight(step: Values) -> int:
    value = step.raw("percent")
    if isinstance(value, bool) or not isinstance(value, int | float):
        step.refuse("percent", "a number of percent, such as 5")
    if value == 100:
        raise Invalid(
            f"{step.path}.percent is 100, which is no step of a canary",
            hint="After its last step the canary is finished, and all keys have the release. Leave this step out.",
        )
    weight = round(value * _PER_PERCENT) if 0 < value < 100 else 0
    if not 0 < weight < WHOLE or weight / _PER_PERCENT != value:
        step.refuse("percent", "a number above 0 and below 100, with two decimals at most")
    return weight


def _wait(values: Values, steps: tuple[RampStep, ...]) -> timedelta:
    wait, longest = values.time("wait", WAIT), max(step.bake for step in steps)
    if wait < longest:
        values.refuse("wait", f"{duration_text(longest)} or more, since a step lasts so long")
    return wait


def _guardrails(values: Values) -> tuple[str, ...]:
    known = [guardrail.value for guardrail in Guardrail]
    names = values.texts("guardrails", tuple(known))
    score = score_guardrail("")
    for name in names:
        if name not in known and not (name.startswith(score) and GUARDRAIL.fullmatch(name)):
            raise Invalid(
                f"rollout.guardrails has '{name[:60]}', which is no guardrail",
                hint=f"Known are {', '.join(known)}, and {score}NAME for a score that an app declares.",
            )
    if len(set(names)) != len(names) or len(names) > MOST_GUARDRAILS:
        values.refuse("guardrails", f"each guardrail once, and at most {MOST_GUARDRAILS}")
    return names


def _actions(values: Values, guardrails: tuple[str, ...]) -> dict[str, Response]:
    may = (Response.PAUSE, Response.ABORT)
    for name in values.names():
        if name not in guardrails:
            raise Invalid(
                f"{values.path} has '{name[:60]}', which is not watched", hint=f"Watched are {', '.join(guardrails)}."
            )
    return {name: Response(values.choice(name, Response.ABORT, may)) for name in values.names()}


def _ask(values: Values) -> tuple[str, ...]:
    names = values.texts("ask")
    if len(set(names)) != len(names) or not all(map(is_name, names)):
        values.refuse("ask", "names of external checks, each once, such as [red-team]")
    return names


def _on(values: Values) -> dict[Cause, Response]:
    found = {cause: Response(values.choice(cause, Response.PAUSE, may)) for cause, may in RESPONSES.items()}
    values.done()
    return found
