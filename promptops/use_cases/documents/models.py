"""The models of what is live."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from promptops.operations.model_outlook import LiveModel, Outlook
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.models import LiveModelDocument, OutlookDocument


def _document(model: LiveModel) -> LiveModelDocument:
    return LiveModelDocument(**{**asdict(model), "ends": model.ends.isoformat() if model.ends else None})


def _model(document: LiveModelDocument) -> LiveModel:
    return LiveModel(**{**asdict(document), "ends": date.fromisoformat(document.ends) if document.ends else None})


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Outlook: Form(
        OutlookDocument,
        lambda outlook: OutlookDocument(today=outlook.today.isoformat(), models=tuple(map(_document, outlook.models))),
        lambda document: Outlook(today=date.fromisoformat(document.today), models=tuple(map(_model, document.models))),
    ),
}
