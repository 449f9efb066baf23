"""Evidence, and how far a run is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from promptops.core.evidence.evidence import Evidence
from promptops.core.evidence.run import Purpose, Source
from promptops.operations.evidence import EvidenceShown
from promptops.operations.measured import Measured, MeasuredCase, SpreadCases
from promptops.operations.runs import RunState
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.evidence import (
    EvidenceDocument,
    RunDocument,
    RunRowDocument,
    RunStateDocument,
    ShownEvidenceDocument,
    as_base64,
    from_base64,
)
from promptops.wire.documents.measured import MeasuredCaseDocument, MeasuredDocument, SpreadCasesDocument


def _state(state: RunState) -> RunStateDocument:
    values = {each.name: getattr(state, each.name) for each in fields(state)}
    values |= {"purpose": state.purpose.value, "source": state.source.value}
    return RunStateDocument(**values | {"standing": tuple(map(RunRowDocument.of, state.standing))})


def _from_state(document: RunStateDocument) -> RunState:
    values = {each.name: getattr(document, each.name) for each in fields(document)}
    values |= {"purpose": Purpose(document.purpose), "source": Source(document.source)}
    return RunState(**values | {"standing": tuple(each.row() for each in document.standing)})


def _shown(shown: EvidenceShown) -> ShownEvidenceDocument:
    return ShownEvidenceDocument(
        evidence=EvidenceDocument.of(shown.evidence),
        table=as_base64(shown.evidence.table),
        run=RunDocument.of(shown.run) if shown.run else None,
    )


def _from_shown(document: ShownEvidenceDocument) -> EvidenceShown:
    return EvidenceShown(
        evidence=document.evidence.evidence(from_base64(document.table)),
        run=document.run.run() if document.run else None,
    )


def _measured(found: Measured) -> MeasuredDocument:
    cases = tuple(
        MeasuredCaseDocument(**{each.name: getattr(case, each.name) for each in fields(case)}) for case in found.cases
    )
    spread = tuple(
        SpreadCasesDocument(**{each.name: getattr(one, each.name) for each in fields(one)}) for one in found.spread
    )
    return MeasuredDocument(
        app=found.app, channel=found.channel, digest=found.digest, cases=cases, spread=spread
    )  # fmt: skip


def _from_measured(document: MeasuredDocument) -> Measured:
    cases = tuple(
        MeasuredCase(**{each.name: getattr(case, each.name) for each in fields(case)}) for case in document.cases
    )
    spread = tuple(
        SpreadCases(**{each.name: getattr(one, each.name) for each in fields(one)}) for one in document.spread
    )
    return Measured(
        app=document.app, channel=document.channel, digest=document.digest, cases=cases, spread=spread
    )  # fmt: skip


FORMS: Final[Mapping[type, Form[Any, Any]]] = {
    Evidence: Form(EvidenceDocument, EvidenceDocument.of, EvidenceDocument.evidence),
    RunState: Form(RunStateDocument, _state, _from_state),
    Measured: Form(MeasuredDocument, _measured, _from_measured),
    EvidenceShown: Form(ShownEvidenceDocument, _shown, _from_shown),
}
