"""Result files that the real tools made (`make fixtures`) come in as the cases, repeats and errors that they mean."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

from promptops.core.evidence.table_bytes import decode_table, encode_table
from promptops.importers.reading import FORMATS, read_results
from promptops.importers.results import Results
from tests.support.checkout import ROOT

FOLDER = ROOT / "tests/fixtures/results"
P, F, E = "passed", "failed", "error"
TOPICS = {
    "labels": [P, P],
    "refunds": [F, F],
    "outage": [E, E],
    "parcels": [P, P],
    "weights": [P, P],
    "customs": [P, P],
}

EXPECTED: dict[str, tuple[str, str, dict[str, list[str]], int]] = {
    # file: format, suite, outcomes of each case by its id, cases without a result
    "inspect-0.3.285.json": ("inspect", "parcels", TOPICS, 0),
    "inspect-0.3.285.eval": ("inspect", "parcels", TOPICS, 0),
    "pydantic-evals-2.62.0.json": (
        "pydantic-evals",
        "answer",
        {"labels": [P, P], "refunds": [F, F], "unsure": [E, E], "outage": [E, E]},
        0,
    ),
    "pytest-9.2.0.xml": (
        "junit",
        "pytest-9.2.0",
        {
            "test_parcels::test_says_yes[labels]": [P],
            "test_parcels::test_says_yes[refunds]": [F],
            "test_parcels::test_says_yes[parcels]": [P],
            "test_parcels::test_that_raises": [F],
            "test_parcels::test_without_a_model": [E],
            "test_parcels::test_that_fails_and_does_not_end_well": [F],
        },
        1,
    ),
}


def results(name: str, format: str) -> Results:
    return read_results(FOLDER / name, format, prompt="answer")


def by_case(read: Results) -> dict[str, list[str]]:
    outcomes = defaultdict(list)
    for row in read.table.rows:
        outcomes[read.table.cases[row.case].id].append(row.outcome.value)
    return dict(outcomes)


@pytest.mark.parametrize("name", EXPECTED)
def test_cases_repeats_and_errors_are_those_of_the_run(name: str) -> None:
    format, suite, outcomes, missing = EXPECTED[name]
    read = results(name, format)
    assert (read.suite, by_case(read), read.missing) == (suite, outcomes, missing)
    assert {case.prompt for case in read.table.cases} == {"answer"}


def test_promptfoo_gives_repeats_of_a_case_as_one_case() -> None:
    read = results("promptfoo-0.121.20.json", "promptfoo")
    assert Counter(tuple(outcomes) for outcomes in by_case(read).values()) == {(P, P): 2, (F, F): 2, (E, E): 2}
    assert {row.error for row in read.table.rows} == {"", "provider", "judge"}
    assert len({case.key for case in read.table.cases}) == 5, (
        "two cases have the variables of one, and other assertions"
    )
    assert read.tools == {"promptfoo": "0.121.20"} and read.served_models == ("answers:model-2026-01-01",)
    assert [case.judged for case in read.table.cases] == [False, False, False, True, True, False]


def test_a_run_of_deepeval_knows_cases_by_their_input() -> None:
    read = results("deepeval-4.3.1.json", "deepeval")
    assert list(by_case(read).values()) == [[P], [F], [E], [P]]
    assert all(row.latency_ms is None for row in read.table.rows), "the time of the metrics is none of the provider"


def test_both_forms_of_an_inspect_log_are_the_same_cases() -> None:
    json, archive = (results(f"inspect-0.3.285.{ending}", "inspect") for ending in ("json", "eval"))
    assert {case.digest for case in json.table.cases} == {case.digest for case in archive.table.cases}
    assert json.checks == archive.checks


@pytest.mark.parametrize(
    "path", sorted(path for path in FOLDER.iterdir() if path.is_file()), ids=lambda path: path.name
)
def test_nothing_but_ids_and_numbers_stays(path: Path) -> None:
    format = next(name for name in (*FORMATS, "pytest") if path.name.startswith(name))
    table = results(path.name, "junit" if format == "pytest" else format).table
    data = encode_table(table)
    assert decode_table(data) == table
    shown = repr(table)
    assert not any(text in shown for text in ("Tell me about", "apiKey", "REDACTED", "the model is away"))


def test_fixtures_are_small_and_name_no_machine() -> None:
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    assert len(files) == 6 and sum(path.stat().st_size for path in files) < 200_000
