"""The registry as the command line has it: one interface with two implementations.

``local`` calls the operations on a database; ``remote`` sends requests to a server. Both run the rows of
:mod:`promptops.use_cases`, return the same nouns and raise the same errors, so no command knows which one it has. The
other methods read pages or files, or need several requests. The time of a change is that of the machine that
makes it: this machine for a database, the server for a server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from promptops.core.model import AuditEntry, Release
    from promptops.core.snapshot import Snapshot
    from promptops.operations.audit import Audited
    from promptops.operations.git_sync import Tagged
    from promptops.source.git.repository import Repository
    from promptops.use_cases.use_case import UseCase

Q = TypeVar("Q")
A = TypeVar("A")


class Gateway(Protocol):
    """The use cases of one registry."""

    def run(self, case: UseCase[Q, A], request: Q, *, actor: str = "") -> A:
        """Run a use case; ``actor`` is recorded for a change.

        Raises:
            PromptopsError: what its operation raises.
        """

    def lacks(self) -> str:
        """What this machine has verified of the registry and its database lacks; empty if that is nothing, or if only a
        server knows.
        """

    def channel_names(self) -> Sequence[str]:
        """The names of all channels, in order."""

    def live_on(self, channel: str) -> Sequence[str]:
        """The apps that are live on the channel, in order.

        Raises:
            ChannelNotFound
        """

    def serving(self, app: str, digest: str) -> Sequence[str]:
        """The channels that serve this release of the app, in order."""

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
        """Returns the audit log, newest first, filtered by the arguments that are not empty."""

    def verify_audit(self, *, anchor: str, root: Path | None) -> Audited:
        """Verifies the audit log on this machine, also if a server has the log."""

    def snapshot(self, channel: str) -> Snapshot:
        """What the channel serves of every app, and where a rollback would go.

        Raises:
            ChannelNotFound
        """

    def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        """The contents of releases by digest, those that are intact; a large batch may be cut to the first ones.

        Raises:
            RegistryDamaged: no content is intact.
        """

    def tag(self, repository: Repository, releases: Sequence[Release], *, remote: str) -> Sequence[Tagged]:
        """Write the annotated tag of each of these releases into this repository; push where a remote is named."""
