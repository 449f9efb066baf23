"""The database itself. Each use case loads its own operation, so that a rollback loads nothing but a rollback's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptops.core.heartbeat import Clients
    from promptops.core.model import AuditEntry, Channel, Policy, Quarantine, Release
    from promptops.core.override import Override
    from promptops.core.reference import Reference
    from promptops.core.snapshot import Snapshot
    from promptops.core.token import Token
    from promptops.operations.audit import Audited
    from promptops.operations.build import Workspace
    from promptops.operations.channels import ChannelChange
    from promptops.operations.deploy import Deployed
    from promptops.operations.git_sync import Tagged
    from promptops.operations.override import OverrideRequest
    from promptops.operations.promote import PromoteRequest
    from promptops.operations.quarantine import WithholdRequest
    from promptops.operations.queries import History, Listed, Named, Status
    from promptops.operations.release import Released, ReleaseRequest
    from promptops.operations.rollback import RollbackRequest
    from promptops.operations.tokens import Minted, TokenRequest
    from promptops.source.git.repository import Repository
    from promptops.store import Registry


class Direct:
    """A registry that is open. ``now`` is when its changes are made."""

    def __init__(self, registry: Registry, *, now: datetime) -> None:
        self._registry = registry
        self._now = now

    # --- what is there ---

    def apps(self) -> Sequence[str]:
        with self._registry.read() as reader:
            return reader.apps()

    def channels(self) -> Sequence[Channel]:
        from promptops.operations import queries

        return queries.channels(self._registry)

    def channel_names(self) -> Sequence[str]:
        with self._registry.read() as reader:
            return [channel.name for channel in reader.channels()]

    def live_on(self, channel: str) -> Sequence[str]:
        with self._registry.read() as reader:
            live = [deployment.app for deployment in reader.live_on(channel)]
            if not live:
                reader.channel(channel)
            return live

    def serving(self, app: str, digest: str) -> Sequence[str]:
        with self._registry.read() as reader:
            return reader.channels_serving(app, digest)

    def status(self, apps: Sequence[str], channel: str) -> Status:
        from promptops import clock
        from promptops.operations import queries

        return queries.status(self._registry, apps=apps, channel=channel, now=clock.now())

    def history(self, app: str, channel: str, *, at: datetime | None, limit: int | None) -> History:
        from promptops.operations import queries

        return queries.history(self._registry, app, channel, at=at, limit=limit)

    def releases(self, app: str) -> Sequence[Listed]:
        from promptops.operations import queries

        return queries.releases(self._registry, app)

    def named(self, reference: Reference) -> Named:
        from promptops.operations import queries

        return queries.named(self._registry, reference)

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
        with self._registry.read() as reader:
            return reader.audit(app=app, channel=channel, actor=actor, since=since, until=until, limit=limit)

    def verify_audit(self, *, anchor: str, root: Path | None) -> Audited:
        from promptops.operations import audit as auditing

        return auditing.verify(self._registry, anchor=anchor, root=root)

    # --- what is served ---

    def snapshot(self, channel: str) -> Snapshot:
        from promptops.operations import snapshots

        return snapshots.snapshot(self._registry, channel)

    def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        from promptops.operations import snapshots

        return {digest: stored.content for digest, stored in snapshots.contents(self._registry, digests).items()}

    def clients(self, channel: str) -> Clients:
        from promptops import clock
        from promptops.operations import heartbeats

        return heartbeats.clients(self._registry, channel, now=clock.now())

    # --- changes ---

    def release(self, workspace: Workspace, request: ReleaseRequest, *, actor: str) -> Sequence[Released]:
        from promptops.operations import release as releasing

        return releasing.release(self._registry, workspace, request, actor=actor, now=self._now)

    def tag(self, repository: Repository, releases: Sequence[Release], *, remote: str) -> Sequence[Tagged]:
        from promptops.operations import git_sync

        return git_sync.tag(self._registry, repository, releases, remote=remote)

    def promote(self, request: PromoteRequest, *, actor: str) -> Deployed:
        from promptops.operations import promote as promoting

        return promoting.promote(self._registry, request, actor=actor, now=self._now)

    def rollback(self, request: RollbackRequest, *, actor: str) -> Deployed:
        from promptops.operations import rollback as rolling_back

        return rolling_back.rollback(self._registry, request, actor=actor, now=self._now)

    def quarantine(self, request: WithholdRequest, *, actor: str) -> Quarantine:
        from promptops.operations import quarantine as withholding

        return withholding.quarantine(self._registry, request, actor=actor, now=self._now)

    def unquarantine(self, request: WithholdRequest, *, actor: str) -> Quarantine:
        from promptops.operations import quarantine as withholding

        return withholding.unquarantine(self._registry, request, actor=actor, now=self._now)

    def yank(self, request: WithholdRequest, *, actor: str) -> Release:
        from promptops.operations import quarantine as withholding

        return withholding.yank(self._registry, request, actor=actor, now=self._now)

    def create_override(self, request: OverrideRequest, *, actor: str) -> Override:
        from promptops.operations import override as overriding

        return overriding.create(self._registry, request, actor=actor, now=self._now)

    def reconcile(self, override: Override, *, expect_revision: int | None, dry_run: bool, actor: str) -> Deployed:
        from promptops.operations import override_reconcile

        return override_reconcile.reconcile(
            self._registry, override, expect_revision=expect_revision, dry_run=dry_run, actor=actor, now=self._now
        )

    def apply_channels(self, name: str, declared: Mapping[str, Policy], *, actor: str) -> Sequence[ChannelChange]:
        from promptops.operations.channels import apply_channels

        return apply_channels(self._registry, name, declared, actor=actor, now=self._now)

    # --- tokens ---

    def tokens(self) -> Sequence[Token]:
        from promptops.operations import tokens

        return tokens.list_tokens(self._registry)

    def create_token(self, request: TokenRequest, *, actor: str) -> Minted:
        from promptops.operations import tokens

        return tokens.create_token(self._registry, request, actor=actor, now=self._now)

    def revoke_token(self, which: str, *, reason: str, actor: str) -> Token:
        from promptops.operations import tokens

        return tokens.revoke_token(self._registry, which, reason=reason, actor=actor, now=self._now)
