"""Reads a run of DeepEval: ``.deepeval/.latest_test_run.json``, or ``.latest_run_full.json`` beside it.

Default names of test cases are their positions, so a case is known by its input. A metric with an ``error`` could not
decide, and a metric that is marked flaky counts as any other, which it does not there. ``runDuration`` is the time of
the metrics, so only ``completionTime`` is a latency.
"""

from __future__ import annotations

from typing import Final

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import RowOutcome
from promptops.importers.json_text import MAX_VALUE, Part
from promptops.importers.named_fields import Named
from promptops.importers.results import ERROR, FAILED, PASSED, Asked, Collector, Results, Target, worst

_ASKED: Final = ("expectedOutput", "context", "expectedTools")


def read(whole: Part, target: Target) -> Results:
    """Reads a run.

    Raises:
        Invalid: it is no run, has conversations, or a case without a metric or with the input of another.
    """
    top = Named(whole)
    run = top.inner("testRunData") if "testRunData" in top else top
    if "testCases" not in run:
        raise Invalid("this is no run of DeepEval: it has no testCases")
    if any(True for _ in run.items("conversationalTestCases")):
        raise Invalid("the run has conversations, which are not read", hint="Only test cases with an input are.")
    collector = target.collector(run.text("identifier", 200))
    for case in run.items("testCases"):
        _add(collector, case)
    return collector.results({"deepeval": ""})


def _add(collector: Collector, case: Named) -> None:
    metrics = [_Metric(metric) for metric in case.items("metricsData")]
    if not metrics:
        raise Invalid(f"{case.path} has no metric", hint="A test case without a metric measures nothing.")
    for metric in metrics:
        collector.count(metric.name, metric.outcome)
    asked = Asked(
        variables={"input": case.text("input", MAX_VALUE)},
        checks=[[case.value(name) for name in _ASKED], [[metric.name, metric.threshold] for metric in metrics]],
        judged=any(metric.judged for metric in metrics),
    )
    outcome = worst([metric.outcome for metric in metrics])
    scores = [metric.score for metric in metrics if metric.score is not None]
    seconds = case.number("completionTime")
    collector.row(
        collector.case(asked, alone=True),
        outcome,
        score=sum(scores) / len(scores) if len(scores) == len(metrics) and outcome is not ERROR else None,
        latency_ms=None if seconds is None else seconds * 1000,
        input_tokens=case.whole("inputTokenCount"),
        output_tokens=case.whole("outputTokenCount"),
        cost_usd=case.number("tokenCost"),
        error="judge" if outcome is ERROR else "",
    )


class _Metric:
    """What one metric says of a case."""

    def __init__(self, metric: Named) -> None:
        self.name = metric.text("name", 200)
        self.threshold = metric.number("threshold")
        self.score = metric.number("score")
        self.judged = "evaluationModel" in metric
        success = metric.flag("success")
        broken = "error" in metric or success is None
        self.outcome: RowOutcome = ERROR if broken else PASSED if success else FAILED
        if self.score is not None and self.score > 1:
            self.score = None  # a number of another scale: passing or not is its score then
