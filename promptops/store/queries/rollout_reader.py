"""Canaries whose steps the policy takes, as a part of what one transaction sees of a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptops.core.canary.decision import CanaryDecision
    from promptops.core.model import Deployment
    from promptops.core.outcomes.series import Arm
    from promptops.core.outcomes.units import Sample
    from promptops.store.queries.rollout_sample import SampleCount
    from promptops.store.queries.rollouts import Revisions, StoredState


class RolloutReader:
    """Reads canaries, and what is measured of their keys."""

    _connection: Connection

    def canaries(self) -> tuple[Deployment, ...]:
        """What is live of every app with a canary, in order of app and channel."""
        from promptops.store.queries.rollouts import running

        return running(self._connection)

    def canary_log(self, app: str, channel: str, rollout: str) -> tuple[Deployment, ...]:
        """The deployments of a canary so far, oldest first."""
        from promptops.store.queries.rollouts import steps_of

        return steps_of(self._connection, app, channel, rollout)

    def canary_decisions(self, app: str, channel: str, rollout: str) -> tuple[CanaryDecision, ...]:
        """What the policy decided about a canary, oldest first.

        Raises:
            RegistryDamaged: a row is not what was written.
        """
        from promptops.store.queries.rollouts import decisions_of

        return decisions_of(self._connection, app, channel, rollout)

    def rollout_state(self, app: str, channel: str, rollout: str) -> StoredState | None:
        """What is known of a canary's keys; None where it is lost."""
        from promptops.store.queries.rollouts import find_state

        return find_state(self._connection, app, channel, rollout)

    def count_sample(
        self, within: Revisions, sample: Sample, weight: int, guardrails: Sequence[str] = (), early: range = range(0)
    ) -> SampleCount:
        """The keys of the sample in these revisions, at the weight in force there, each once; of each guardrail, those
        that were seen first in these minutes and could be bad at it. A key without a bucket is on no side.
        """
        from promptops.store.queries.rollout_sample import count_sample

        return count_sample(self._connection, within, sample, weight, guardrails, early)

    def keys_by_arm(self, within: Revisions) -> dict[Arm, int]:
        """About how many keys each side had in these revisions, from the sample."""
        from promptops.store.queries.rollout_sample import keys_by_arm

        return keys_by_arm(self._connection, within)
