"""Canaries whose steps the policy takes, as a part of what one transaction sees of a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promptops.core.canary.decision import CanaryDecision
    from promptops.core.model import Deployment
    from promptops.core.outcomes.series import Arm
    from promptops.store.queries.rollouts import Revisions, SeenKey, StoredState


class RolloutReader:
    """Reads canaries, and what is measured of their keys."""

    _connection: Connection

    def canaries(self) -> tuple[Deployment, ...]:
        """What is live of every app with a canary whose steps the policy takes, in order of app and channel."""
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

    def seen_keys(self, within: Revisions) -> Iterator[SeenKey]:
        """Each key of the sample in these revisions, once; those without a bucket are left out."""
        from promptops.store.queries.rollouts import seen_keys

        return seen_keys(self._connection, within)

    def bad_keys(self, within: Revisions, guardrail: str) -> frozenset[str]:
        """The units that were bad at a guardrail in these revisions."""
        from promptops.store.queries.rollouts import bad_keys

        return bad_keys(self._connection, within, guardrail)

    def keys_by_arm(self, within: Revisions) -> dict[Arm, int]:
        """About how many keys each side had in these revisions, from the sample."""
        from promptops.store.queries.rollouts import keys_by_arm

        return keys_by_arm(self._connection, within)
