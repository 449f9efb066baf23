"""Runs: which rows they plan, and what of them is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Arm, CaseTable
from promptops.core.evidence.evidence import Evidence, counted, missing, newest_of_each_run, table_of
from promptops.core.evidence.run import ArmRelease, Run, Source, are_digests, expected, is_digest, planned
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.json_codec import from_json, to_json
from promptops.core.verdict import Outcome
from tests.support.evidence import AT, arm, case, evidence_of, row, run, sha

C, L = Arm.CANDIDATE, Arm.LIVE


def test_a_run_plans_every_case_in_every_arm_that_has_its_prompt() -> None:
    opened = run(cases=[case(1), case(2, unchanged=True), case(3, prompt="new")], repeats=2)
    new = replace(
        opened.candidate, prompts=(*opened.candidate.prompts, replace(opened.candidate.prompts[0], prompt="new"))
    )
    opened = replace(opened, arms=(new, opened.arms[1]))
    assert list(expected(opened)) == [
        *((0, C, repeat) for repeat in (1, 2)),
        *((0, L, repeat) for repeat in (1, 2)),
        *((1, C, repeat) for repeat in (1, 2)),
        *((2, C, repeat) for repeat in (1, 2)),
    ]


def test_what_was_not_reported_is_missing() -> None:
    opened = run(cases=2)
    table = CaseTable(cases=opened.cases, rows=(row(0), row(0, L), row(1, passed=False)))
    assert missing(opened, table) == 1
    assert missing(opened, table.with_rows([*table.rows, row(1, L)])) == 0
    assert [(each.passed, each.failed) for each in counted(table)] == [(1, 1)]


def test_evidence_of_a_run_has_its_cases_from_the_plan() -> None:
    opened = run(cases=2)
    evidence = evidence_of(opened, row(1))
    assert table_of(evidence, opened).cases == opened.cases
    with pytest.raises(Invalid, match="not of this run"):
        table_of(evidence, run(2))
    with pytest.raises(Invalid, match="not the bytes of its digest"):
        table_of(replace(evidence, table=evidence.table + b" "), opened)


def test_the_newest_closing_of_a_run_counts() -> None:
    opened, other = run(), run(2)
    first, second = evidence_of(opened, number=1, complete=False), evidence_of(opened, row(0), number=2)
    assert newest_of_each_run([first, second, evidence_of(other)]) == (second, evidence_of(other))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"id": "1"}, "not the id of a run"),
        ({"arms": (arm(L, "old"),)}, "one candidate"),
        ({"arms": (arm(C, "new"), arm(C, "old"))}, "one candidate"),
        ({"arms": (ArmRelease(arm=C, digest="sha256:1"),)}, "digest of the run"),
        ({"suites": ()}, "1 to 2000 suites"),
        ({"suites": run().suites * 2}, "each suite once"),
        ({"hosts": ("a",) * 51}, "50 hosts"),
    ],
)
def test_a_run_that_cannot_be_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        replace(run(), **fields)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (CaseTable(cases=()), "planned with cases"),
        (CaseTable(cases=(case(1),), rows=(row(0),)), "no row before"),
        (CaseTable(cases=(case(1, suite="other"),)), "not of the run"),
        (CaseTable(cases=(case(1, prompt="other"),)), "not of the run"),
        (CaseTable(cases=tuple(map(case, range(101)))), "more than 200,000 rows"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(table: CaseTable, problem: str) -> None:
    opened = run(repeats=1000)
    with pytest.raises(Invalid, match=problem):
        planned(opened.suites, opened.arms, encode_table(table))


def test_runs_and_evidence_go_through_json_without_their_bytes() -> None:
    opened = run()
    written = from_json(Run, to_json(opened, without=("plan",)), "run", without=("plan",))
    assert replace(written, plan=opened.plan) == opened
    evidence = evidence_of(opened, row(0))
    read = from_json(Evidence, to_json(evidence, without=("table",)), "evidence", without=("table",))
    assert replace(read, table=evidence.table) == evidence


EXTERNAL: dict[str, Any] = {
    "id": "e1", "app": "bot", "digest": sha("new"), "source": Source.EXTERNAL, "actor": "ada", "at": AT,
    "check": "red-team", "verdict": Outcome.PASS,
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"verdict": None}, "name of its check"),
        ({"check": ""}, "name of its check"),
        ({"check": "Red Team"}, "not the name of a check"),
        ({"digest": "1.2.0"}, "not the digest of a release"),
        ({"table_digest": sha("table")}, "no cases"),
        ({"run": run().id}, "names it"),
        ({"source": Source.IMPORT}, "name of its check"),
    ],
)
def test_evidence_that_cannot_be_is_refused(fields: dict[str, Any], problem: str) -> None:
    assert not Evidence(**EXTERNAL).flaw
    with pytest.raises(Invalid, match=problem):
        Evidence(**EXTERNAL | fields)


@pytest.mark.parametrize(
    ("texts", "all_are"),
    [
        ([], True),
        ([sha("a"), sha("b")], True),
        ([sha("a"), sha("b").upper()], False),
        ([sha("a"), "sha256:" + "g" * 64], False),
        ([sha("a"), "sha256:" + "s" * 64], False),
        ([sha("a"), sha("b")[:-1]], False),
        ([sha("a")[:-1], sha("b") + "0"], False),  # together as long as two
        ([sha("a"), "sha512:" + "0" * 64], False),
        (["sha256:" + "٠" * 64], False),
        ([sha("a"), "sha256:" + "0" * 63 + "\n"], False),
    ],
)
def test_a_text_that_is_no_digest_is_found_among_others(texts: list[str], all_are: bool) -> None:
    assert are_digests(texts) is all_are
    assert all(map(is_digest, texts)) is all_are
