"""The database itself. Rows and operations are loaded by who runs them, so that a rollback loads a rollback's alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from promptops import clock
from promptops.operations import names

if TYPE_CHECKING:
    from promptops.core.model import AuditEntry, Release
    from promptops.core.snapshot import Snapshot
    from promptops.operations.audit import Audited
    from promptops.operations.git_sync import Tagged
    from promptops.projection.keyring import Unlock
    from promptops.source.git.repository import Repository
    from promptops.store import Registry
    from promptops.use_cases.use_case import UseCase

Q = TypeVar("Q")
A = TypeVar("A")


class Direct:
    """A registry that is open. ``now`` is when its changes are made; ``unlock`` returns the key that signs its
    journal.
    """

    def __init__(self, registry: Registry, *, now: datetime, unlock: Unlock | None = None) -> None:
        self._registry = registry
        self._now = now
        self._unlock = unlock

    def run(self, case: UseCase[Q, A], request: Q, *, actor: str = "") -> A:
        from promptops.use_cases.use_case import Caller

        caller = Caller(now=self._now if case.changes else clock.now(), actor=actor)
        return case.answer_to(self._registry, request, caller)

    def channel_names(self) -> Sequence[str]:
        return names.channel_names(self._registry)

    def live_on(self, channel: str) -> Sequence[str]:
        return names.live_on(self._registry, channel)

    def serving(self, app: str, digest: str) -> Sequence[str]:
        return names.serving(self._registry, app, digest)

    def audit(
        self,
        *,
        app: str,
        channel: str,
        actor: str,
        since: datetime | None,
        until: datetime | None,
        limit: int | None,
    ) -> Sequence[AuditEntry]:
        from promptops.operations import audit as auditing

        return auditing.entries(
            self._registry, app=app, channel=channel, actor=actor, since=since, until=until, limit=limit
        )

    def verify_audit(self, *, anchor: str, root: Path | None) -> Audited:
        from promptops.operations import audit as auditing

        return auditing.verify(self._registry, anchor=anchor, root=root)

    def snapshot(self, channel: str) -> Snapshot:
        from promptops.operations import snapshots

        return snapshots.snapshot(self._registry, channel)

    def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        from promptops.operations import snapshots

        return {digest: stored.content for digest, stored in snapshots.contents(self._registry, digests).items()}

    def lacks(self) -> str:
        from promptops.operations.remembered import behind

        return next((fault.what for fault in behind(self._registry)), "")

    def tag(self, repository: Repository, releases: Sequence[Release], *, remote: str) -> Sequence[Tagged]:
        from promptops.operations import git_sync
        from promptops.projection.keyring import no_key

        unlock = self._unlock or no_key
        return git_sync.tag(self._registry, repository, releases, remote=remote, unlock=unlock)
