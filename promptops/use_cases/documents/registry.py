"""Which registry it is, and to whom its apps belong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.origin import Ownership
from promptops.core.signing import fingerprint, public_line
from promptops.operations.journal_key import JournalKey
from promptops.operations.names import Identity
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.registry import IdentityDocument, JournalKeyDocument, OriginDocument, OwnershipDocument


def _identity(identity: Identity) -> IdentityDocument:
    return IdentityDocument(registry=identity.registry, lineage=identity.lineage, epoch=identity.epoch)


def _from_identity(document: IdentityDocument) -> Identity:
    return Identity(registry=document.registry, lineage=document.lineage, epoch=document.epoch)


def _ownership(ownership: Ownership) -> OwnershipDocument:
    before = ownership.before
    return OwnershipDocument(
        app=ownership.app,
        changed=ownership.changed,
        origin=OriginDocument.of(ownership.origin),
        before=OriginDocument.of(before) if before else None,
    )


def _from_ownership(document: OwnershipDocument) -> Ownership:
    before = document.before
    return Ownership(app=document.app, origin=document.origin.origin(), before=before.origin() if before else None)


def _journal_key(state: JournalKey) -> JournalKeyDocument:
    return JournalKeyDocument(
        lineage=state.lineage,
        mode=state.mode,
        number=state.number,
        key=state.key,
        fingerprint=fingerprint(state.key) if state.key else "",
        actor=state.actor,
        at=state.at,
        reason=state.reason,
        before=state.before,
        changed=state.changed,
    )


def _from_journal_key(document: JournalKeyDocument) -> JournalKey:
    return JournalKey(
        lineage=document.lineage,
        number=document.number,
        key=public_line(document.key) if document.key else "",
        required=document.mode == "required",
        actor=document.actor,
        at=document.at,
        reason=document.reason,
        before=document.before,
        changed=document.changed,
    )


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Identity: Form(IdentityDocument, _identity, _from_identity),
    JournalKey: Form(JournalKeyDocument, _journal_key, _from_journal_key),
    Ownership: Form(OwnershipDocument, _ownership, _from_ownership),
}
