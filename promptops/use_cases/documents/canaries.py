"""How a canary stands, what one would see, and what a look at it came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from promptops.operations.canary_look import Looked
from promptops.operations.canary_plan import CanaryPlanned
from promptops.operations.canary_status import CanaryFound
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.canaries import CanaryLookDocument, CanaryPlanDocument, CanaryStatusDocument

FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    CanaryFound: Form(
        CanaryStatusDocument, lambda found: found.document, lambda document: CanaryFound(document=document)
    ),
    CanaryPlanned: Form(
        CanaryPlanDocument, lambda found: found.document, lambda document: CanaryPlanned(document=document)
    ),
    Looked: Form(
        CanaryLookDocument,
        lambda looked: CanaryLookDocument(**asdict(looked)),
        lambda document: Looked(**asdict(document)),
    ),
}
