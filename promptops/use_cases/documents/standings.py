"""What is live, and what was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from promptops.core.outcomes.app_look import AppLook
from promptops.operations.queries import History, RegistryStatus
from promptops.operations.status import Standing, Target
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.approvals import WaiverDocument
from promptops.wire.documents.deployments import (
    AppDocument,
    AppLookDocument,
    DeploymentDocument,
    HistoryDocument,
    LoadFailureDocument,
    LoggedDocument,
    StandingDocument,
    StatusDocument,
)
from promptops.wire.documents.releases import ReleaseNameDocument

_SAME: Final = tuple(field.name for field in fields(DeploymentDocument) if field.name not in ("app", "channel"))
"""A standing is a deployment whose app and channel are keys around it."""


def _standing(standing: Standing) -> StandingDocument:
    deployment, target = DeploymentDocument.of(standing.deployment), standing.target
    return StandingDocument(
        **{name: getattr(deployment, name) for name in _SAME},
        rollback_to=ReleaseNameDocument.of(target.release) if target else None,
        rollback_revision=target.revision if target else None,
        rollback_live_at=target.at if target else None,
    )


def _status(status: RegistryStatus) -> StatusDocument:
    apps: dict[str, dict[str, StandingDocument]] = {app: {} for app in status.idle}
    for standing in status.standings:
        apps.setdefault(standing.deployment.app, {})[standing.deployment.channel] = _standing(standing)
    return StatusDocument(
        registry=status.registry,
        apps=tuple(AppDocument(app=app, channels=channels) for app, channels in sorted(apps.items())),
        channels=status.channels,
        pending=status.pending,
        pending_since=status.pending_since,
        cannot_load=tuple(map(LoadFailureDocument.of, status.cannot_load)),
        waivers=tuple(map(WaiverDocument.of, status.waivers)),
        looks=tuple(AppLookDocument(app=each.app, code=each.code, text=each.text) for each in status.looks),
    )


def _from_status(document: StatusDocument) -> RegistryStatus:
    return RegistryStatus(
        registry=document.registry,
        standings=tuple(
            _from_standing(entry.app, channel, standing)
            for entry in document.apps
            for channel, standing in entry.channels.items()
        ),
        idle=tuple(entry.app for entry in document.apps if not entry.channels),
        channels=document.channels,
        pending=document.pending,
        pending_since=document.pending_since,
        cannot_load=tuple(failure.failure() for failure in document.cannot_load),
        waivers=tuple(waiver.waiver() for waiver in document.waivers),
        looks=tuple(AppLook(app=look.app, code=look.code, text=look.text) for look in document.looks),
    )


def _from_standing(app: str, channel: str, document: StandingDocument) -> Standing:
    same = {name: getattr(document, name) for name in _SAME}
    release, revision, at = document.rollback_to, document.rollback_revision, document.rollback_live_at
    return Standing(
        deployment=DeploymentDocument(app=app, channel=channel, **same).deployment(),
        target=Target(release=release.ref(), revision=revision, at=at)
        if release is not None and revision is not None and at is not None
        else None,
    )


def _history(history: History) -> HistoryDocument:
    return HistoryDocument(
        app=history.app,
        channel=history.channel,
        live=DeploymentDocument.of(history.live) if history.live else None,
        deployments=tuple(
            LoggedDocument.of(entry, flaw=history.flaws.get(entry.digest, "")) for entry in history.deployments
        ),
    )


def _from_history(document: HistoryDocument) -> History:
    return History(
        app=document.app,
        channel=document.channel,
        deployments=tuple(entry.deployment() for entry in document.deployments),
        live=document.live.deployment() if document.live else None,
        flaws={entry.stable.digest: entry.flaw for entry in document.deployments if entry.stable and entry.flaw},
    )


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    RegistryStatus: Form(StatusDocument, _status, _from_status),
    History: Form(HistoryDocument, _history, _from_history),
}
