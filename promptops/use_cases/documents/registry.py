"""Which registry it is, and to whom its apps belong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.origin import Ownership
from promptops.operations.names import Identity
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.registry import IdentityDocument, OriginDocument, OwnershipDocument


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


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Identity: Form(IdentityDocument, _identity, _from_identity),
    Ownership: Form(OwnershipDocument, _ownership, _from_ownership),
}
