"""The use cases as the command line calls them: one interface with two implementations.

``local`` calls the operations on a database; ``remote`` sends requests to a server. Both return the same nouns and
raise the same errors, so no command knows which one it has. The time of a change is that of the machine that makes it:
this machine for a database, the server for a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

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


class Gateway(Protocol):
    """The use cases of one registry. Each raises what the operation of its name raises."""

    # --- what is there ---

    def apps(self) -> Sequence[str]:
        """The names of all apps, in order."""

    def channels(self) -> Sequence[Channel]:
        """Every channel, downstream first."""

    def channel_names(self) -> Sequence[str]:
        """The names of all channels, in order."""

    def live_on(self, channel: str) -> Sequence[str]:
        """The apps that are live on the channel, in order.

        Raises:
            ChannelNotFound
        """

    def serving(self, app: str, digest: str) -> Sequence[str]:
        """The channels that serve this release of the app, in order."""

    def status(self, apps: Sequence[str], channel: str) -> Status:
        """What is live where, and what a rollback would do."""

    def history(self, app: str, channel: str, *, at: datetime | None, limit: int | None) -> History:
        """The log of an app on a channel."""

    def releases(self, app: str) -> Sequence[Listed]:
        """Every release of an app, newest first, without contents."""

    def named(self, reference: Reference) -> Named:
        """The release that a reference names, with its content, verified against its digest."""

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
        """The audit log, newest first, narrowed by whatever is given."""

    def verify_audit(self, *, anchor: str, root: Path | None) -> Audited:
        """Whether the audit log is what was written; worked out here, whoever keeps the log."""

    # --- what is served ---

    def snapshot(self, channel: str) -> Snapshot:
        """What the channel serves of every app, and where a rollback would go.

        Raises:
            ChannelNotFound
        """

    def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        """The contents of releases by digest, those that are there and intact; maybe only the first of them.

        Raises:
            RegistryDamaged: that leaves none.
        """

    def clients(self, channel: str) -> Clients:
        """The clients that were heard of lately, of one channel or, with an empty name, of all, as of now.

        Raises:
            ChannelNotFound
        """

    # --- changes ---

    def release(self, workspace: Workspace, request: ReleaseRequest, *, actor: str) -> Sequence[Released]:
        """Release every built app in one transaction."""

    def tag(self, repository: Repository, releases: Sequence[Release], *, remote: str) -> Sequence[Tagged]:
        """Write the annotated tag of each of these releases into this repository; push where a remote is named."""

    def promote(self, request: PromoteRequest, *, actor: str) -> Deployed:
        """Make a release the stable one of a channel."""

    def rollback(self, request: RollbackRequest, *, actor: str) -> Deployed:
        """Put the last good release back."""

    def quarantine(self, request: WithholdRequest, *, actor: str) -> Quarantine:
        """Keep a release out of a channel."""

    def unquarantine(self, request: WithholdRequest, *, actor: str) -> Quarantine:
        """Let a release back in."""

    def yank(self, request: WithholdRequest, *, actor: str) -> Release:
        """Mark a release as never to be served again."""

    def create_override(self, request: OverrideRequest, *, actor: str) -> Override:
        """Make an override with a release; changes nothing."""

    def reconcile(self, override: Override, *, expect_revision: int | None, dry_run: bool, actor: str) -> Deployed:
        """Record an override as a deployment."""

    def apply_channels(self, name: str, declared: Mapping[str, Policy], *, actor: str) -> Sequence[ChannelChange]:
        """Make the channels of the registry ``name`` those that are declared."""

    # --- tokens ---

    def tokens(self) -> Sequence[Token]:
        """Every token that was ever made, oldest first; of a server those that the own token reaches."""

    def create_token(self, request: TokenRequest, *, actor: str) -> Minted:
        """Make a token; its secret is in the answer and nowhere else."""

    def revoke_token(self, which: str, *, reason: str, actor: str) -> Token:
        """Take a token back, by its id or its name."""
