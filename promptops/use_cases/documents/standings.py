"""What is live, and what was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from promptops.core.model import ReleaseRef
from promptops.operations.queries import History, Status
from promptops.operations.status import Standing, Target
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.deployments import (
    AppDocument,
    DeploymentDocument,
    HistoryDocument,
    LoadFailureDocument,
    LoggedDocument,
    StandingDocument,
    StatusDocument,
    TargetDocument,
)


def _standing(standing: Standing) -> StandingDocument:
    deployment, target = DeploymentDocument.of(standing.deployment), standing.target
    return StandingDocument(
        **{
            field.name: getattr(deployment, field.name)
            for field in fields(deployment)
            if field.name not in ("app", "channel")
        },
        rollback_to=TargetDocument(
            version=target.release.version, digest=target.release.digest, revision=target.revision, at=target.at
        )
        if target
        else None,
    )


def _status(found: Status) -> StatusDocument:
    apps: dict[str, dict[str, StandingDocument]] = {app: {} for app in found.idle}
    for standing in found.standings:
        apps.setdefault(standing.deployment.app, {})[standing.deployment.channel] = _standing(standing)
    return StatusDocument(
        registry=found.registry,
        apps=tuple(AppDocument(app=app, channels=channels) for app, channels in sorted(apps.items())),
        channels=found.channels,
        pending=found.pending,
        cannot_load=tuple(map(LoadFailureDocument.of, found.cannot_load)),
    )


def _from_status(document: StatusDocument) -> Status:
    return Status(
        registry=document.registry,
        standings=tuple(
            _from_standing(entry.app, channel, standing)
            for entry in document.apps
            for channel, standing in entry.channels.items()
        ),
        idle=tuple(entry.app for entry in document.apps if not entry.channels),
        channels=document.channels,
        pending=document.pending,
        cannot_load=tuple(failure.failure() for failure in document.cannot_load),
    )


def _from_standing(app: str, channel: str, document: StandingDocument) -> Standing:
    same = {field.name: getattr(document, field.name) for field in fields(document) if field.name != "rollback_to"}
    target = document.rollback_to
    return Standing(
        deployment=DeploymentDocument(app=app, channel=channel, **same).deployment(),
        target=Target(
            release=ReleaseRef(version=target.version, digest=target.digest), revision=target.revision, at=target.at
        )
        if target
        else None,
    )


def _history(found: History) -> HistoryDocument:
    return HistoryDocument(
        app=found.app,
        channel=found.channel,
        live=DeploymentDocument.of(found.live) if found.live else None,
        deployments=tuple(
            LoggedDocument.of(entry, flaw=found.flaws.get(entry.stable.digest, "")) for entry in found.deployments
        ),
    )


def _from_history(document: HistoryDocument) -> History:
    return History(
        app=document.app,
        channel=document.channel,
        deployments=tuple(entry.deployment() for entry in document.deployments),
        live=document.live.deployment() if document.live else None,
        flaws={entry.stable.digest: entry.flaw for entry in document.deployments if entry.flaw and entry.stable},
    )


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Status: Form(StatusDocument, _status, _from_status),
    History: Form(HistoryDocument, _history, _from_history),
}
