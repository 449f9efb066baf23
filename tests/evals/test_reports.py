"""What a run adds up to: by prompt and tag, between two releases, and whether it fulfils what was required."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Arm, RowOutcome
from promptops.core.suite.suite import Case, SuiteKind
from promptops.evals.grading import Graded
from promptops.evals.plan import Plan
from promptops.evals.reports.html import html
from promptops.evals.reports.junit import junit
from promptops.evals.reports.report import Report, as_json, fulfils, make_report, read_report
from promptops.evals.response import Response
from promptops.evals.runner import Finished, GradedRow
from tests.evals.running import planned, prompt, side, suite

P, F, E = RowOutcome.PASSED, RowOutcome.FAILED, RowOutcome.ERROR


def row(case: int, outcome: RowOutcome, *, arm: Arm = Arm.CANDIDATE, repeat: int = 1, text: str = "") -> GradedRow:
    score = {P: 1.0, F: 0.0, E: None}[outcome]
    graded = Graded(outcome=outcome, score=score, error="timeout" if outcome is E else "")
    return GradedRow(
        case=case, arm=arm, repeat=repeat, graded=graded, response=Response(text=text, latency_ms=100.0 * (case + 1))
    )


def report(plan: Plan, rows: Sequence[GradedRow]) -> Report:
    return make_report(
        plan,
        Finished(rows=tuple(rows)),
        run="0" * 32,
        started_at="2026-11-29T10:00:00Z",
        source="run",
        local=True,
        cost_usd=0.0,
        unpriced=0,
        prices="",
    )


def two_arms() -> Plan:
    cases = [Case(variables={"question": str(n)}, given_id=str(n), tags=("odd",) if n % 2 else ()) for n in range(4)]
    return planned(side(prompt()), side(prompt("P: {{question}}"), arm=Arm.LIVE), suites=[suite(cases=cases)])


def test_groups_leave_errors_out_of_scores_and_count_them() -> None:
    made = report(two_arms(), [row(0, P), row(1, F), row(2, E), row(3, P)])
    whole, odd = made.groups
    assert (whole.rows, whole.passed, whole.failed, whole.errors) == (4, 2, 1, 1)
    assert whole.score == pytest.approx(2 / 3), "of three answers"
    assert (odd.tag, odd.rows, odd.passed) == ("odd", 2, 1)
    assert whole.p50_ms == 250.0 and whole.cost_usd is None
    assert made.missing == 4, "nothing of live was answered"


def test_a_comparison_takes_cases_that_both_answered() -> None:
    mine = [row(0, F), row(1, P), row(2, E), row(3, P)]
    theirs = [row(n, outcome, arm=Arm.LIVE) for n, outcome in enumerate((P, F, P, P))]
    [found] = report(two_arms(), [*mine, *theirs]).comparisons
    assert (found.compared, found.lost, found.gained, found.unchanged) == (3, 1, 1, 0)


@pytest.mark.parametrize(
    ("kind", "outcomes", "holds", "strict"),
    [
        (SuiteKind.REQUIRED, (P, P, P), True, True),
        (SuiteKind.REQUIRED, (P, F, P), True, False),
        (SuiteKind.REQUIRED, (P, F, F), False, False),
        (SuiteKind.REQUIRED, (P, E, E), False, False),
        (SuiteKind.SAMPLE, (F, F, F), True, False),
        (SuiteKind.SAMPLE, (), False, False),
    ],
)
def test_required_cases_pass_in_more_than_half_of_their_repeats(
    kind: SuiteKind, outcomes: tuple[RowOutcome, ...], holds: bool, strict: bool
) -> None:
    plan = planned(side(prompt()), suites=[replace(suite("cat", repeats=3), kind=kind)])
    made = report(plan, [row(0, outcome, repeat=number) for number, outcome in enumerate(outcomes, 1)])
    assert (fulfils(made, strict=False), fulfils(made, strict=True)) == (holds, strict)


def test_a_report_is_read_back_as_it_was_written_and_no_other_is() -> None:
    made = report(two_arms(), [row(0, P, text="ü\ud800"), row(1, F)])
    assert read_report(json.loads(json.dumps(as_json(made, texts=True)))) == made
    assert "answer" not in as_json(made, texts=False)["rows"][0]
    for broken in ({}, {"rows": [1]}, {**as_json(made, texts=True), "later": 1}):
        with pytest.raises(Invalid):
            read_report(broken)


def test_hostile_answers_stay_text_in_files() -> None:
    hostile = "\x1b[2J</pre><script>alert(1)</script>]]>&{{ 1/0 }}{% raw %}\ufffe"
    plan = planned(side(prompt()), suites=[suite(cases=[Case(variables={"question": hostile}, given_id=hostile)])])
    made = report(plan, [row(0, F, text=f"\0\ud800{hostile}")])
    page = html(made).decode()
    assert "<script" not in page and page.count("</pre>") == page.count("<pre>")
    root = Xml.fromstring(junit(made))
    assert root.find(".//failure") is not None


def test_a_case_without_an_answer_is_skipped_in_junit(tmp_path: Path) -> None:
    plan = planned(side(prompt()), suites=[suite("cat", "dog", "cow")])
    root = Xml.fromstring(junit(report(plan, [row(0, P), row(1, E)])))
    assert [[child.tag for child in case] for case in root.iter("testcase")] == [[], ["error"], ["skipped"]]
    assert root[0].attrib == {"name": "answer", "tests": "3", "failures": "0", "errors": "1", "skipped": "1"}
