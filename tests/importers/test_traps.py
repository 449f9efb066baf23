"""What other tools' files say that is not so: each is read as what it means, or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptops.core.errors import Invalid
from tests.importers import made


def refusal(folder: Path, format: str, content: object) -> str:
    with pytest.raises(Invalid) as caught:
        made.read(folder, format, content)
    assert caught.value.message.startswith("made: ")
    return caught.value.message


# --- promptfoo ---------------------------------------------------------------------------------------


def test_promptfoo_repeats_are_one_case_whatever_their_index(tmp_path: Path) -> None:
    rows = [made.promptfoo_row(testIdx=index, success=index != 1) for index in range(3)]
    read = made.read(tmp_path, "promptfoo", made.promptfoo(*rows))
    assert len(read.table.cases) == 1 and [row.repeat for row in read.table.rows] == [1, 2, 3]
    assert made.outcomes(read) == ["passed", "failed", "passed"]


@pytest.mark.parametrize(
    "row",
    [
        made.promptfoo_row(testCase={"vars": {}}, gradingResult={"componentResults": []}),
        made.promptfoo_row(testCase={"vars": {"topic": "a"}, "assert": []}),
        made.promptfoo_row(gradingResult=None),
        made.promptfoo_row(gradingResult={"componentResults": []}),
    ],
    ids=["no tests", "no assertions", "no grading", "no assertion was checked"],
)
def test_promptfoo_tests_without_assertions_are_refused(row: made.Object, tmp_path: Path) -> None:
    assert "no assertion" in refusal(tmp_path, "promptfoo", made.promptfoo(row))


def test_a_file_without_a_test_is_refused(tmp_path: Path) -> None:
    assert "no result" in refusal(tmp_path, "promptfoo", made.promptfoo())


def test_promptfoo_errors_are_no_failures(tmp_path: Path) -> None:
    away = made.promptfoo_row("a", success=False, failureReason=2, gradingResult=None)
    unsure = made.component(passed=False, metadata={"graderError": True})
    judged = made.promptfoo_row("b", success=False, gradingResult={"componentResults": [unsure]})
    both = made.promptfoo_row("c", success=False, gradingResult={"componentResults": [unsure, made.component(False)]})
    hidden = made.promptfoo_row("d", gradingResult={"componentResults": [made.component(), unsure]})
    read = made.read(tmp_path, "promptfoo", made.promptfoo(away, judged, both, hidden))
    assert made.outcomes(read) == ["error", "error", "failed", "error"]
    assert [row.error for row in read.table.rows] == ["provider", "judge", "", "judge"]


def test_promptfoo_columns_are_not_mixed(tmp_path: Path) -> None:
    rows = [made.promptfoo_row(), made.promptfoo_row(promptIdx=1)]
    assert "several prompts or providers" in refusal(tmp_path, "promptfoo", made.promptfoo(*rows))


def test_a_latency_from_a_cache_is_none(tmp_path: Path) -> None:
    read = made.read(tmp_path, "promptfoo", made.promptfoo(made.promptfoo_row(response={"cached": True})))
    assert read.table.rows[0].latency_ms is None and read.table.rows[0].reused


def test_a_key_beside_an_assertion_changes_nothing_and_stays_nowhere(tmp_path: Path) -> None:
    with_key = made.promptfoo_row()
    check = {"type": "contains", "value": "labels", "provider": {"config": {"apiKey": "secret-value"}}}
    with_key["testCase"]["assert"] = [check]
    with_key["gradingResult"]["componentResults"][0]["assertion"] = check
    plain, keyed = (made.read(tmp_path, "promptfoo", made.promptfoo(row)) for row in (made.promptfoo_row(), with_key))
    assert plain == keyed


# --- inspect -----------------------------------------------------------------------------------------


def test_inspect_samples_that_raised_count_as_errors(tmp_path: Path) -> None:
    raised = made.sample("b", scores={}, error={"message": "away"})
    read = made.read(tmp_path, "inspect", made.inspect(made.sample("a"), raised))
    assert made.outcomes(read) == ["passed", "error"]


def test_inspect_epochs_are_repeats_and_each_is_there_once(tmp_path: Path) -> None:
    read = made.read(tmp_path, "inspect", made.inspect(made.sample(1, 1), made.sample(1, 2)))
    assert [row.repeat for row in read.table.rows] == [1, 2]
    assert "is there twice" in refusal(tmp_path, "inspect", made.inspect(made.sample(1, 1), made.sample(1, 1)))


def test_inspect_time_is_working_time_and_a_retry_is_remembered(tmp_path: Path) -> None:
    timed = made.sample(working_time=0.25, total_time=9.0, error_retries=[{"message": "away"}])
    row = made.read(tmp_path, "inspect", made.inspect(timed)).table.rows[0]
    assert row.latency_ms == 250 and row.first_attempt_failed


def test_an_inspect_run_that_did_not_end_is_not_complete(tmp_path: Path) -> None:
    for log in (
        made.inspect(made.sample(), status="cancelled"),
        made.inspect(made.sample(), results={"total_samples": 3}),
        made.inspect(made.sample(), invalidated=True),
    ):
        read = made.read(tmp_path, "inspect", log)
        assert not read.complete and "status" in read.notes[0]


@pytest.mark.parametrize(
    ("value", "outcome"), [("C", "passed"), ("I", "failed"), ("P", "passed"), (True, "passed"), (0.4, "failed")]
)
def test_inspect_scores(value: object, outcome: str, tmp_path: Path) -> None:
    read = made.read(tmp_path, "inspect", made.inspect(made.sample(scores={"s": {"value": value}})))
    assert made.outcomes(read) == [outcome]


@pytest.mark.parametrize("value", [7, "maybe", -1, None, [1]])
def test_a_score_of_another_kind_is_refused(value: object, tmp_path: Path) -> None:
    log = made.inspect(made.sample(scores={"s": {"value": value}}))
    assert "no score of a known kind" in refusal(tmp_path, "inspect", log)


def test_inspect_samples_without_a_scorer_are_refused(tmp_path: Path) -> None:
    assert "no sample has a score" in refusal(tmp_path, "inspect", made.inspect(made.sample(scores={})))


# --- pydantic-evals ----------------------------------------------------------------------------------


def test_pydantic_failures_of_a_task_and_of_an_evaluator_are_errors(tmp_path: Path) -> None:
    case = made.pydantic_case("a", evaluator_failures=[{"name": "Judge"}])
    wrong = made.pydantic_case("b", evaluator_failures=[{"name": "J"}], assertions={"Contains": {"value": False}})
    failed: made.Object = {"name": "c", "inputs": {"topic": "c"}, "error_message": "away"}
    read = made.read(tmp_path, "pydantic-evals", made.pydantic_evals(case, wrong, failures=(failed,)))
    assert made.outcomes(read) == ["error", "failed", "error"]


def test_pydantic_repeats_are_grouped_by_the_name_of_their_source(tmp_path: Path) -> None:
    cases = [made.pydantic_case(f"a [{n}/2]", source_case_name="a", inputs={"topic": "a"}) for n in (1, 2)]
    read = made.read(tmp_path, "pydantic-evals", made.pydantic_evals(*cases))
    assert len(read.table.cases) == 1 and read.repeats == 2
    twice = made.pydantic_evals(made.pydantic_case(), made.pydantic_case())
    assert "the case labels is there twice" in refusal(tmp_path, "pydantic-evals", twice)


def test_pydantic_scores_decide_where_nothing_is_asserted(tmp_path: Path) -> None:
    cases = [made.pydantic_case(str(score), assertions={}, scores={"s": {"value": score}}) for score in (0.4, 0.6)]
    assert made.outcomes(made.read(tmp_path, "pydantic-evals", made.pydantic_evals(*cases))) == ["failed", "passed"]
    for scores in ({}, {"s": {"value": 7}}):
        case = made.pydantic_case(assertions={}, scores=scores)
        assert "score" in refusal(tmp_path, "pydantic-evals", made.pydantic_evals(case))


# --- DeepEval ----------------------------------------------------------------------------------------


def test_deepeval_metrics_that_raised_are_errors_and_flaky_ones_count(tmp_path: Path) -> None:
    def case(about: str, **metric: Any) -> made.Object:
        return made.deepeval_case(about, success=True, metricsData=[{"name": "m", "success": True}, metric])

    raised = case("a", name="n", success=False, error="the judge is away")
    flaky = case("b", name="n", success=False, flaky=True)
    assert made.outcomes(made.read(tmp_path, "deepeval", made.deepeval(raised, flaky))) == ["error", "failed"]


def test_deepeval_cases_are_known_by_their_input(tmp_path: Path) -> None:
    read = made.read(tmp_path, "deepeval", made.deepeval(made.deepeval_case("a"), made.deepeval_case("b")))
    assert len({case.key for case in read.table.cases}) == 2
    for run in (
        made.deepeval(made.deepeval_case("a"), made.deepeval_case("a")),
        made.deepeval(made.deepeval_case("a", metricsData=[])),
        made.deepeval(made.deepeval_case("a"), conversationalTestCases=[{"name": "c"}]),
    ):
        refusal(tmp_path, "deepeval", run)


# --- JUnit -------------------------------------------------------------------------------------------


def test_junit_a_second_chance_is_a_failure_and_a_skipped_case_is_missing(tmp_path: Path) -> None:
    inside = "".join(
        f"<testcase classname='c' name='{number}'>{element}</testcase>"
        for number, element in enumerate(
            ("", "<skipped/>", "<flakyFailure/>", "<error/>", "<system-out>x</system-out>")
        )
    )
    read = made.read(tmp_path, "junit", made.junit(inside))
    assert made.outcomes(read) == ["passed", "failed", "error", "passed"]
    assert read.missing == 1


def test_junit_with_a_document_type_is_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]>' + made.junit("<testcase name='&b;'/>")
    assert "DOCTYPE" in refusal(tmp_path, "junit", bomb)


# --- JSON lines --------------------------------------------------------------------------------------


def test_json_lines_say_all_that_a_row_has(tmp_path: Path) -> None:
    full = {"case": "a", "repeat": 2, "passed": True, "score": 0.9, "latency_ms": 3.5, "tags": ["x"], "cluster": "k"}
    lines = [full, {"case": "b", "error": "timeout"}, {"case": "c", "skipped": True}, {"case": "d", "passed": False}]
    read = made.read(tmp_path, "jsonl", made.json_lines(*lines))
    assert made.outcomes(read) == ["passed", "error", "failed"] and read.missing == 1
    assert (read.table.rows[0].repeat, read.table.rows[0].score, read.table.cases[0].cluster) == (2, 0.9, "k")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"case": "a"}, "line 2 has to have one of passed, error and skipped"),
        ({"case": "a", "passed": True, "error": "x"}, "one of passed, error and skipped"),
        ({"case": "a", "pased": True}, "'pased' is no field"),
        ({"passed": True}, "no case and no variables"),
        ({"case": "a", "passed": True, "score": 2}, "is not a score"),
    ],
)
def test_a_line_that_says_something_else_is_named(line: made.Object, said: str, tmp_path: Path) -> None:
    assert said in refusal(tmp_path, "jsonl", made.json_lines(line))
