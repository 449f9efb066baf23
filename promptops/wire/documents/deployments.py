"""Deployments: what a channel served when, what serves now, and what a change did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from promptops.core.canary.low_traffic import LowTraffic
from promptops.core.deployment_parts import Action, Kind
from promptops.core.heartbeat import LoadFailure, NotFollowing
from promptops.core.model import Canary, Deployment, Quarantine, ReleaseRef
from promptops.wire.documents.approvals import WaiverDocument
from promptops.wire.documents.contracts import ContractChangeDocument
from promptops.wire.documents.releases import MeasuredTokensDocument, ReleaseNameDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryDocument:
    """A release on trial beside the stable one; ``weight`` is its share of the keys in basis points.

    ``salt`` decides which keys these are, ``rollout`` names the ramp, and ``step`` counts from 1. ``action`` is what
    the deployment does with it (``start``, ``advance``, ``pause``, ``resume``; later versions add more).
    """

    version: str
    digest: str
    weight: int
    rollout: str
    salt: str
    step: int
    action: str

    @classmethod
    def of(cls, canary: Canary | None) -> Self | None:
        if canary is None:
            return None
        return cls(
            version=canary.release.version,
            digest=canary.release.digest,
            weight=canary.weight,
            rollout=canary.rollout,
            salt=canary.salt,
            step=canary.step,
            action=canary.action.value,
        )

    def canary(self) -> Canary:
        """Returns the canary.

        Raises:
            ValueError: no canary has this weight, step or salt.
        """
        return Canary(
            release=ReleaseRef(version=self.version, digest=self.digest),
            weight=self.weight,
            rollout=self.rollout,
            salt=self.salt,
            step=self.step,
            action=Action(self.action),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentDocument:
    """One entry in the log of an app on a channel. ``from`` is the release that was stable before.

    ``kind`` is what made it: ``promote``, ``rollback``, ``break-glass``, ``off``, ``canary``, ``abort`` (the canary is
    gone); later versions add more. ``stable`` is null where the app is off. ``restores`` is the
    revision of the promotion whose release a rollback put back, or that a canary stands beside.
    """

    app: str
    channel: str
    revision: int
    kind: str
    stable: ReleaseNameDocument | None
    canary: CanaryDocument | None
    from_: ReleaseNameDocument | None
    restores: int | None
    actor: str
    reason: str
    at: datetime

    @classmethod
    def of(cls, deployment: Deployment, **more: Any) -> Self:
        return cls(
            app=deployment.app,
            channel=deployment.channel,
            revision=deployment.revision,
            kind=deployment.kind.value,
            stable=ReleaseNameDocument.of(deployment.stable),
            canary=CanaryDocument.of(deployment.canary),
            from_=ReleaseNameDocument.of(deployment.before),
            restores=deployment.restores,
            actor=deployment.actor,
            reason=deployment.reason,
            at=deployment.at,
            **more,
        )

    def deployment(self) -> Deployment:
        """Returns the deployment.

        Raises:
            ValueError: it cannot be one.
        """
        return Deployment(
            app=self.app,
            channel=self.channel,
            revision=self.revision,
            kind=Kind(self.kind),
            stable=self.stable.ref() if self.stable else None,
            before=self.from_.ref() if self.from_ else None,
            restores=self.restores,
            actor=self.actor,
            reason=self.reason,
            at=self.at,
            canary=self.canary.canary() if self.canary else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedDocument(DeploymentDocument):
    """What a change came to for one app: ``changed`` is false where the release was live already."""

    changed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFollowingDocument:
    """A live client, by name, that keeps the release before: it ``lacks`` these features, which the new one needs."""

    client: str
    lacks: tuple[str, ...]

    @classmethod
    def of(cls, client: NotFollowing) -> Self:
        return cls(client=client.client, lacks=client.lacks)

    def not_following(self) -> NotFollowing:
        return NotFollowing(client=self.client, lacks=self.lacks)


@dataclass(frozen=True, slots=True, kw_only=True)
class LowTrafficDocument:
    """A canary whose first step has too few keys: it aborts one of whose keys ``share`` are bad at the ``guardrail`` in
    a day only after ``sees_seconds`` (null for more than 90 days), and lasts ``wait_seconds`` at most. With
    ``tripled``, that is three times the share of the stable release. ``weight`` is in basis points.
    """

    app: str
    channel: str
    version: str
    weight: int
    keys_a_day: int
    guardrail: str
    share: float
    tripled: bool
    sees_seconds: int | None
    wait_seconds: int

    @classmethod
    def of(cls, low: LowTraffic) -> Self:
        return cls(
            app=low.app,
            channel=low.channel,
            version=low.version,
            weight=low.weight,
            keys_a_day=low.keys_a_day,
            guardrail=low.guardrail,
            share=low.share,
            tripled=low.tripled,
            sees_seconds=None if low.sees is None else int(low.sees.total_seconds()),
            wait_seconds=int(low.wait.total_seconds()),
        )

    def low_traffic(self) -> LowTraffic:
        return LowTraffic(
            app=self.app,
            channel=self.channel,
            version=self.version,
            weight=self.weight,
            keys_a_day=self.keys_a_day,
            guardrail=self.guardrail,
            share=self.share,
            tripled=self.tripled,
            sees=None if self.sees_seconds is None else timedelta(seconds=self.sees_seconds),
            wait=timedelta(seconds=self.wait_seconds),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineDocument:
    """A release that was kept out of a channel, or let back in, and why."""

    app: str
    channel: str
    version: str
    digest: str
    reason: str
    actor: str
    at: datetime

    @classmethod
    def of(cls, quarantine: Quarantine) -> Self:
        return cls(
            app=quarantine.app,
            channel=quarantine.channel,
            version=quarantine.release.version,
            digest=quarantine.release.digest,
            reason=quarantine.reason,
            actor=quarantine.actor,
            at=quarantine.at,
        )

    def quarantine(self) -> Quarantine:
        return Quarantine(
            app=self.app,
            channel=self.channel,
            release=ReleaseRef(version=self.version, digest=self.digest),
            reason=self.reason,
            actor=self.actor,
            at=self.at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedDocument:
    """What a promotion, a rollback or the record of an override did.

    ``served`` was read back after the commit: what the channel serves now. ``replayed`` says that the change was made
    by an earlier request with the same ``key``. ``warned`` is what a gate that only warns said. ``measured`` are, of
    a dry run of a promotion, the tokens of calls of what is live and of what would be. ``low_traffic`` are canaries
    that start with too few keys. ``ending`` names the models of what is served that end soon,
    or have ended. ``contract`` is what changed for callers of what was live before, app by app. ``kept_out`` are the
    releases that a retirement put in quarantine.
    """

    deployments: tuple[ChangedDocument, ...]
    served: tuple[DeploymentDocument, ...]
    dry_run: bool
    replayed: bool
    key: str
    not_following: tuple[NotFollowingDocument, ...] = ()
    warned: tuple[str, ...] = ()
    measured: tuple[MeasuredTokensDocument, ...] = ()
    low_traffic: tuple[LowTrafficDocument, ...] = ()
    ending: tuple[str, ...] = ()
    contract: tuple[ContractChangeDocument, ...] = ()
    kept_out: tuple[QuarantineDocument, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDocument(DeploymentDocument):
    """An entry of a history. ``flaw`` says why its release is not good on the channel now; empty if it is."""

    flaw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDocument:
    """The log of an app on a channel, newest first, and what is ``live``, or was at the moment that was given."""

    app: str
    channel: str
    live: DeploymentDocument | None
    deployments: tuple[LoggedDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingDocument:
    """What an app serves on a channel.

    A rollback would put ``rollback_to`` back, which ``rollback_revision`` made live at ``rollback_live_at``. All three
    are null where no good release was live before. Where there is a canary, a rollback ends that first, and the stable
    release stays.
    """

    revision: int
    kind: str
    stable: ReleaseNameDocument | None
    canary: CanaryDocument | None
    from_: ReleaseNameDocument | None
    restores: int | None
    actor: str
    reason: str
    at: datetime
    rollback_to: ReleaseNameDocument | None
    rollback_revision: int | None
    rollback_live_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppDocument:
    """An app and what it serves by channel; no channel where it is live on none."""

    app: str
    channels: Mapping[str, StandingDocument]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailureDocument:
    """A live client that cannot load the release of an app, with the reason that it gives."""

    app: str
    channel: str
    client: str
    reason: str
    seen_at: datetime

    @classmethod
    def of(cls, failure: LoadFailure) -> Self:
        return cls(
            app=failure.app,
            channel=failure.channel,
            client=failure.client,
            reason=failure.reason,
            seen_at=failure.seen_at,
        )

    def failure(self) -> LoadFailure:
        return LoadFailure(
            app=self.app, channel=self.channel, client=self.client, reason=self.reason, seen_at=self.seen_at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLookDocument:
    """Something of an app's calls that is worth a look.

    ``code`` is ``over-budget``, ``dear-day``, ``pin-mismatch``, ``unread`` or ``model-ends``; later versions
    add more.
    """

    app: str
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusDocument:
    """Every app and what it serves, by name, and the channels in order, downstream first.

    ``pending`` counts the changes that are not in git yet; ``pending_since`` is when the oldest of them was made.
    ``waivers`` have not ended and are of a release that is served. ``looks`` is what of the calls is worth a look.
    """

    registry: str
    apps: tuple[AppDocument, ...]
    channels: tuple[str, ...]
    pending: int
    pending_since: datetime | None
    cannot_load: tuple[LoadFailureDocument, ...]
    waivers: tuple[WaiverDocument, ...] = ()
    looks: tuple[AppLookDocument, ...] = ()
