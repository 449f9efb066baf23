"""What other programs read: each file is taken by the strictest reader that there is for it."""

from __future__ import annotations

import json

import pytest
from junitparser import JUnitXml
from sarif_pydantic import Sarif  # type: ignore[import-untyped]

from promptops.ci import machine
from promptops.core.verdict import Outcome
from tests.ci.test_markdown import NASTY, report


@pytest.mark.parametrize("text", [*NASTY, "plain", "\ud800", "\0"])
def test_every_text_gives_files_that_can_be_read(text: str) -> None:
    made = report(text, findings=3)
    sarif = Sarif.model_validate_json(machine.sarif(made))
    assert [result.rule_id for result in sarif.runs[0].results] == ["secret"] * 3
    quality = json.loads(machine.code_quality(made))
    assert {each["severity"] for each in quality} == {"critical"} and len(
        {each["fingerprint"] for each in quality}
    ) == 3
    suite = next(iter(JUnitXml.fromstring(machine.junit(made).encode())))
    assert [(case.classname, case.name, len(case.result)) for case in suite] == [
        ("a", "files", 1),
        ("a", "required", 1),
    ]


def test_a_fingerprint_stays_while_a_finding_moves() -> None:
    one, other = (json.loads(machine.code_quality(report(findings=1))) for _ in range(2))
    moved = json.loads(machine.code_quality(report(findings=1)).replace('"begin": 1', '"begin": 9'))
    assert one == other and one[0]["fingerprint"] == moved[0]["fingerprint"]


def test_too_many_findings_are_cut_and_counted() -> None:
    many = report(findings=machine.MAX_RESULTS + 7)
    run = json.loads(machine.sarif(many))["runs"][0]
    assert len(run["results"]) == machine.MAX_RESULTS and run["properties"]["leftOut"] == 7


def test_an_error_is_no_failure() -> None:
    line = report().checks[0]
    made = report(checks=tuple(type(line)(app="a", check=o.value, outcome=o) for o in Outcome), findings=0)
    suite = next(iter(JUnitXml.fromstring(machine.junit(made).encode())))
    assert (suite.tests, suite.failures, suite.errors) == (5, 2, 1)
