"""What was captured of calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from promptops.operations.captured_calls import Captured, CapturedCase
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.captured_calls import CapturedCaseDocument, CapturedDocument

_OF_A_CASE: Final = tuple(field.name for field in fields(CapturedCaseDocument))
_SAME: Final = tuple(field.name for field in fields(CapturedDocument) if field.name != "cases")


def _captured(found: Captured) -> CapturedDocument:
    cases = tuple(CapturedCaseDocument(**_parts(case, _OF_A_CASE)) for case in found.cases)
    return CapturedDocument(**_parts(found, _SAME), cases=cases)


def _from_captured(document: CapturedDocument) -> Captured:
    cases = tuple(CapturedCase(**_parts(case, _OF_A_CASE)) for case in document.cases)
    return Captured(**_parts(document, _SAME), cases=cases)


def _parts(value: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


FORMS: Final[Mapping[type, Form[Any, Any]]] = {Captured: Form(CapturedDocument, _captured, _from_captured)}
