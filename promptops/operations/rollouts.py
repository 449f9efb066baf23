"""How a channel with ``rollout:`` takes a release: as a canary at the first step, and from step to step.

What holds for the canary is frozen when it starts: a policy that changes meanwhile holds for the next one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from promptops.core import canary_steps as steps
from promptops.core import rollout
from promptops.core.advice import Action as Do
from promptops.core.advice import Advice, Sentence, option
from promptops.core.bucketing import percent, rollout_salt
from promptops.core.deployment_parts import Action, Canary
from promptops.core.errors import CanaryInProgress, Invalid, NothingReported

if TYPE_CHECKING:
    from promptops.core.canary.rollout_fact import Rollout
    from promptops.core.model import Deployment, Policy
    from promptops.core.policy import Candidate
    from promptops.core.rollout import Intent
    from promptops.store import Reader

_SALT: Final = 8  # random bytes, so that no user can choose a side before the canary starts

REPORTED_WITHIN: Final = timedelta(days=7)
"""An app that works on working days alone reports within it."""


def promote(
    reader: Reader, intent: Intent, candidate: Candidate, policy: Policy, current: Deployment | None, *, blind: bool
) -> Deployment:
    """Returns the promotion of a release, or the start of its canary where the policy asks for one.

    Raises:
        Yanked, Quarantined, PolicyRefused, CanaryInProgress, ConcurrentDeployment, NothingReported
    """
    if policy.rollout is None or candidate.gradual:
        return rollout.promote(intent, candidate, policy, current)
    return start(reader, intent, candidate, policy, current, weight=None, blind=blind)


def start(
    reader: Reader,
    intent: Intent,
    candidate: Candidate,
    policy: Policy,
    current: Deployment | None,
    *,
    weight: int | None,
    blind: bool,
) -> Deployment:
    """Returns the deployment that starts a canary at a weight, or at the first step of the policy.

    Raises:
        Invalid: there is neither.
        Yanked, Quarantined, PolicyRefused, CanaryInProgress, ConcurrentDeployment: as :func:`canary_steps.start`.
        NothingReported: the policy is to judge a canary of which nothing is known.
    """
    ramp = f"{reader.epoch()}.{current.revision + 1 if current else 1}"
    canary = Canary(
        release=candidate.release.ref,
        weight=_first(intent, policy) if weight is None else weight,
        rollout=ramp,
        salt=rollout_salt(intent.app, intent.channel, f"{ramp}#{secrets.token_hex(_SALT)}"),
        step=1,
        action=Action.START,
    )
    made = steps.start(intent, candidate, policy, current, canary=canary)
    if made.canary is not None and policy.rollout is not None and not blind:
        _require_reports(reader, intent)
    return made


def advance(reader: Reader, intent: Intent, current: Deployment, weight: int | None) -> Deployment:
    """Returns the deployment that gives the canary a weight, or that of the next step of its rollout.

    Raises:
        Invalid: its channel had no rollout when it started.
        CanaryInProgress: it has as many keys already, or is at the last step.
        NoCanary, ConcurrentDeployment: as :func:`canary_steps.advance`.
    """
    if weight is None and current.canary is not None:
        weight = _next(reader, intent, current.canary)
    return steps.advance(intent, current, weight or 0)


def frozen(reader: Reader, made: Deployment, policy: Policy, *, first_keys: Sequence[str] = ()) -> Sequence[Rollout]:
    """Returns what holds for the canary that a deployment starts; nothing without one, or without a policy for it.

    Raises:
        Invalid: keys get it first, and no policy holds that.
    """
    from promptops.core.canary.named_keys import hashes_of
    from promptops.core.canary.rollout_fact import Rollout
    from promptops.core.canary.rollout_policy import read_rollout
    from promptops.operations.canary_limits import at_start

    if policy.rollout is None or made.canary is None or made.stable is None:
        if first_keys:
            raise Invalid(
                f"no rollout holds which keys of {made.app} get a canary on {made.channel} first; nothing was changed",
                hint="Give the channel a `rollout:` in promptops.yml, or start without these keys.",
            )
        return ()
    asked = read_rollout(policy.rollout)
    found = at_start(
        reader,
        made.app,
        made.channel,
        stable=made.stable,
        candidate=made.canary.release,
        bake=asked.steps[0].bake,
        guardrails=asked.guardrails,
        now=made.at,
    )
    return (
        Rollout(
            app=made.app,
            channel=made.channel,
            rollout=made.canary.rollout,
            settings=policy.rollout,
            limits=found.limits,
            off=found.off,
            keys=hashes_of(first_keys, made.canary.salt),
            keys_a_day=found.keys_a_day,
            blind=not _is_reported(reader, made.app, made.channel, made.at),
            actor=made.actor,
            at=made.at,
        ),
    )


def _first(intent: Intent, policy: Policy) -> int:
    from promptops.core.canary.rollout_policy import read_rollout

    if policy.rollout is None:
        raise Invalid(
            f"{intent.channel} has no rollout that says by how many keys a canary begins",
            hint=Sentence(option("weight", "Say the part of the keys", value="N"), "."),
        )
    return read_rollout(policy.rollout).steps[0].weight


def _next(reader: Reader, intent: Intent, canary: Canary) -> int:
    held = reader.rollout(intent.app, intent.channel, canary.rollout)
    if held is None:
        raise Invalid(
            f"the canary of {intent.app} on {intent.channel} has no rollout that says its next step",
            hint=Sentence(option("weight", "Say the part of the keys", value="N"), "."),
        )
    step = held.policy.after(canary.weight)
    if step is None:
        raise CanaryInProgress(
            f"the canary of {intent.app} on {intent.channel} is at {percent(canary.weight)}, the last step of its "
            "rollout; nothing was changed",
            hint=Sentence("Give it to everyone: ", Advice(Do.FINISH_CANARY, app=intent.app, channel=intent.channel)),
        )
    return step.weight


def _require_reports(reader: Reader, intent: Intent) -> None:
    """Checks that the calls of the app are reported.

    Raises:
        NothingReported
    """
    if _is_reported(reader, intent.app, intent.channel, intent.now):
        return
    raise NothingReported(
        f"no client reported in {REPORTED_WITHIN.days} days what calls of {intent.app} on {intent.channel} did, so "
        "nothing would be known of a canary; nothing was changed",
        hint=Sentence(
            "Let the application call the model within client.call(…), with a token that may report; or start it ",
            option("blind", "blind"),
            ".",
        ),
    )


def _is_reported(reader: Reader, app: str, channel: str, now: datetime) -> bool:
    return reader.is_reported(app, channel, since=now - REPORTED_WITHIN)
