"""What a promotion, a rollback or a quarantine answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.model import Quarantine
from promptops.operations.deploy import Deployed
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.contracts import ContractChangeDocument
from promptops.wire.documents.deployments import (
    ChangedDocument,
    DeployedDocument,
    DeploymentDocument,
    LowTrafficDocument,
    NotFollowingDocument,
    QuarantineDocument,
)
from promptops.wire.documents.releases import MeasuredTokensDocument


def _deployed(done: Deployed) -> DeployedDocument:
    changed = tuple(ChangedDocument.of(deployment, changed=True) for deployment in done.deployments)
    unchanged = tuple(ChangedDocument.of(deployment, changed=False) for deployment in done.unchanged)
    return DeployedDocument(
        deployments=(*changed, *unchanged),
        served=tuple(map(DeploymentDocument.of, done.served)),
        dry_run=done.dry_run,
        replayed=done.replayed,
        key=done.key,
        not_following=tuple(map(NotFollowingDocument.of, done.not_following)),
        warned=done.warned,
        measured=tuple(map(MeasuredTokensDocument.of, done.measured)),
        low_traffic=tuple(map(LowTrafficDocument.of, done.low_traffic)),
        ending=done.ending,
        contract=tuple(map(ContractChangeDocument.of, done.contract)),
        kept_out=tuple(map(QuarantineDocument.of, done.kept_out)),
    )


def _from_deployed(document: DeployedDocument) -> Deployed:
    return Deployed(
        deployments=tuple(entry.deployment() for entry in document.deployments if entry.changed),
        unchanged=tuple(entry.deployment() for entry in document.deployments if not entry.changed),
        served=tuple(entry.deployment() for entry in document.served),
        dry_run=document.dry_run,
        replayed=document.replayed,
        key=document.key,
        not_following=tuple(client.not_following() for client in document.not_following),
        warned=document.warned,
        measured=tuple(each.tokens() for each in document.measured),
        low_traffic=tuple(each.low_traffic() for each in document.low_traffic),
        ending=document.ending,
        contract=tuple(each.contract() for each in document.contract),
        kept_out=tuple(each.quarantine() for each in document.kept_out),
    )


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Deployed: Form(DeployedDocument, _deployed, _from_deployed),
    Quarantine: Form(QuarantineDocument, QuarantineDocument.of, QuarantineDocument.quarantine),
}
