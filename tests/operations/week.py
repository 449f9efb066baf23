"""The last days of an app, as its clients reported them: so many keys a day, and a part of them bad."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.report import BadUnit, SampledUnit
from promptops.core.outcomes.sums import Score, Sums
from promptops.core.outcomes.units import Unit
from promptops.core.timestamp import DAY, minute_of
from promptops.operations.outcomes import Document, take
from promptops.store import Registry
from tests.support.reports import assignment, report, series

COULD = ("error", "refusal")


def unit(key: int) -> Unit:
    """A key's unit: ids are spread as those of clients are."""
    return Unit(id=hashlib.sha256(str(key).encode()).hexdigest()[:16])


def report_week(
    registry: Registry,
    now: datetime,
    *,
    keys: int,
    bad: float = 0.0,
    days: int = 7,
    users: int = 0,
    revision: int = 3,
    app: str = "bot",
    calls: int = 2,
    no_key: int = 0,
    could: Sequence[str] = COULD,
    unrecorded: int = 0,
    scores: int = 0,
    low_scores: int = 0,
    number: int = 1,
) -> None:
    """Reports so many whole days before today: ``keys`` a day, each with ``calls``, and ``bad`` of them in error.

    Each day has other keys, or the next ones of so many ``users``, in turns. ``no_key`` calls a day have none.
    ``unrecorded`` keys a day left a call open, and ``low_scores`` of ``scores`` calls a day scored too low.
    """
    documents = []
    place = assignment(app, revision)
    for day in range(days):
        minute = minute_of(now) - (days - day) * DAY
        today = [(day * keys + each) % (users or days * keys) for each in range(keys)]
        sampled = tuple(
            SampledUnit(
                assignment=place,
                unit=unit(key),
                minute=minute,
                could=tuple(could),
                bad=("error",) if each < keys * bad else (),
            )
            for each, key in enumerate(today)
        )
        badly = [("unrecorded", today[:unrecorded]), ("score:helpful", today[:low_scores])]
        bad_units = tuple(
            BadUnit(assignment=place, unit=unit(key), minute=minute, guardrails=(name,))
            for name, those in badly
            for key in those
        )
        sums = _sums(keys * calls + no_key, no_key, scores, low_scores)
        documents.append(
            report(registry.lineage, number + day, {(series(place), minute): sums}, sampled=sampled, bad=bad_units)
        )
    take(registry, [Document(report=each) for each in documents], now=now)


def _sums(calls: int, no_key: int, scores: int, low: int) -> Sums:
    counts = {Count.OPENED: calls, Count.CALLS: calls} | ({Count.NO_UNIT: no_key} if no_key else {})
    histograms = {Measure.LATENCY: Histogram.of([400.0] * calls)}
    scored = {"helpful": Score(count=scores, millionths=500_000 * scores, below=low)} if scores else {}
    return Sums(counts=counts, histograms=histograms, scores=scored)
