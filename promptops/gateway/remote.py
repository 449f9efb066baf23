"""A registry behind a server, over HTTP: each use case is one request; logs and contents come in pages.

Answers are read strictly, and a release's content is hashed again here: a server is trusted for what is live, and not
for what a release is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from promptops.core.errors import AppNotFound, ChannelNotFound, RegistryUnavailable
from promptops.core.model import AuditEntry, Json, Release, is_name
from promptops.gateway.http_answers import AnswerObject, given, hashed, number, parsed, served
from promptops.gateway.http_sender import SECONDS, Sender, ServerRequest
from promptops.use_cases.channels import CHANNELS
from promptops.use_cases.documents import read_each
from promptops.use_cases.registry import APPS, IDENTITY
from promptops.use_cases.status import STATUS, StatusRequest

if TYPE_CHECKING:
    from promptops.client.sources.credentials import Credential
    from promptops.core.snapshot import Snapshot
    from promptops.operations.audit import Audited
    from promptops.operations.git_sync import Tagged
    from promptops.source.git.repository import Repository
    from promptops.use_cases.use_case import UseCase

Q = TypeVar("Q")
A = TypeVar("A")

PAGE: Final = 1000
"""Lines of the audit log in one request: the most that a server returns."""

AT_ONCE: Final = 100
"""Contents in one request; a server returns fewer if they are large."""


class Remote:
    """A registry behind a server."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    @classmethod
    @contextmanager
    def open(cls, url: str, *, token: str | Credential, seconds: float | None = None) -> Iterator[Remote]:
        """The registry at this URL, open during the block; ``seconds`` is how long one request may take.

        Raises:
            Invalid: the token would be sent unencrypted. NotAuthenticated: the token is malformed.
        """
        sender = Sender(url, token=token, seconds=seconds or SECONDS)
        try:
            yield cls(sender)
        finally:
            sender.close()

    def run(self, case: UseCase[Q, A], request: Q, *, actor: str = "") -> A:
        if case.resolve is not None:
            request = case.resolve(self.run, request)
        sent = case.send(request)
        self._require_names(sent.names)
        answer = self._ask(
            ServerRequest(
                method=sent.method,
                path=sent.path,
                query=sent.query,
                body=sent.body,
                actor=actor,
                key=sent.key,
                expect_revision=sent.expect_revision,
                changes=case.changes,
            )
        )
        return case.read(answer, request)

    def channel_names(self) -> Sequence[str]:
        return sorted(channel.name for channel in self.run(CHANNELS, None))

    def live_on(self, channel: str) -> Sequence[str]:
        return [standing.deployment.app for standing in self.run(STATUS, StatusRequest(channel=channel)).standings]

    def serving(self, app: str, digest: str) -> Sequence[str]:
        live = [standing.deployment for standing in self.run(STATUS, StatusRequest(apps=(app,))).standings]
        return sorted(live_on.channel for live_on in live if any(ref.digest == digest for ref in live_on.served()))

    def snapshot(self, channel: str) -> Snapshot:
        self._require_names({"channel": channel})
        return served(
            channel, self._sender.send(ServerRequest(method="GET", path=f"/v1/channels/{channel}/snapshot")).body
        )

    def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        query = [("digest", digest) for digest in digests[:AT_ONCE]]
        return hashed(digests, self._get("/v1/releases", query)["releases"])

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
        filters = given(app=app, channel=channel, actor=actor, since=since, until=until)
        entries: list[AuditEntry] = []
        before: int | None = None
        while limit is None or len(entries) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(entries))
            page = self._get("/v1/audit", [*filters, *given(before=before, limit=size)])
            entries += read_each(AuditEntry, page["entries"])
            last, before = before, number(page["before"])
            if before is None or (last is not None and before >= last):
                break
        return entries

    def verify_audit(self, *, anchor: str, root: Path | None) -> Audited:
        from promptops.gateway.audit_pages import Trail
        from promptops.operations import audit as auditing

        known = auditing.kept(self.run(IDENTITY, None).lineage, anchor=anchor, root=root)
        return auditing.compare(Trail(lambda after: self._get("/v1/audit/trail", given(after=after))), known)

    def lacks(self) -> str:
        return ""

    def tag(self, repository: Repository, releases: Sequence[Release], *, remote: str) -> Sequence[Tagged]:
        from promptops.operations import git_sync

        return git_sync.tag(None, repository, releases, remote=remote)

    def _get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Mapping[str, Json]:
        return self._ask(ServerRequest(method="GET", path=path, query=query))

    def _ask(self, request: ServerRequest) -> Mapping[str, Json]:
        try:
            answer = parsed(self._sender.send(request).body)
        except ValueError as error:
            raise RegistryUnavailable(f"the answer of {self._sender.url} is no JSON") from error
        if not isinstance(answer, dict):
            raise RegistryUnavailable(f"the answer of {self._sender.url} is no JSON object")
        return AnswerObject(answer)

    def _apps(self) -> Sequence[str]:
        return self.run(APPS, None)

    def _require_names(self, names: Mapping[str, str]) -> None:
        """Refuse a text that is not a name before it becomes part of an address: there is no such channel or app.

        Raises:
            ChannelNotFound, AppNotFound: listing those that exist.
        """
        channel, app = names.get("channel", ""), names.get("app", "")
        if "channel" in names and not is_name(channel):
            raise ChannelNotFound(f"there is no channel '{channel}'", known=self.channel_names())
        if "app" in names and not is_name(app):
            raise AppNotFound(f"there is no app '{app}' in this registry", known=self._apps())
