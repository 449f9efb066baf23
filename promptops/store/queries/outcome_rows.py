"""Sums of calls <-> rows: which rows a minute of a series is in, and how sums are written there."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from promptops.core.model import Json
from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.sums import Score, Sums
from promptops.store.schema.rows import AnyRow, Values

MINUTE, HOUR, DAY = 1, 60, 1_440
SPANS: Final = (MINUTE, HOUR, DAY)
"""Minutes of a row. Every call is in one row of each, so a question about months reads days and hours."""

Key = tuple[str, str, int, int, str]
"""App, channel, span, start and series of a row."""


def key_of(series: Series, minute: int, span: int) -> Key:
    """Returns the key of the row of this span that a minute of a series is in."""
    assignment = series.assignment
    return assignment.app, assignment.channel, span, minute - minute % span, _digest(series)


def _digest(series: Series) -> str:
    assignment = series.assignment
    text = _dumped([*assignment.order()[1:], series.prompt, series.model, series.tier, *map(list, series.tags)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def values_of(key: Key, series: Series, sums: Sums) -> Values:
    """Returns the row of a series."""
    app, channel, span, start, digest = key
    return {
        "app": app,
        "channel": channel,
        "span": span,
        "start": start,
        "series": digest,
        "epoch": series.assignment.epoch,
        "revision": series.assignment.revision,
        "arm": series.assignment.arm.value,
        "prompt": series.prompt,
        "model": series.model,
        "tier": series.tier,
        "tags": _dumped(dict(series.tags)),
        "sums": sums_text(sums),
    }


def series_of(row: AnyRow) -> Series:
    """Returns the series of a row."""
    return Series(
        assignment=Assignment(
            app=row.app, channel=row.channel, epoch=row.epoch, revision=row.revision, arm=Arm(row.arm)
        ),
        prompt=row.prompt,
        model=row.model,
        tier=row.tier,
        tags=tuple(sorted(json.loads(row.tags).items())),
    )


def sums_text(sums: Sums) -> str:
    """Returns sums as JSON, with the names that documents have; what was not counted is left out."""
    parts: dict[str, Json] = {
        "counts": {name.value: count for name, count in sums.counts.items()},
        "errors": dict(sums.errors),
        "outcomes": dict(sums.outcomes),
        "scores": {name: [score.count, score.millionths, score.below] for name, score in sums.scores.items()},
        "histograms": {name.value: histogram.pairs() for name, histogram in sums.histograms.items()},
    }
    return _dumped({name: part for name, part in parts.items() if part})


def sums_of(text: str) -> Sums:
    """Returns the sums of their JSON."""
    parts = json.loads(text)
    return Sums(
        counts={Count(name): count for name, count in parts.get("counts", {}).items()},
        errors=parts.get("errors", {}),
        outcomes=parts.get("outcomes", {}),
        scores={
            name: Score(count=count, millionths=millionths, below=below)
            for name, (count, millionths, below) in parts.get("scores", {}).items()
        },
        histograms={Measure(name): Histogram.from_pairs(pairs) for name, pairs in parts.get("histograms", {}).items()},
    )


def counts_of(text: str) -> Sums:
    """Returns the counts of their JSON alone: the histograms take most of the time to read."""
    counts = json.loads(text).get("counts", {})
    return Sums(counts={Count(name): count for name, count in counts.items()})


def _dumped(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
