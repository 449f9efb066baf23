"""Decides what it takes to take an app off a channel: (log, intent) -> a deployment that serves nothing.

A rollback needs a good release to go back to. A bad first release has no such one before it, so the app is taken off:
its clients answer with their fallbacks. Like a rollback that asks no gate and no policy, and it ends a canary.
"""

from __future__ import annotations

from collections.abc import Iterable

from promptops.core import rollout
from promptops.core.deployment_parts import Kind
from promptops.core.model import Deployment, Past, Quarantine
from promptops.core.rollout import Intent


def retire(
    intent: Intent, current: Deployment, past: Iterable[Past], *, keep: bool = False
) -> tuple[Deployment, tuple[Quarantine, ...]]:
    """Returns the deployment that serves nothing, and the quarantine of the release that it takes off, if it gets one.

    A release that has no good one before it is quarantined, unless ``keep``: otherwise a rollback from off would put
    it back. Where a good one was live before, a bad release is rolled back from, so what is taken off there is good.
    ``past`` must be newest first.

    Raises:
        ConcurrentDeployment: the channel is not at the expected revision.
    """
    rollout.expect(intent, current)
    assert current.stable is not None  # what is off already is not taken off
    deployment = rollout.next_deployment(intent, current, Kind.OFF, None)
    if keep or rollout.target(current, past) is not None:
        return deployment, ()
    quarantine = Quarantine(
        app=deployment.app,
        channel=deployment.channel,
        release=current.stable,
        reason=f"retired at revision {deployment.revision}: {deployment.reason}",
        actor=deployment.actor,
        at=deployment.at,
    )
    return deployment, (quarantine,)
