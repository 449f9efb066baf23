"""Lines of the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.model import AuditEntry
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.audit import AuditEntryDocument

FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    AuditEntry: Form(AuditEntryDocument, AuditEntryDocument.of, AuditEntryDocument.entry),
}
