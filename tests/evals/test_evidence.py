"""What of a run goes to the registry: its plan before the first call, and rows without texts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Arm, CaseTable
from promptops.core.evidence.run import Run, Source, expected
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.suite.suite import Case
from promptops.evals.evidence import row_of, run_of
from promptops.evals.plan import Plan, Selection
from tests.evals.running import planned, prompt, ran, side, suite
from tests.support.model_server import model_server

AT = datetime(2026, 11, 29, tzinfo=UTC)
LONG = "Where is the parcel that I sent to my mother on Monday morning at nine from the shop in Hill Street"


def opened(plan: Plan, *, id: str = "0" * 32) -> Run:
    """The run of a plan."""
    return run_of(plan, id=id, source=Source.RUN, hosts=("127.0.0.1",), actor="Ada", at=AT)


def test_the_plan_is_fixed_before_and_the_rows_are_those_that_it_expects(tmp_path: Path) -> None:
    plan = planned(
        side(prompt()), side(prompt("P: {{question}}"), arm=Arm.LIVE), suites=[suite("cat", "dog", repeats=2)]
    )
    run = opened(plan)
    with model_server() as server:
        finished = ran(plan, tmp_path, server)
    rows = [row for each in finished.rows if (row := row_of(each, plan))]
    assert sorted(row.place for row in rows) == sorted(expected(run))
    table = encode_table(CaseTable(cases=run.cases, rows=tuple(rows)))
    assert b"echo" not in table and run.flaw == ""
    assert run.release(Arm.LIVE) != run.candidate


def test_an_unchanged_case_has_one_row_and_is_marked(tmp_path: Path) -> None:
    plan = planned(side(prompt()), side(prompt(), arm=Arm.LIVE), suites=[suite("cat")])
    run = opened(plan)
    with model_server() as server:
        finished = ran(plan, tmp_path, server)
    rows = [row for each in finished.rows if (row := row_of(each, plan))]
    assert [row.place for row in rows] == [(0, Arm.CANDIDATE, 1)] == list(expected(run))
    assert [case.unchanged for case in run.cases] == [True]
    assert rows[0].latency_ms is not None, "the candidate's row is the one that was measured"


def test_cases_that_are_alike_are_one_cluster_and_a_given_one_stays() -> None:
    cases = [
        Case(variables={"question": f"{LONG} one?"}, given_id="a"),
        Case(variables={"question": f"{LONG} two?"}, given_id="b"),
        Case(variables={"question": "Something else."}, given_id="c", cluster="mine"),
    ]
    run = opened(planned(side(prompt()), suites=[suite(cases=cases)]))
    assert [case.cluster for case in run.cases] == ["~1", "~1", "mine"]


def test_a_blank_is_no_new_case_and_no_new_content() -> None:
    one = opened(planned(side(prompt("Q: {{question}}")), suites=[suite("cat")]))
    other = opened(planned(side(prompt("Q:  {{question}} ")), suites=[suite("cat ")]))
    assert one.candidate.prompts == other.candidate.prompts
    assert [case.key for case in one.cases] == [case.key for case in other.cases]
    assert one.candidate.digest != other.candidate.digest


def test_a_partial_plan_says_so() -> None:
    plan = planned(side(prompt()), suites=[suite("cat", "dog")], selection=Selection(limit=1))
    assert plan.selection.is_partial
    with pytest.raises(Invalid):
        opened(plan, id="no id")
