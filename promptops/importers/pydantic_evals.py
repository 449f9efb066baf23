"""Reads a report of pydantic-evals: ``TypeAdapter(EvaluationReport).dump_json(report)``.

``source_case_name`` groups repeats. A case whose task raised is in ``failures``, an evaluator that raised in
``evaluator_failures``: both are errors. An answer passes if all assertions are true; where a case has none, if all its
scores are 0.5 or more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import RowOutcome
from promptops.core.model import Json
from promptops.core.suite.suite import PASS_AT
from promptops.importers.json_text import Part
from promptops.importers.named_fields import Named
from promptops.importers.results import ERROR, FAILED, PASSED, Asked, Collector, Results, Target, worst

_JUDGE: Final = "LLMJudge"


def read(whole: Part, target: Target) -> Results:
    """Reads a report.

    Raises:
        Invalid: it is no report, a case has neither assertions nor scores, or two cases have one name.
    """
    top = Named(whole)
    if "cases" not in top or "failures" not in top:
        raise Invalid("this is no report of pydantic-evals: it has no cases and failures")
    collector = target.collector(top.text("name", 200))
    judged = {_source(case) for case in top.items("cases") if _has_judge(case)}
    for case in top.items("cases"):
        _add(collector, case, judged)
    for case in top.items("failures"):
        place = collector.case(_asked(case, judged), alone=not case.text("source_case_name"))
        collector.row(place, ERROR, error="task")
    return collector.results({"pydantic-evals": ""})


def _add(collector: Collector, case: Named, judged: set[str]) -> None:
    place = collector.case(_asked(case, judged), alone=not case.text("source_case_name"))
    outcomes, scores = [], []
    for name, outcome, score in _checked(case):
        collector.count(name, outcome)
        outcomes.append(outcome)
        scores.append(score)
    seconds = case.number("task_duration")
    outcome = worst(outcomes)
    known = [score for score in scores if score is not None]
    collector.row(
        place,
        outcome,
        score=sum(known) / len(known) if known and outcome is not ERROR else None,
        latency_ms=None if seconds is None else seconds * 1000,
        error="judge" if outcome is ERROR else "",
    )


def _checked(case: Named) -> Iterator[tuple[str, RowOutcome, float | None]]:
    """Yields the name, outcome and score of each check of a case."""
    assertions, scores, failures = (
        case.inner("assertions"),
        case.inner("scores"),
        list(case.items("evaluator_failures")),
    )
    if not (assertions.names() or scores.names() or failures):
        raise Invalid(f"{case.path}: no assertion and no score says what the answer is worth")
    for name in assertions.names():
        value = assertions.inner(name).flag("value")
        if value is None:
            raise Invalid(f"{case.path}.assertions: an assertion has no value")
        yield name, PASSED if value else FAILED, float(value)
    for name in () if assertions.names() else scores.names():
        score = scores.inner(name).number("value")
        if score is None or score > 1:
            raise Invalid(f"{case.path}.scores: a score is not from 0 to 1, and no assertion says if it is enough")
        yield name, PASSED if score >= PASS_AT else FAILED, score
    for failure in failures:
        yield failure.text("name", 200) or "evaluator", ERROR, None


def _asked(case: Named, judged: set[str]) -> Asked:
    inputs: Json = case.value("inputs")
    variables: Mapping[str, Json] = inputs if isinstance(inputs, dict) else {"input": inputs}
    return Asked(
        id=_source(case),
        variables=variables,
        checks=[case.value("expected_output")],
        judged=_source(case) in judged,
    )


def _source(case: Named) -> str:
    return case.text("source_case_name", 400) or case.text("name", 400)


def _has_judge(case: Named) -> bool:
    checks = (case.inner(kind).inner(name) for kind in ("assertions", "scores") for name in case.inner(kind).names())
    return any(check.inner("source").text("name", 200) == _JUDGE for check in checks)
