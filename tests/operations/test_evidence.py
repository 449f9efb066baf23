"""Verdicts and results from elsewhere become evidence of a digest, which need not be released yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from promptops.core.errors import EvidenceNotFound, Invalid, KeyReused, NotFound, RunNotFound
from promptops.core.evidence.case_table import Arm, CaseTable
from promptops.core.evidence.evidence import BAD, GOOD, Count, Evidence, labels_of
from promptops.core.evidence.labels import Label, Labels, encode_labels
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.reference import parse_reference
from promptops.core.token import Scope
from promptops.core.verdict import Outcome
from promptops.operations.evidence import (
    AddRequest,
    ImportRequest,
    LabelsRequest,
    add,
    evidence_of,
    flaws,
    import_table,
    record_labels,
    shown,
)
from promptops.store import Registry, check_store
from tests.store.facts import fill
from tests.store.facts import release as a_release
from tests.support.evidence import AT, case, label, row, run, sha
from tests.support.factory import key, make_token

TABLE = CaseTable(cases=(case(0), case(1)), rows=(row(0), row(1, passed=False)))


def added(registry: Registry, reference: str = f"bot@{sha('new')}", **fields: Any) -> Evidence:
    said: dict[str, Any] = {"check": "red-team", "verdict": Outcome.PASS, "note": "report 7", "key": key()}
    return add(registry, AddRequest(reference=parse_reference(reference), **said | fields), actor="ada", now=AT)


def imported(registry: Registry, **fields: Any) -> Evidence:
    said: dict[str, Any] = {
        "reference": parse_reference(f"bot@{sha('new')}"),
        "key": key(),
        "tools": ("promptfoo 0.121",),
    }
    return import_table(registry, ImportRequest(**said | {"table": encode_table(TABLE)} | fields), actor="ada", now=AT)


def test_a_verdict_comes_before_the_release_that_it_names(registry: Registry) -> None:
    verdict = added(registry, expires_at=AT + timedelta(days=30))
    assert (verdict.app, verdict.digest, verdict.check) == ("bot", sha("new"), "red-team")
    assert evidence_of(registry, "bot", digest=sha("new")) == (verdict,)
    assert shown(registry, verdict.id).table == CaseTable(cases=())
    assert check_store(registry) == ()


def test_a_release_is_named_by_its_version_too(registry: Registry) -> None:
    fill(registry, 1)
    verdict = added(registry, "bot@0.1.1")
    assert verdict.digest == added(registry, "bot:prod").digest == a_release(1).digest
    assert verdict in evidence_of(registry, "bot", version="0.1.1")
    for missing in ("bot@0.1.9", "other@1.0.0", "bot:dev"):
        with pytest.raises(NotFound):
            added(registry, missing)


def test_a_verdict_is_recorded_once(registry: Registry) -> None:
    first = added(registry, key="k")
    assert added(registry, key="k") == first
    with pytest.raises(KeyReused):
        added(registry, key="k", verdict=Outcome.FAIL)
    assert len(evidence_of(registry, "bot")) == 1


def test_evidence_says_whose_token_it_came_with(registry: Registry) -> None:
    held = make_token(registry, "red-team", scopes=(Scope.EVIDENCE,), person="ada@example.org").token
    verdict = added(registry, token=held.id)
    assert (verdict.token, verdict.token_name, verdict.person) == (held.id, "red-team", "ada@example.org")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"expires_at": AT}, "expire before"),
        ({"check": "Red Team"}, "not the name of a check"),
        ({"note": "x" * 10_001}, "at most"),
        ({"note": "a\0"}, "NUL"),
    ],
)
def test_a_verdict_that_cannot_be_is_refused(registry: Registry, fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        added(registry, **fields)


def test_results_of_another_tool_have_their_cases(registry: Registry) -> None:
    evidence = imported(registry, counts=(Count(prompt="answer", check="contains", passed=1, failed=1),))
    assert evidence.counts[0] == Count(prompt="answer", passed=1, failed=1)
    assert (len(evidence.counts), evidence.complete, evidence.run) == (2, True, "")
    assert shown(registry, evidence.id).table == TABLE
    assert check_store(registry) == ()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"table": b""}, "damaged"),
        ({"table": encode_table(replace(TABLE, rows=()))}, "have rows"),
        ({"table": encode_table(replace(TABLE, rows=(row(0, Arm.LIVE),)))}, "candidate alone"),
        ({"table": encode_table(TABLE, with_cases=False)}, "neither"),
    ],
)
def test_results_that_cannot_be_are_refused(registry: Registry, fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        imported(registry, **fields)


OPENED = run(7, app="bot")
LABELS = (
    label(9),
    label(0, run=OPENED.id, by="Ada"),
    label(1, run=OPENED.id, by="Ada", good=False, passed=None),
    label(2, run=OPENED.id, by="Ada", good=None, passed=False),
)


def labelled(registry: Registry, *labels: Label, **fields: Any) -> Evidence:
    said: dict[str, Any] = {"app": "bot", "judge": sha("judges"), "key": key(), "hosts": ("api.openai.com",)}
    said["labels"] = encode_labels(Labels(labels=labels)) if labels else b""
    return record_labels(registry, LabelsRequest(**said | fields), actor="ada", now=AT)


def test_labels_are_evidence_of_the_judges(registry: Registry) -> None:
    registry.write(lambda writer: writer.record(OPENED))
    evidence = labelled(registry, *LABELS, key="k")
    assert labelled(registry, *LABELS, key="k") == evidence, "an answer that was lost is given again"
    assert (evidence.digest, evidence.source.value, evidence.run) == (sha("judges"), "labels", "")
    assert evidence.counts == (
        Count(prompt="answer", check=BAD, errors=1),
        Count(prompt="answer", check=GOOD, passed=2),
    )
    assert sorted(labels_of(evidence).labels, key=str) == sorted(LABELS, key=str)
    assert shown(registry, evidence.id).table == CaseTable(cases=()) and flaws(shown(registry, evidence.id)) == ()
    assert check_store(registry) == ()
    other = encode_labels(Labels(labels=LABELS[:2]))
    assert (
        "not the bytes of its digest"
        in flaws(replace(shown(registry, evidence.id), evidence=replace(evidence, table=other)))[0]
    )
    assert flaws(replace(shown(registry, evidence.id), evidence=replace(evidence, counts=())))


def test_labels_of_answers_that_no_run_asked_for_are_refused(registry: Registry) -> None:
    with pytest.raises(RunNotFound):
        labelled(registry, *LABELS)
    registry.write(lambda writer: writer.record(OPENED))
    with pytest.raises(Invalid, match="case-5 of the suite answer is not in the plan"):
        labelled(registry, label(5, run=OPENED.id, by="Ada"))
    with pytest.raises(Invalid, match="not in the plan"):
        labelled(registry, *LABELS, app="other")
    with pytest.raises(Invalid, match="table of labels is damaged"):
        labelled(registry)
    with pytest.raises(Invalid, match="not a table of the schema"):
        labelled(registry, labels=encode_table(TABLE))
    assert evidence_of(registry, "bot") == ()


def test_what_is_not_there_is_named(registry: Registry) -> None:
    with pytest.raises(EvidenceNotFound, match="no evidence nothing"):
        shown(registry, "nothing")
    assert evidence_of(registry, "bot") == ()
