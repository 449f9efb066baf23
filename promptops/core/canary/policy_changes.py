"""What a new version of ``rollout:`` changes by which a release reaches the users sooner, or with less shown of it.

What is not known to be as strict counts as looser: a person then says that it is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, TypeAlias

from promptops.core.canary.rollout_policy import RolloutPolicy, read_rollout
from promptops.core.deployment_parts import WHOLE
from promptops.core.errors import Invalid

Rule: TypeAlias = Callable[[RolloutPolicy, RolloutPolicy], bool]
"""Whether the second is as strict as the first."""


def _as_slow(old: RolloutPolicy, new: RolloutPolicy) -> bool:
    """As strict where no part of the keys has the release sooner, if each step is left after its ``bake``."""
    weights = {step.weight for policy in (old, new) for step in policy.steps}
    return all(_reached(new, weight) >= _reached(old, weight) for weight in {*weights, WHOLE})


def _reached(policy: RolloutPolicy, weight: int) -> timedelta:
    """How long after the start the canary has so many of the keys."""
    return sum((step.bake for step in policy.steps if step.weight < weight), timedelta())


_RULES: Final[Mapping[str, Rule]] = {
    "steps": _as_slow,
    "wait": lambda old, new: new.wait >= old.wait,
    "guardrails": lambda old, new: set(new.guardrails) >= set(old.guardrails),
    "minimum.canary_keys": lambda old, new: new.canary_keys >= old.canary_keys,
    "ratio": lambda old, new: new.ratio <= old.ratio,
    "tolerance": lambda old, new: new.tolerance <= old.tolerance,
    "abort_above": lambda old, new: old.abort_above or not new.abort_above,
    "actions": lambda old, new: all(
        new.action(name).strictness >= old.action(name).strictness for name in old.guardrails
    ),
    "ask": lambda old, new: set(new.ask) >= set(old.ask),
    "on": lambda old, new: all(new.on[cause].strictness >= old.on[cause].strictness for cause in old.on),
}
"""How strict two policies are, by the key of the file."""


def loosened(before: Mapping[str, object], after: Mapping[str, object] | None) -> tuple[str, ...]:
    """Returns the settings by which ``after`` is looser than ``before``; none if it is as strict."""
    if after is None:
        return ("rollout",)
    try:
        old, new = read_rollout(before), read_rollout(after)
    except Invalid:
        return () if before == after else ("rollout",)
    return tuple(f"rollout.{key}" for key, is_as_strict in _RULES.items() if not is_as_strict(old, new))
