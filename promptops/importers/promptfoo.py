"""Reads the JSON of promptfoo (``promptfoo eval -o results.json``), version 3 of its results.

Repeats have an index of their own each (``testIdx``), so a case is known by its variables and assertions. A test
without an assertion is reported as passed there and refused here. What a judge could not decide is a failure there
(``metadata.graderError``) and an error here. A latency from its cache is not the provider's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.escape import one_line
from promptops.core.evidence.case_table import RowOutcome
from promptops.core.model import Json
from promptops.importers.json_text import Part
from promptops.importers.named_fields import Named
from promptops.importers.results import ERROR, FAILED, PASSED, Asked, Collector, Results, Target

VERSION: Final = 3
_NO_ASSERTION: Final = "Give each test an assertion: promptfoo reports a test without one as passed."
_MODELS: Final = frozenset(
    (
        "agent-rubric",
        "answer-relevance",
        "classifier",
        "context-faithfulness",
        "context-recall",
        "context-relevance",
        "conversation-relevance",
        "factuality",
        "g-eval",
        "llm-rubric",
        "model-graded-closedqa",
        "model-graded-factuality",
        "moderation",
        "pi",
        "search-rubric",
        "select-best",
        "trajectory:goal-success",
    )
)
"""Assertions that a model decides."""


def read(whole: Part, target: Target) -> Results:
    """Reads a file of results.

    Raises:
        Invalid: another version, no results, a test without assertions, or several prompts or providers.
    """
    top = Named(whole)
    results = top.inner("results")
    version = results.value("version")
    if version != VERSION:
        raise Invalid(
            f"the results have version {one_line(repr(version), 40)}, and only {VERSION} is known",
            hint="promptfoo 0.121 writes it: promptfoo eval -o results.json",
        )
    collector = target.collector(top.inner("config").text("description", 200))
    columns: set[int] = set()
    models: set[str] = set()
    for row in results.items("results"):
        columns.add(row.whole("promptIdx") or 0)
        if len(columns) > 1:
            raise Invalid(
                "the file has results of several prompts or providers, and evidence is of one release",
                hint="Run one prompt with one provider: --filter-providers, --filter-prompts.",
            )
        models.add(row.inner("provider").text("id"))
        _add(collector, row)
    tool = {"promptfoo": top.inner("metadata").text("promptfooVersion", 40)}
    return collector.results(tool, served_models=sorted(models - {""}))


def _add(collector: Collector, row: Named) -> None:
    test = row.inner("testCase")
    asserts = list(_asserts(test))
    if not asserts:
        raise Invalid(f"{row.path}: the test has no assertion", hint=_NO_ASSERTION)
    place = collector.case(
        Asked(
            variables=_variables(test),
            checks=[asserts, test.number("threshold")],
            judged=any(_kind(each["type"]) in _MODELS for each in asserts),
        )
    )
    outcome, error = _outcome(collector, row)
    response = row.inner("response")
    tokens = response.inner("tokenUsage")
    cached = response.flag("cached") is True
    score = row.number("score")
    collector.row(
        place,
        outcome,
        score=min(score, 1.0) if score is not None and outcome is not ERROR else None,
        latency_ms=None if cached or error == "provider" else row.number("latencyMs"),
        input_tokens=tokens.whole("prompt"),
        output_tokens=tokens.whole("completion"),
        cost_usd=row.number("cost"),
        error=error,
        reused=cached,
    )


def _variables(test: Named) -> dict[str, Json]:
    value = test.value("vars")
    if value is not None and not isinstance(value, dict):
        raise Invalid(f"{test.path}.vars is not an object")
    return value or {}


def _asserts(test: Named) -> Iterator[dict[str, Json]]:
    """Yields what each assertion asks: its provider, which may hold a key, is not looked at."""
    for each in test.items("assert"):
        if "assert" in each:  # an assert-set
            yield from _asserts(each)
        else:
            asked = {name: each.value(name) for name in ("value", "threshold", "metric", "weight") if name in each}
            yield {"type": each.text("type", 100), **asked}


def _kind(written: Json) -> str:
    return str(written).removeprefix("not-")


def _outcome(collector: Collector, row: Named) -> tuple[RowOutcome, str]:
    """Returns what came of a row, with the word for an error."""
    reason = row.value("failureReason")
    if reason not in (0, 1, 2, None):
        raise Invalid(f"{row.path}.failureReason is {one_line(repr(reason), 40)}, and only 0, 1 and 2 are known")
    success = row.flag("success")
    if success is None:
        raise Invalid(f"{row.path} has no success")
    of_checks = [_of_check(collector, each) for each in row.inner("gradingResult").items("componentResults")]
    if reason == 2:
        return ERROR, "provider"
    if not of_checks:
        raise Invalid(f"{row.path}: no assertion was checked", hint=_NO_ASSERTION)
    if ERROR in of_checks and (success or FAILED not in of_checks):
        return ERROR, "judge"
    return (PASSED if success else FAILED), ""


def _of_check(collector: Collector, part: Named) -> RowOutcome:
    asked = part.inner("assertion")
    passed = part.flag("pass")
    broken = part.inner("metadata").flag("graderError") is True
    outcome = ERROR if broken or passed is None else PASSED if passed else FAILED
    collector.count(asked.text("metric", 200) or asked.text("type", 200) or "assertion", outcome)
    return outcome
