"""Reads a log of inspect, version 2: its JSON, or the archive that is its default (:mod:`.inspect_archive`).

A sample is known by its id, its epochs are repeats. A sample that raised is missing from inspect's own accuracy and an
error here. Time is ``working_time``, without waiting for a place or a limit. All scorers have to be content: ``C``, or
a number of 0.5 or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.escape import one_line
from promptops.core.evidence.case_table import RowOutcome
from promptops.core.model import Json
from promptops.core.suite.suite import PASS_AT
from promptops.importers.json_text import Part
from promptops.importers.named_fields import Named
from promptops.importers.results import ERROR, FAILED, PASSED, Asked, Collector, Results, Target, worst

VERSION: Final = 2
_LETTERS: Final[Mapping[object, float]] = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""What a scorer writes for correct, partial, incorrect and no answer."""
_GRADED: Final = "model_graded"


def read(whole: Part, target: Target) -> Results:
    """Reads a log in JSON.

    Raises:
        Invalid: another version, no samples, or a score of a kind that is not known.
    """
    header = Named(whole)
    return read_log(header, header.items("samples"), target)


def read_log(header: Named, samples: Iterable[Named], target: Target) -> Results:
    """Reads a log of which header and samples are apart. Raises like :func:`read`."""
    version = header.value("version")
    if version != VERSION:
        shown = one_line(repr(version), 40)
        raise Invalid(f"the log has version {shown}, and only {VERSION} is known", hint="inspect 0.3 writes it.")
    status = header.text("status", 40)
    run = header.inner("eval")
    collector = target.collector(run.text("task", 200))
    judged = any(_GRADED in scorer.text("name") for scorer in run.items("scorers"))
    models: set[str] = set()
    count = scored = 0
    for sample in samples:
        count += 1
        if _add(collector, sample, run.text("model", 200), judged):
            scored += 1
            models.add(sample.inner("output").text("model", 200))
    if count and not scored and status == "success" and "results" in header:
        raise Invalid("no sample has a score", hint="Give the task a scorer: without one nothing is measured.")
    total = header.inner("results").whole("total_samples")
    complete = status == "success" and header.flag("invalidated") is not True and total in (None, count)
    return collector.results(
        {"inspect_ai": run.inner("packages").text("inspect_ai", 40)},
        served_models=sorted(models - {""}),
        complete=complete,
        notes=() if complete else (f"The log's status is '{status}', with {count:,} samples of {total or count:,}.",),
    )


def _add(collector: Collector, sample: Named, model: str, judged: bool) -> bool:
    """Adds a sample, and returns whether it has a score."""
    raised = "error" in sample
    values = [] if raised else list(_scores(sample))
    outcomes = []
    for name, score in values:
        outcomes.append(PASSED if score >= PASS_AT else FAILED)
        collector.count(name, outcomes[-1])
    outcome: RowOutcome = worst(outcomes) if outcomes else ERROR
    used = sample.inner("model_usage").inner(model)
    seconds = sample.number("working_time")
    collector.row(
        collector.case(_asked(sample, judged)),
        outcome,
        repeat=sample.whole("epoch") or 1,
        score=sum(score for _, score in values) / len(values) if values else None,
        latency_ms=None if seconds is None else seconds * 1000,
        input_tokens=used.whole("input_tokens"),
        output_tokens=used.whole("output_tokens"),
        error="" if values else "sample" if raised else "unscored",
        first_attempt_failed=any(True for _ in sample.items("error_retries")),
    )
    return bool(values)


def _asked(sample: Named, judged: bool) -> Asked:
    given = sample.value("id")
    if isinstance(given, bool) or not isinstance(given, str | int) or given == "":
        raise Invalid(f"{sample.path} has no id")
    return Asked(
        id=str(given)[:400],
        variables={"input": sample.value("input"), "choices": sample.value("choices")},
        checks=[sample.value("target")],
        judged=judged,
    )


def _scores(sample: Named) -> Iterator[tuple[str, float]]:
    scores = sample.inner("scores")
    for name in scores.names():
        value = scores.inner(name).value("value")
        parts = value.items() if isinstance(value, Mapping) else [("", value)]
        for key, part in parts:
            yield f"{name}.{key}" if key else name, _number(part, f"{scores.path}.{one_line(name, 60)}")


def _number(value: Json, path: str) -> float:
    if isinstance(value, str) and value in _LETTERS:
        return _LETTERS[value]
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return float(value)
    shown = one_line(repr(value), 60)
    raise Invalid(f"{path}: {shown} is no score of a known kind", hint="Known are C, I, P, N and numbers from 0 to 1.")
