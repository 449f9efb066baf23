"""`promptops evidence`: what a person sees of runs and verdicts."""

from __future__ import annotations

from contextlib import closing

import pytest

from promptops.core.evidence.case_table import Arm
from promptops.core.evidence.run import expected
from promptops.operations.runs import CloseRequest, OpenRequest, ReportRequest, close, open_run, report
from promptops.store import Registry
from tests.cli.conftest import Promptops
from tests.gateway.serving import rows as rows_of
from tests.store.vandal import vandalise
from tests.support.evidence import AT, row, run, sha
from tests.support.factory import key

PLANNED = run(cases=3)


@pytest.fixture
def reported(registry_url: str, promptops: Promptops, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a registry with a closed run, in which one case failed, and one that is open."""
    monkeypatch.setenv("PROMPTOPS_REGISTRY", registry_url)
    rows = [
        row(place, arm, repeat, passed=(place, arm) != (1, Arm.CANDIDATE), fingerprint=f"fp-{min(place, 1)}")
        for place, arm, repeat in expected(PLANNED)
    ]
    with closing(Registry.open(registry_url)) as registry:
        for planned in (PLANNED, run(2, cases=2)):
            open_run(registry, OpenRequest.of(planned, key=key()), actor="ada", now=AT)
        report(registry, ReportRequest(run=PLANNED.id, rows=tuple(rows), key=key()), now=AT)
        close(registry, CloseRequest(run=PLANNED.id, key=key(), tools=("promptops 1",)), actor="ada", now=AT)
    return registry_url


def test_evidence_and_open_runs_are_listed(reported: str, promptops: Promptops) -> None:
    shown = promptops("evidence", "list", "support-bot").out
    assert f"{PLANNED.id}.1" in shown and "2 passed, 1 failed" in shown
    assert "open, 4 of 4 rows are missing" in shown
    found = promptops("evidence", "list", f"support-bot@{sha('new')}", "--json")
    assert [each["id"] for each in rows_of(found, "evidence")] == [f"{PLANNED.id}.1"]
    assert len(rows_of(found, "runs")) == 2
    assert "There is no evidence for other" in promptops("evidence", "list", "other").out


def test_one_is_shown_with_the_cases_that_failed_and_verified(reported: str, promptops: Promptops) -> None:
    shown = promptops("evidence", "show", f"{PLANNED.id}.1").out
    assert "case-1" in shown and "case-0" not in shown and "promptops 1" in shown
    assert "fp-1 (4 answers), fp-0 (2 answers)" in shown
    assert promptops("evidence", "show", f"{PLANNED.id}.1", "--json").json["table"]
    assert "3 cases, 6 rows" in promptops("evidence", "verify", f"{PLANNED.id}.1").out
    assert promptops("evidence", "verify", f"{PLANNED.id}.1", "--json").json["ok"] is True
    assert promptops("evidence", "show", "../x", "--json", exits=3).error["code"] == "evidence-not-found"


def test_a_run_is_closed_before_its_end_with_a_reason(reported: str, promptops: Promptops) -> None:
    error = promptops("evidence", "close", run(2).id, "--json", exits=2).error
    assert "4 of the 4 rows" in str(error["message"])
    made = promptops("evidence", "close", run(2).id, "--reason", "no credit left", "--json").json
    assert (made["complete"], made["note"], made["number"]) == (False, "no credit left", 1)
    shown = promptops("evidence", "list", "support-bot").out
    assert "0 passed, not complete" in shown and "are missing" not in shown
    assert promptops("evidence", "close", "nothing", "--json", exits=3).error["code"] == "run-not-found"


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_table_that_was_changed_is_named(reported: str, promptops: Promptops) -> None:
    vandalise(reported, "UPDATE evidence SET case_table = x'00'")
    error = promptops("evidence", "verify", f"{PLANNED.id}.1", "--json", exits=6).error
    assert "not the bytes of its digest" in str(error["message"])


def test_a_verdict_is_added(reported: str, promptops: Promptops) -> None:
    said = ["--check", "red-team", "--verdict", "pass", "--for", f"bot@{sha('x')}", "--expires", "30d"]
    made = promptops("evidence", "add", *said, "--note", "report 7", "--json").json
    assert (made["check"], made["verdict"], made["source"]) == ("red-team", "pass", "external")
    shown = promptops("evidence", "show", str(made["id"])).out
    assert "red-team: pass" in shown and "report 7" in shown
    assert promptops("evidence", "add", *said[:-1], "soon", "--json", exits=2).error["kind"] == "Invalid"
    assert "Recorded" in promptops("evidence", "add", *said[:-1], "never").out
