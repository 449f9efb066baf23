"""A server, over HTTP: each use case is one request to the server's write or read API, and a few for what is a page.

What comes back is read strictly, and a release's content is hashed again here: a server is trusted to say what is live,
and not to say what a release is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from promptops.core import override as overrides
from promptops.core.errors import AppNotFound, ChannelNotFound, RegistryUnavailable, TokenNotFound
from promptops.core.json_codec import to_json
from promptops.core.model import AuditEntry, Channel, Json, Policy, Quarantine, Release, is_name
from promptops.core.reference import Reference
from promptops.core.token import Token
from promptops.gateway import http_answers
from promptops.gateway.http_answers import Document, given, hashed, number, parsed, require_same, served, texts
from promptops.gateway.http_sender import SECONDS, Request, Sender
from promptops.operations.channels import ChannelChange
from promptops.operations.deploy import Deployed
from promptops.operations.queries import History, Listed, Named, Status
from promptops.operations.release import Released
from promptops.wire.shapes import Described, each, read

if TYPE_CHECKING:
    from promptops.core.heartbeat import Clients
    from promptops.core.override import Override
    from promptops.core.snapshot import Snapshot
    from promptops.operations.audit import Audited
    from promptops.operations.build import Workspace
    from promptops.operations.git_sync import Tagged
    from promptops.operations.override import OverrideRequest
    from promptops.operations.promote import PromoteRequest
    from promptops.operations.quarantine import WithholdRequest
    from promptops.operations.release import ReleaseRequest
    from promptops.operations.rollback import RollbackRequest
    from promptops.operations.tokens import Minted, TokenRequest
    from promptops.source.git.repository import Repository

PAGE: Final = 1000
"""Lines of the audit log that are asked for at a time."""

AT_ONCE: Final = 100
"""Contents that are asked for at a time."""


class Remote:
    """A registry behind a server."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    @classmethod
    @contextmanager
    def open(cls, url: str, *, token: str, seconds: float | None = None) -> Iterator[Remote]:
        """The registry at this URL, for as long as the block lasts; ``seconds`` is how long one request may take.

        Raises:
            Invalid: the server would be shown the token in clear. NotAuthenticated: the token is none.
        """
        sender = Sender(url, token=token, seconds=seconds or SECONDS)
        try:
            yield cls(sender)
        finally:
            sender.close()

    # --- what is there ---

    def apps(self) -> Sequence[str]:
        return texts(self._get("/v1/apps")["apps"])

    def channels(self) -> Sequence[Channel]:
        return each(Channel, self._get("/v1/channels")["channels"])

    def channel_names(self) -> Sequence[str]:
        return sorted(channel.name for channel in self.channels())

    def live_on(self, channel: str) -> Sequence[str]:
        return [standing.deployment.app for standing in self.status((), channel).standings]

    def serving(self, app: str, digest: str) -> Sequence[str]:
        live = [standing.deployment for standing in self.status((app,), "").standings]
        return sorted(live_on.channel for live_on in live if any(ref.digest == digest for ref in live_on.served()))

    def clients(self, channel: str) -> Clients:
        return http_answers.clients(self._get("/v1/clients", given(channel=channel)))

    def snapshot(self, channel: str) -> Snapshot:
        place = f"/v1/channels/{self._channel(channel)}/snapshot"
        return served(channel, self._sender.send(Request(method="GET", path=place)).body)

    def contents(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        query = [("digest", digest) for digest in digests[:AT_ONCE]]
        return hashed(digests, self._get("/v1/releases", query)["releases"])

    def status(self, apps: Sequence[str], channel: str) -> Status:
        query = [*(("app", app) for app in apps), *given(channel=channel)]
        return read(Status, self._get("/v1/status", query))

    def history(self, app: str, channel: str, *, at: datetime | None, limit: int | None) -> History:
        place = f"/v1/channels/{self._channel(channel)}/apps/{self._app(app)}/history"
        return read(History, self._get(place, given(at=at, limit=limit)))

    def releases(self, app: str) -> Sequence[Listed]:
        return each(Listed, self._get(f"/v1/apps/{self._app(app)}/releases")["releases"])

    def named(self, reference: Reference) -> Named:
        from promptops.core.release import content_from_bytes

        query = given(version=reference.version, digest=reference.digest, channel=reference.channel)
        found = read(Described, self._get(f"/v1/apps/{reference.app}/release", query))
        release = found.whole()
        content = content_from_bytes(release.content)
        require_same(reference, release, content.app)
        return Named(
            reference=reference,
            content=content,
            release=release,
            profile=found.profile,
            channels=found.channels,
            quarantined=found.quarantined,
        )

    def tokens(self) -> Sequence[Token]:
        return each(Token, self._get("/v1/tokens")["tokens"])

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
        asked = given(app=app, channel=channel, actor=actor, since=since, until=until)
        found: list[AuditEntry] = []
        before: int | None = None
        while limit is None or len(found) < limit:
            wanted = PAGE if limit is None else min(PAGE, limit - len(found))
            page = self._get("/v1/audit", [*asked, *given(before=before, limit=wanted)])
            found += each(AuditEntry, page["entries"])
            last, before = before, number(page["before"])
            if before is None or (last is not None and before >= last):
                break
        return found

    def verify_audit(self, *, anchor: str, root: Path | None) -> Audited:
        from promptops.gateway.audit_pages import Trail
        from promptops.operations import audit as auditing

        lineage = self._get("/v1/registry")["lineage"]
        known = auditing.kept(lineage if isinstance(lineage, str) else "", anchor=anchor, root=root)
        return auditing.compare(Trail(lambda after: self._get("/v1/audit/trail", given(after=after))), known)

    # --- changes ---

    def release(self, workspace: Workspace, request: ReleaseRequest, *, actor: str) -> Sequence[Released]:
        body: dict[str, Json] = {
            "registry": workspace.registry,
            "apps": [
                {
                    "content": built.data.decode("utf-8"),
                    "digest": built.digest,
                    "profile": to_json(built.profile),
                    "provenance": to_json(built.provenance),
                }
                for built in workspace.built
            ],
            "bump": request.bump.value if request.bump else None,
            "version": request.version,
            "notes": request.notes,
        }
        return each(Released, self._post("/v1/releases", body, actor=actor, key=request.key)["releases"])

    def tag(self, repository: Repository, releases: Sequence[Release], *, remote: str) -> Sequence[Tagged]:
        from promptops.operations import git_sync

        return git_sync.tag(None, repository, releases, remote=remote)

    def promote(self, request: PromoteRequest, *, actor: str) -> Deployed:
        body: dict[str, Json] = {
            "release": str(request.reference),
            "reason": request.reason,
            "dry_run": request.dry_run,
        }
        place = f"/v1/channels/{self._channel(request.channel)}/promote"
        return read(Deployed, self._post(place, body, actor=actor, key=request.key, expect=request.expect_revision))

    def rollback(self, request: RollbackRequest, *, actor: str) -> Deployed:
        body: dict[str, Json] = {
            "apps": list(request.apps),
            "all": request.every,
            "to": request.to,
            "at": to_json(request.at),
            "reason": request.reason,
            "dry_run": request.dry_run,
        }
        place = f"/v1/channels/{self._channel(request.channel)}/rollback"
        return read(Deployed, self._post(place, body, actor=actor, key=request.key, expect=request.expect_revision))

    def quarantine(self, request: WithholdRequest, *, actor: str) -> Quarantine:
        return read(Quarantine, self._withhold("quarantine", request, actor))

    def unquarantine(self, request: WithholdRequest, *, actor: str) -> Quarantine:
        return read(Quarantine, self._withhold("unquarantine", request, actor))

    def yank(self, request: WithholdRequest, *, actor: str) -> Release:
        body: dict[str, Json] = {"release": str(request.reference), "reason": request.reason}
        return read(Release, self._post("/v1/yanks", body, actor=actor, key=request.key))

    def create_override(self, request: OverrideRequest, *, actor: str) -> Override:
        body: dict[str, Json] = {
            "release": str(request.reference),
            "reason": request.reason,
            "seconds": int(request.lifetime.total_seconds()),
        }
        place = f"/v1/channels/{self._channel(request.channel)}/pins"
        return overrides.decode(self._sender.send(Request(method="POST", path=place, body=body, actor=actor)).body)

    def reconcile(self, override: Override, *, expect_revision: int | None, dry_run: bool, actor: str) -> Deployed:
        body: dict[str, Json] = {"pin": overrides.encode(override).decode("utf-8"), "dry_run": dry_run}
        place = f"/v1/channels/{self._channel(override.channel)}/reconcile"
        return read(Deployed, self._post(place, body, actor=actor, expect=expect_revision))

    def apply_channels(self, name: str, declared: Mapping[str, Policy], *, actor: str) -> Sequence[ChannelChange]:
        policies = {channel: to_json(policy) for channel, policy in declared.items()}
        body: dict[str, Json] = {"registry": name, "channels": policies}
        answer = self._ask(Request(method="PUT", path="/v1/channels", body=body, actor=actor))
        return each(ChannelChange, answer["channels"])

    def create_token(self, request: TokenRequest, *, actor: str) -> Minted:
        from promptops.operations.tokens import Minted

        body: dict[str, Json] = {
            "name": request.name,
            "scopes": [scope.value for scope in request.scopes],
            "channels": list(request.channels),
            "apps": list(request.apps),
            "seconds": int(request.lifetime.total_seconds()) if request.lifetime else None,
            "capped": request.capped,
        }
        answer = self._post("/v1/tokens", body, actor=actor)
        secret = answer["secret"]
        return Minted(token=read(Token, answer["token"]), text=secret if isinstance(secret, str) else "")

    def revoke_token(self, which: str, *, reason: str, actor: str) -> Token:
        every = self.tokens()
        named = [token for token in every if token.id == which] or [token for token in every if token.name == which]
        if not named:
            known = [f"{token.id} ({token.name})" for token in every if token.revoked is None]
            raise TokenNotFound(f"there is no token '{which[:80]}'", known=known)
        place, query = f"/v1/tokens/{named[-1].id}", given(reason=reason)
        return read(Token, self._ask(Request(method="DELETE", path=place, query=query, actor=actor)))

    # --- asking ---

    def _withhold(self, what: str, request: WithholdRequest, actor: str) -> Mapping[str, Json]:
        body: dict[str, Json] = {"release": str(request.reference), "reason": request.reason}
        return self._post(f"/v1/channels/{self._channel(request.channel)}/{what}", body, actor=actor, key=request.key)

    def _get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Mapping[str, Json]:
        return self._ask(Request(method="GET", path=path, query=query))

    def _post(
        self, path: str, body: Mapping[str, Json], *, actor: str, key: str = "", expect: int | None = None
    ) -> Mapping[str, Json]:
        return self._ask(Request(method="POST", path=path, body=body, actor=actor, key=key, expect_revision=expect))

    def _ask(self, request: Request) -> Mapping[str, Json]:
        try:
            answer = parsed(self._sender.send(request).body)
        except ValueError as error:
            raise RegistryUnavailable(f"the answer of {self._sender.url} is no JSON") from error
        if not isinstance(answer, dict):
            raise RegistryUnavailable(f"the answer of {self._sender.url} is no JSON object")
        return Document(answer)

    def _channel(self, name: str) -> str:
        """A channel's name in an address; what is no name is no channel, and goes nowhere."""
        if not is_name(name):
            raise ChannelNotFound(f"there is no channel '{name}'", known=self.channel_names())
        return name

    def _app(self, name: str) -> str:
        if not is_name(name):
            raise AppNotFound(f"there is no app '{name}' in this registry", known=self.apps())
        return name
