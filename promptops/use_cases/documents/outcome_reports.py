"""What calls of an app did and cost: the operation works out the document itself, since nothing else reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from promptops.operations.outcome_report import CostFound, OutcomesFound
from promptops.operations.why import WhyFound
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.outcome_reports import CostDocument, OutcomesDocument
from promptops.wire.documents.why import WhyDocument

FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    OutcomesFound: Form(
        OutcomesDocument, lambda found: found.document, lambda document: OutcomesFound(document=document)
    ),
    WhyFound: Form(WhyDocument, lambda found: found.document, lambda document: WhyFound(document=document)),
    CostFound: Form(CostDocument, lambda found: found.document, lambda document: CostFound(document=document)),
}
