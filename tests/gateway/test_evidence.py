"""Runs and evidence through a server, as with a database: what a runner and other systems send."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from promptops.core.errors import EvidenceNotFound, Invalid, NotAllowed, RequestInvalid, RunClosed, RunNotFound
from promptops.core.evidence.case_table import Arm, CaseTable, RowOutcome
from promptops.core.evidence.evidence import Count
from promptops.core.evidence.run import expected
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.reference import parse_reference
from promptops.core.token import Scope
from promptops.core.verdict import Outcome
from promptops.gateway import Gateway
from promptops.gateway.local import Direct
from promptops.gateway.remote import Remote
from promptops.operations.evidence import AddRequest, ImportRequest
from promptops.operations.runs import CloseRequest, OpenRequest, ReportRequest
from promptops.store import Registry
from promptops.use_cases.evidence import (
    ADD_EVIDENCE,
    EVIDENCE,
    IMPORT_EVIDENCE,
    SHOW_EVIDENCE,
    EvidenceRequest,
    ShowRequest,
)
from promptops.use_cases.runs import CLOSE_RUN, OPEN_RUN, REPORT_ROWS, RUN, RUNS, RunRequest, RunsRequest
from tests.gateway.serving import mint, serving
from tests.support.evidence import row, run, sha
from tests.support.factory import key

NOW = datetime.now(UTC)


@pytest.fixture(params=["database", "server"])
def gateway(request: pytest.FixtureRequest, registry: Registry, registry_url: str) -> Iterator[Gateway]:
    """A registry, at hand or behind a server with a token for evidence alone."""
    if request.param == "database":
        yield Direct(registry, now=NOW)
        return
    secret = mint(registry, "ci", Scope.EVIDENCE).secret
    with ExitStack() as stack:
        url = stack.enter_context(serving(registry_url))
        yield stack.enter_context(Remote.open(url, token=secret))


def test_a_run_goes_from_its_opening_to_its_evidence(gateway: Gateway) -> None:
    planned = run(cases=3, repeats=2)
    state = gateway.run(OPEN_RUN, OpenRequest.of(planned, key=key()), actor="ada")
    assert (state.missing, state.evidence, state.until - state.at) == (12, "", timedelta(days=1))
    rows = [row(place, arm, repeat, passed=place != 1) for place, arm, repeat in expected(planned)]
    rows[0] = replace(rows[0], outcome=RowOutcome.ERROR, score=None, error="timeout", latency_ms=0.5, cost_usd=1e-7)
    report = ReportRequest(run=planned.id, rows=tuple(rows[:7]), key=key())
    assert gateway.run(REPORT_ROWS, report, actor="ada").reported == 7
    again = ReportRequest(run=planned.id, rows=(row(0), *rows[1:]), key=key())
    state = gateway.run(REPORT_ROWS, again, actor="ada")
    assert (state.reported, state.missing, state.standing) == (12, 0, (rows[0],))
    closing = CloseRequest(run=planned.id, key=key(), tools=("promptops 1",), prices="2026-03-01")
    evidence = gateway.run(
        CLOSE_RUN, replace(closing, counts=(Count(prompt="answer", check="json", passed=1),)), actor="ada"
    )
    assert (evidence.complete, evidence.note, len(evidence.counts)) == (True, "", 2)
    shown = gateway.run(SHOW_EVIDENCE, ShowRequest(evidence=evidence.id))
    assert shown.table.rows == tuple(rows)
    assert shown.run is not None and (shown.run.plan, shown.run.suites) == (planned.plan, planned.suites)
    assert gateway.run(RUN, RunRequest(run=planned.id)).evidence == evidence.id
    assert [each.run for each in gateway.run(RUNS, RunsRequest(app=planned.app))] == [planned.id]
    listed = gateway.run(EVIDENCE, EvidenceRequest(app=planned.app, digest=planned.candidate.digest))
    assert [replace(each, table=b"") for each in (shown.evidence,)] == [replace(each, table=b"") for each in listed]


def test_verdicts_and_results_come_from_elsewhere(gateway: Gateway) -> None:
    reference = parse_reference(f"bot@{sha('new')}")
    end = NOW.replace(microsecond=0) + timedelta(days=9)
    verdict = AddRequest(
        reference=reference, check="red-team", verdict=Outcome.FAIL, note="jailbreak 7", key=key(), expires_at=end
    )
    added = gateway.run(ADD_EVIDENCE, verdict, actor="ada")
    assert (added.check, added.verdict, added.expires_at, added.digest) == ("red-team", Outcome.FAIL, end, sha("new"))
    table = CaseTable(cases=run().cases, rows=(row(0), row(1, passed=False)))
    found = gateway.run(
        IMPORT_EVIDENCE, ImportRequest(reference=reference, table=encode_table(table), key=key()), actor="ada"
    )
    assert gateway.run(SHOW_EVIDENCE, ShowRequest(evidence=found.id)).table == table
    assert {each.id for each in gateway.run(EVIDENCE, EvidenceRequest(app="bot"))} == {added.id, found.id}


def test_errors_are_the_same_on_both_ways(gateway: Gateway) -> None:
    planned = run()
    with pytest.raises(RunNotFound):
        gateway.run(REPORT_ROWS, ReportRequest(run=planned.id, rows=(row(0),), key=key()), actor="ada")
    with pytest.raises(RunNotFound):
        gateway.run(RUN, RunRequest(run=planned.id))
    with pytest.raises(EvidenceNotFound):
        gateway.run(SHOW_EVIDENCE, ShowRequest(evidence="0" * 32))
    with pytest.raises((Invalid, RequestInvalid), match="damaged"):
        gateway.run(OPEN_RUN, replace(OpenRequest.of(planned, key=key()), plan=b"no plan"), actor="ada")
    gateway.run(OPEN_RUN, OpenRequest.of(planned, key=key()), actor="ada")
    with pytest.raises((Invalid, RequestInvalid), match="not in the plan"):
        gateway.run(REPORT_ROWS, ReportRequest(run=planned.id, rows=(row(0, Arm.ANCHOR),), key=key()), actor="ada")
    with pytest.raises((Invalid, RequestInvalid), match="are missing"):
        gateway.run(CLOSE_RUN, CloseRequest(run=planned.id, key=key()), actor="ada")


def test_a_token_sees_evidence_of_its_own_apps_alone(registry: Registry, registry_url: str) -> None:
    mine, other = mint(registry, "mine", Scope.EVIDENCE), mint(registry, "other", Scope.EVIDENCE, apps=("x-*",))
    reader, planned = mint(registry, "reader", Scope.READ), run()
    with ExitStack() as stack:
        url = stack.enter_context(serving(registry_url))
        own, far, near = (stack.enter_context(Remote.open(url, token=held.secret)) for held in (mine, other, reader))
        own.run(OPEN_RUN, OpenRequest.of(planned, key=key()), actor="ada")
        evidence = own.run(CLOSE_RUN, CloseRequest(run=planned.id, key=key(), note="no credit"), actor="ada")
        assert near.run(SHOW_EVIDENCE, ShowRequest(evidence=evidence.id)).evidence.token_name == "mine"
        with pytest.raises(EvidenceNotFound):
            far.run(SHOW_EVIDENCE, ShowRequest(evidence=evidence.id))
        with pytest.raises(RunNotFound):
            far.run(RUN, RunRequest(run=planned.id))
        for stranger in (far, near):
            with pytest.raises(NotAllowed):
                stranger.run(REPORT_ROWS, ReportRequest(run=planned.id, rows=(row(0),), key=key()), actor="ada")
        with pytest.raises((NotAllowed, RunClosed)):
            near.run(OPEN_RUN, OpenRequest.of(run(2), key=key()), actor="ada")
