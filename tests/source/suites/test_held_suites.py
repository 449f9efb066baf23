"""The key `held` of a suite file: where cases are that are not in the repository, and what is wrong with that."""

from __future__ import annotations

import pytest

from promptops.core.finding import Severity
from promptops.core.suite.suite import Held
from promptops.source.suites.held import read_cases, require_sound
from tests.source.memory import checked
from tests.source.suites.test_suite_files import CHECKS, files, found

DIGEST = "sha256:" + "a" * 64
HEAD = f"prompts: ask\n{CHECKS}"
GOOD = f"{HEAD}held: {{from: cases.csv, digest: '{DIGEST}'}}\n"


@pytest.mark.parametrize(
    "place",
    [
        "cases.csv",
        "team/cases.jsonl",
        "/srv/held/cases.csv",
        "https://h.example/a/cases.csv",
        "http://127.0.0.1:1/c.csv",
    ],
)
def test_a_suite_names_where_its_cases_are_held(place: str) -> None:
    loaded = checked(files(GOOD.replace("cases.csv", place)))
    assert loaded.findings == ()
    suite = loaded.app("bot").suites["geo"]
    assert (suite.held, suite.cases) == (Held(place=place, digest=DIGEST), ())


@pytest.mark.parametrize(
    ("suite", "code"),
    [
        (GOOD.replace("cases.csv", "cases.txt"), "wrong-value"),
        (GOOD.replace("cases.csv", "../cases.csv"), "wrong-value"),
        (GOOD.replace("cases.csv", "~/cases.csv"), "wrong-value"),
        (GOOD.replace("cases.csv", "http://h.example/cases.csv"), "wrong-value"),
        (GOOD.replace("cases.csv", "ftp://h.example/cases.csv"), "wrong-value"),
        (GOOD.replace("cases.csv", "https://ada:secret@h.example/cases.csv"), "wrong-value"),
        (GOOD.replace("cases.csv", "https://h.example/cases.csv?sig=x.csv"), "wrong-value"),
        (GOOD.replace("from: cases.csv, ", ""), "missing-key"),
        (GOOD.replace(DIGEST, "sha256:1"), "wrong-value"),
        (f"{HEAD}held: {{from: cases.csv}}\n", "missing-key"),
        (f"{HEAD}held: cases.csv\n", "wrong-type"),
        (GOOD.replace("digest", "digset: 3, digest"), "unknown-setting"),
        (f"{GOOD}cases: [{{city: Rome}}]\n", "wrong-value"),
    ],
)
def test_what_is_wrong_with_it_is_said_once(suite: str, code: str) -> None:
    assert [(each, path) for each, path, _ in found(suite)] == [(code, "evals/geo.suite.yml")]
    assert checked(files(suite)).findings[0].severity is Severity.ERROR
    checked(files(suite)).require_valid()  # which stops no release


def test_a_user_in_an_address_is_not_repeated() -> None:
    findings = checked(files(GOOD.replace("cases.csv", "https://ada:s3cret@h.example/cases.csv"))).findings
    assert "wrong-value" in [finding.code for finding in findings]
    assert not [finding for finding in findings if "s3cret" in finding.message + finding.hint]


def test_held_cases_are_read_as_those_beside_a_suite_are() -> None:
    suite = checked(files(GOOD)).app("bot").held["geo"]
    read = require_sound(read_cases(suite, b"city,n,expected,id\nRome,3,Italy,a\n"))
    [case] = read.cases
    assert (dict(case.variables), case.expected, case.id) == ({"city": "Rome", "n": 3}, "Italy", "a")


def test_a_held_case_has_no_judge_of_its_own() -> None:
    suite = checked(files(GOOD.replace("cases.csv", "cases.jsonl"))).app("bot").held["geo"]
    judge = '{"llm": {"modelId": "strict", "prompt": "{{city}}", "choices": [{"choice": "ab", "score": 1}]}}'
    read = read_cases(suite, f'{{"city": "Rome", "checks": [{judge}]}}\n'.encode())
    assert [finding.code for finding in read.report.findings(lint=False)] == ["check-invalid"]
