"""Decides about the steps of a canary: (what is live, intent) -> a Deployment, or an exception with the reason.

A canary is a release beside the stable one, for a share of the keys. The rules:

- every step stands at the place of the stable release in the log, so that a later rollback walks as if there were none;
- a canary only grows, until it is finished or aborted: raising the weight adds keys and takes none away;
- what it starts with is judged as a promotion is, and so is its finish, which is one;
- an abort, and the rollback of an app with a canary, leave the stable release as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from promptops.core import rollout
from promptops.core.advice import Action as Do
from promptops.core.advice import Advice, Sentence
from promptops.core.bucketing import WHOLE, percent
from promptops.core.deployment_parts import Action, Canary, Kind
from promptops.core.errors import CanaryInProgress, Invalid, NoCanary
from promptops.core.policy import admit, checks_of

if TYPE_CHECKING:
    from promptops.core.model import Deployment, Policy
    from promptops.core.policy import Candidate
    from promptops.core.rollout import Intent


def require_part(weight: int) -> int:
    """Returns the weight of a canary if it is a part of the keys: none and all of them are no canary.

    Raises:
        Invalid
    """
    if not 0 < weight < WHOLE:
        raise Invalid(
            f"a canary gets more than 0 % and less than 100 % of the keys, not {percent(weight)}",
            hint="All of them get it when the canary is finished.",
        )
    return weight


def start(
    intent: Intent, candidate: Candidate, policy: Policy, current: Deployment | None, *, canary: Canary
) -> Deployment:
    """Returns the deployment that puts a release beside the stable one. Where nothing is stable, it becomes that.

    Raises:
        Yanked, Quarantined, PolicyRefused: the release may not go there.
        CanaryInProgress: there is a canary already.
        ConcurrentDeployment: the channel is not at the expected revision.
    """
    if current is None or current.stable is None:
        return rollout.promote(intent, candidate, policy, current)
    rollout.expect(intent, current)
    rollout.require_no_canary(intent, current)
    rollout.admit_anywhere(intent, candidate)
    admit(replace(candidate, gradual=True), intent.channel, checks_of(policy))
    return _step(intent, current, canary)


def advance(intent: Intent, current: Deployment, weight: int) -> Deployment:
    """Returns the deployment that gives the canary more of the keys; a pause ends with it.

    Raises:
        NoCanary: the app has no canary there. CanaryInProgress: it has as many keys already.
        ConcurrentDeployment: the channel is not at the expected revision.
    """
    canary = _canary(intent, current)
    if weight <= canary.weight:
        raise CanaryInProgress(
            f"the canary of {intent.app} on {intent.channel} is at {percent(canary.weight)} already, and it only "
            "grows: a key that has it keeps it; nothing was changed",
            hint=Sentence("To end it: ", Advice(Do.ABORT_CANARY, app=intent.app, channel=intent.channel)),
        )
    return _step(intent, current, replace(canary, weight=weight, step=canary.step + 1, action=Action.ADVANCE))


def pause(intent: Intent, current: Deployment, *, anew: bool = False) -> Deployment:
    """Returns the deployment that stops the canary from growing by itself; the current one if it is paused.

    With ``anew``, a pause takes the place of the one that there is.

    Raises:
        NoCanary, ConcurrentDeployment: as :func:`advance`.
    """
    canary = _canary(intent, current)
    if canary.action is Action.PAUSE and not anew:
        return current
    return _step(intent, current, replace(canary, action=Action.PAUSE))


def resume(intent: Intent, current: Deployment) -> Deployment:
    """Returns the deployment that ends a pause; the current one if the canary is not paused.

    Raises:
        NoCanary, ConcurrentDeployment: as :func:`advance`.
    """
    canary = _canary(intent, current)
    return (
        current if canary.action is not Action.PAUSE else _step(intent, current, replace(canary, action=Action.RESUME))
    )


def abort(intent: Intent, current: Deployment) -> Deployment:
    """Returns the deployment that takes the canary away and leaves the stable release.

    Raises:
        NoCanary, ConcurrentDeployment: as :func:`advance`.
    """
    _canary(intent, current)
    return rollout.without_canary(intent, current)


def finish(intent: Intent, candidate: Candidate, policy: Policy, current: Deployment | None) -> Deployment:
    """Returns the promotion that gives the release of the canary to everyone.

    Raises:
        Yanked, Quarantined, PolicyRefused: the release may not go there any more.
        NoCanary, ConcurrentDeployment: as :func:`advance`.
    """
    canary = _canary(intent, current)
    ended = f"canary {canary.rollout} finished at {percent(canary.weight)}"
    intent = replace(intent, reason=f"{ended}: {intent.reason}" if intent.reason else ended)
    before = replace(current, canary=None) if current else None
    return rollout.promote(intent, replace(candidate, gradual=True), policy, before)


def no_canary(app: str, channel: str) -> NoCanary:
    """Returns the error of a step where there is no canary."""
    return NoCanary(
        f"{app} has no canary on {channel}; nothing was changed",
        hint=Sentence("What is live: ", Advice(Do.STATUS, app=app)),
    )


def _canary(intent: Intent, current: Deployment | None) -> Canary:
    rollout.expect(intent, current)
    if current is None or current.canary is None:
        raise no_canary(intent.app, intent.channel)
    return current.canary


def _step(intent: Intent, current: Deployment, canary: Canary) -> Deployment:
    assert current.stable is not None  # a canary stands beside one
    made = rollout.next_deployment(intent, current, Kind.CANARY, current.stable, restores=current.position)
    return replace(made, canary=canary)
