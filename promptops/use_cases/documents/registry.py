"""Which registry it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.operations.names import Identity
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.registry import IdentityDocument


def _identity(identity: Identity) -> IdentityDocument:
    return IdentityDocument(registry=identity.registry, lineage=identity.lineage, epoch=identity.epoch)


def _from_identity(document: IdentityDocument) -> Identity:
    return Identity(registry=document.registry, lineage=document.lineage, epoch=document.epoch)


FORMS: Final[Mapping[type, Form[Any, Any]]] = {Identity: Form(IdentityDocument, _identity, _from_identity)}
