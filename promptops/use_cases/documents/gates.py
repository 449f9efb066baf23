"""What a gate says of a release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from promptops.core.advice import advice_in
from promptops.core.evidence.four_eyes import Counted, Discounted
from promptops.core.gate.verdict import CheckVerdict, GateVerdict
from promptops.core.person import mailbox
from promptops.core.verdict import Outcome
from promptops.operations.gate import GateReport
from promptops.use_cases.documents.form import Form
from promptops.wire.documents.approvals import ApprovalDocument
from promptops.wire.documents.gates import GateCheckDocument, GateDocument, JudgedApprovalDocument
from promptops.wire.problem import advice_to_json, read_hint

_SAME: Final = tuple(
    field.name for field in fields(GateCheckDocument) if field.name not in ("outcome", "hint", "advice")
)
_PLACE: Final = ("app", "channel", "version", "digest", "policy_version", "position", "live")


def _check(check: CheckVerdict) -> GateCheckDocument:
    same = {name: getattr(check, name) for name in _SAME}
    advice = tuple(map(advice_to_json, advice_in(check.hint)))
    return GateCheckDocument(outcome=check.outcome.value, hint=str(check.hint), advice=advice, **same)


def _from_check(document: GateCheckDocument) -> CheckVerdict:
    same = {name: getattr(document, name) for name in _SAME}
    hint = read_hint(document.hint, list(document.advice))
    return CheckVerdict(outcome=Outcome(document.outcome), hint=hint, **same)


def _report(found: GateReport) -> GateDocument:
    verdict = found.verdict
    counted = [
        JudgedApprovalDocument(approval=ApprovalDocument.of(each.approval), counts=True, proven=each.proven, reason="")
        for each in found.counted
    ]
    discounted = [
        JudgedApprovalDocument(
            approval=ApprovalDocument.of(each.approval), counts=False, proven=False, reason=each.reason
        )
        for each in found.discounted
    ]
    return GateDocument(
        **{name: getattr(found, name) for name in _PLACE},
        opens=found.opens,
        outcome=verdict.outcome.value if verdict is not None else None,
        warns=verdict is not None and verdict.warns,
        checks=tuple(map(_check, verdict.checks)) if verdict is not None else (),
        approvals=(*counted, *discounted),
    )


def _from_report(document: GateDocument) -> GateReport:
    verdict = None
    if document.outcome is not None:
        checks = tuple(map(_from_check, document.checks))
        verdict = GateVerdict(outcome=Outcome(document.outcome), checks=checks, warns=document.warns)
    judged = [(each, each.approval.approval()) for each in document.approvals]
    return GateReport(
        **{name: getattr(document, name) for name in _PLACE},
        verdict=verdict,
        counted=tuple(
            Counted(approval=approval, proven=each.proven, person=mailbox(approval.person))
            for each, approval in judged
            if each.counts
        ),
        discounted=tuple(
            Discounted(approval=approval, reason=each.reason) for each, approval in judged if not each.counts
        ),
    )


FORMS: Final[Mapping[type, Form[Any, Any]]] = {GateReport: Form(GateDocument, _report, _from_report)}
