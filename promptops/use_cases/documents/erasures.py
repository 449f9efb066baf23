"""What an erasure answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.core.outcomes.erasure import Erasure
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.erasures import ErasureDocument

FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Erasure: Form(ErasureDocument, ErasureDocument.of, ErasureDocument.erasure)
}
