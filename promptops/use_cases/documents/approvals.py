"""What people said of a release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.operations.approve import Approved
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.approvals import ApprovalDocument, ApprovedDocument


def _approved(done: Approved) -> ApprovedDocument:
    approvals = tuple(map(ApprovalDocument.of, done.approvals))
    return ApprovedDocument(approvals=approvals, withdrawn=done.withdrawn, changed=done.changed)


def _from_approved(document: ApprovedDocument) -> Approved:
    approvals = tuple(approval.approval() for approval in document.approvals)
    return Approved(approvals=approvals, withdrawn=document.withdrawn, changed=document.changed)


FORMS: Final[Mapping[type, Form[Any, Any]]] = {Approved: Form(ApprovedDocument, _approved, _from_approved)}
