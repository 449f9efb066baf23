"""Decides about promotions and rollbacks: (log, intent, now) -> a Deployment, or an exception with the reason.

These functions only decide; the caller locks, stores and reads back. The rules:

- a promotion needs a release that is neither yanked nor quarantined on the channel and that passes every check of the
  channel's policy (:mod:`promptops.core.policy`);
- a rollback goes to the newest *good* release that was live before the current one, judged by the position in the log
  where the current one was promoted. A rollback takes over the position of the entry that it restores, so a second
  rollback goes further back and never returns to the release that the first one left;
- neither a rollback nor the record of an override checks gates and policies;
- an app with a canary takes no other promotion, and its rollback is that the canary goes: the stable release stays
  (:mod:`promptops.core.canary_steps` has the steps of a canary).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import (
    CanaryInProgress,
    ConcurrentDeployment,
    NothingToRollBackTo,
    OverrideOvertaken,
    Quarantined,
    Yanked,
)
from promptops.core.model import Deployment, Kind, Past, Policy, Quarantine, ReleaseRef
from promptops.core.policy import Candidate, admit, checks_of

_BESIDE = frozenset({Kind.CANARY, Kind.ABORT})
"""What leaves the stable release as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A requested change of one app on one channel: the actor, the reason, the time, and the revision they expect."""

    app: str
    channel: str
    actor: str
    reason: str
    now: datetime
    expect_revision: int | None = None


def promote(intent: Intent, candidate: Candidate, policy: Policy, current: Deployment | None) -> Deployment:
    """Returns the deployment that makes the candidate the stable release of the channel.

    Raises:
        Yanked, Quarantined, PolicyRefused: the release may not go there.
        ConcurrentDeployment: the channel is not at the expected revision.
        CanaryInProgress: the app has a canary there.
    """
    expect(intent, current)
    require_no_canary(intent, current)
    admit_anywhere(intent, candidate)
    if current is None or current.stable is None:
        candidate = replace(candidate, gradual=True)  # where nothing is stable, a canary has nothing to stand beside
    admit(candidate, intent.channel, checks_of(policy))
    return next_deployment(intent, current, Kind.PROMOTE, candidate.release.ref)


def require_no_canary(intent: Intent, current: Deployment | None) -> None:
    """Checks that a promotion would leave no canary.

    Raises:
        CanaryInProgress
    """
    if current is None or current.canary is None:
        return
    raise CanaryInProgress(
        f"{intent.app} has a canary on {intent.channel}: {current.canary.release.version} beside {current.version}; "
        "nothing was changed",
        hint=Sentence(
            "Give it to everyone: ",
            Advice(Action.FINISH_CANARY, app=intent.app, channel=intent.channel),
            "; or end it: ",
            Advice(Action.ABORT_CANARY, app=intent.app, channel=intent.channel),
        ),
    )


def admit_anywhere(intent: Intent, candidate: Candidate) -> None:
    """Checks what keeps a release out of a channel under every policy.

    Raises:
        Yanked: the release was yanked.
        Quarantined: the release is in quarantine on the channel.
    """
    name, channel, yank = candidate.name, intent.channel, candidate.release.yank
    if yank:
        raise Yanked(
            f"{name} was yanked by {yank.actor}: {yank.reason}",
            hint="A yanked release is never promoted again. Release a corrected content and promote that.",
        )
    if candidate.quarantine:
        raise Quarantined(
            f"{name} is in quarantine on {channel}: {candidate.quarantine.reason}",
            hint=Sentence("If it is safe after all: ", _end_quarantine(name, channel)),
        )


def target(current: Deployment, past: Iterable[Past]) -> Past | None:
    """Returns the newest good entry before the current one's position in the log. ``past`` must be newest first.

    An entry that took the app off has no release to put back, so it is passed over.
    """
    return next(
        (
            entry
            for entry in past
            if entry.deployment.revision < current.position
            and entry.good
            and entry.deployment.stable is not None  # where the app was off, nothing is put back
            and entry.deployment.digest != current.digest
        ),
        None,
    )


def rollback(intent: Intent, current: Deployment, past: Iterable[Past]) -> Deployment:
    """Returns the deployment that restores the last good release: of an app with a canary, the stable one.

    Raises:
        ConcurrentDeployment: the channel is not at the expected revision.
        NothingToRollBackTo: no good release was live before this one.
    """
    expect(intent, current)
    if current.canary is not None:
        return without_canary(intent, current)
    chosen = target(current, past)
    if chosen is None:
        raise NothingToRollBackTo(
            f"{intent.app}:{intent.channel} {_state(current)}, and no good release was live there before it; nothing "
            "was changed",
            hint=_without_target(intent, current),
        )
    return restore(intent, current, chosen)


def restore(intent: Intent, current: Deployment, chosen: Past) -> Deployment:
    """Returns the deployment that restores the release of one chosen earlier entry.

    Raises:
        ConcurrentDeployment: the channel is not at the expected revision.
        NothingToRollBackTo: the release is live already, or the app was off then.
        Quarantined, Yanked: the release is not good any more.
    """
    expect(intent, current)
    wanted = chosen.deployment.stable
    if wanted is None:
        raise NothingToRollBackTo(
            f"{intent.app} was off on {intent.channel} at revision {chosen.deployment.revision}, so there is no "
            "release to put back; nothing was changed",
            hint=Sentence("What was live when: ", Advice(Action.HISTORY, app=intent.app, channel=intent.channel)),
        )
    name = f"{intent.app}@{wanted.version}"
    if wanted.digest == current.digest and current.canary is not None:
        return without_canary(intent, current)
    if wanted.digest == current.digest:
        raise NothingToRollBackTo(
            f"{intent.app}:{intent.channel} already serves {wanted.version}; nothing was changed",
            hint=Sentence("What was live when: ", Advice(Action.HISTORY, app=intent.app, channel=intent.channel)),
        )
    if chosen.yanked:
        raise Yanked(
            f"{name} is not good: {chosen.flaw}", hint="A yanked release is never served again. Choose another."
        )
    if chosen.flaw:
        raise Quarantined(
            f"{name} is not good on {intent.channel}: {chosen.flaw}",
            hint=Sentence("Choose another, or first: ", _end_quarantine(name, intent.channel)),
        )
    return next_deployment(intent, current, Kind.ROLLBACK, wanted, restores=chosen.deployment.position)


def without_canary(intent: Intent, current: Deployment) -> Deployment:
    """Returns the deployment that takes the canary of an app away; the stable release stays, and so does its place."""
    assert current.stable is not None  # a canary stands beside one
    return next_deployment(intent, current, Kind.ABORT, current.stable, restores=current.position)


def reconcile(
    intent: Intent,
    candidate: Candidate,
    current: Deployment | None,
    *,
    overridden: datetime,
    earlier: Deployment | None,
) -> Deployment:
    """Returns the deployment that records which release an override made clients serve since ``overridden``.

    No policy is checked, because clients serve the release already. The record takes the position of ``earlier``, the
    newest promotion of the same release there, so that the next rollback goes further back from it, as from a rollback.
    The release that it replaces is not quarantined: who made the override could not see which one was live.

    Raises:
        Yanked, Quarantined: the release may not be live there.
        ConcurrentDeployment: the channel is not at the expected revision.
        OverrideOvertaken: the channel was changed after the override was made, and the intent expects no revision.
    """
    expect(intent, current)
    admit_anywhere(intent, candidate)
    if current is not None and current.at > overridden and intent.expect_revision is None:
        raise OverrideOvertaken(
            f"{intent.app}:{intent.channel} was changed after this override was made: revision {current.revision} "
            f"{_state(current)}, by {current.actor}; nothing was changed",
            hint=Sentence(
                f"To make {candidate.release.version} live all the same: ",
                option("expect_revision", f"expect revision {current.revision}", value=str(current.revision)),
                ". If not, delete the file wherever it was put.",
            ),
        )
    restores = earlier.position if earlier else None
    return next_deployment(intent, current, Kind.BREAK_GLASS, candidate.release.ref, restores=restores)


def stable_since(log: Iterable[Deployment]) -> int:
    """Returns the revision since which the same release is stable without a break; 0 before the first. ``log`` must be
    newest first.

    Steps of a canary and its abort leave it as it is. Every other deployment moves it, also a rollback, which returns
    to an old position: by that, what was approved before would hold again.
    """
    later: Deployment | None = None
    for entry in log:
        if later is not None and (later.kind not in _BESIDE or later.stable != entry.stable):
            break
        later = entry
    return later.revision if later is not None else 0


def abandoned(deployment: Deployment, current: Deployment) -> tuple[Quarantine, ...]:
    """Returns the quarantines of the releases that a rollback of ``current`` left: the canary, and the stable one where
    another took its place. What a rollback goes to is not left, also where it was on trial.
    """
    left = [current.canary.release] if current.canary and current.canary.release != deployment.stable else []
    if deployment.kind is Kind.ROLLBACK and current.stable is not None:
        left.append(current.stable)
    why = f": {deployment.reason}" if deployment.reason else ""
    return tuple(
        Quarantine(
            app=deployment.app,
            channel=deployment.channel,
            release=release,
            reason=f"rolled back at revision {deployment.revision}{why}",
            actor=deployment.actor,
            at=deployment.at,
        )
        for release in left
    )


def expect(intent: Intent, current: Deployment | None) -> None:
    """Checks the expected revision, if the intent has one.

    Raises:
        ConcurrentDeployment: the channel is at another revision.
    """
    actual = current.revision if current else 0
    if intent.expect_revision is not None and intent.expect_revision != actual:
        raise ConcurrentDeployment(intent.app, intent.channel, expected=intent.expect_revision, actual=actual)


def _without_target(intent: Intent, current: Deployment) -> Sentence:
    off = Sentence("Take it off: ", retirement(intent.app, intent.channel), "; or promote a good release: ")
    return Sentence(
        off if current.stable else "Promote a good release: ",
        Advice(Action.PROMOTE, release=f"{intent.app}@VERSION", channel=intent.channel),
        "; what was live and why it is not good: ",
        Advice(Action.HISTORY, app=intent.app, channel=intent.channel),
    )


def retirement(app: str, channel: str) -> Advice:
    """The advice for an app that serves a bad release and has no good one to go back to."""
    return Advice(Action.RETIRE, app=app, channel=channel, reason="…")


def _end_quarantine(release: str, channel: str) -> Advice:
    return Advice(Action.UNQUARANTINE, release=release, channel=channel, reason="…")


def _state(current: Deployment) -> str:
    return f"serves {current.stable.version}" if current.stable else "is off"


def next_deployment(
    intent: Intent, current: Deployment | None, kind: Kind, stable: ReleaseRef | None, *, restores: int | None = None
) -> Deployment:
    """Returns the deployment that follows the current one, without a canary."""
    return Deployment(
        app=intent.app,
        channel=intent.channel,
        revision=current.revision + 1 if current else 1,
        kind=kind,
        stable=stable,
        before=current.stable if current else None,
        restores=restores,
        actor=intent.actor,
        reason=intent.reason,
        at=intent.now,
    )
