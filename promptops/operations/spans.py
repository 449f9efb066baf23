"""Counts spans of OpenTelemetry, each once, for the release that they are stamped with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from promptops.core.outcomes.admission import OLDEST, LeftOut, Standing
from promptops.core.spans.batch import Batch, StampedSpan, sums_of
from promptops.operations.feedback import Allows, everywhere
from promptops.operations.outcomes import Known, Taken, by_assignment

if TYPE_CHECKING:
    from promptops.store import Registry, Writer

_KEPT: Final = timedelta(days=2)
"""How long it is known that a span was counted: exporters try for minutes, and collectors with a queue for hours."""

_WHY: Final = {
    LeftOut.UNKNOWN: "the channel never served the app's revision, or the token does not report of them",
    LeftOut.OLD: "a span ended more than two days ago, and is not counted any more",
    LeftOut.SERIES: "an app has too many prompts and models in a day",
}


def new_batch(registry: Registry) -> Batch:
    """Returns a batch for the spans of one request."""
    with registry.read() as reader:
        return Batch(lineage=registry.lineage, epoch=reader.epoch())


def report_spans(
    registry: Registry, batch: Batch, *, now: datetime, allows: Allows = everywhere, known: Known | None = None
) -> Taken | None:
    """Count the spans of a batch that were not counted before, and return what was added; None without spans.

    The batch then says how many were rejected. ``allows`` says of a channel and an app whether the caller reports of
    them.

    Raises:
        RegistryUnavailable: none was counted.
    """
    spans = batch.counted()
    if not spans:
        return None
    taken = registry.write(partial(_count, spans=spans, now=now, allows=allows, known=known or Known()))
    for reason, count in taken.left_out.items():
        batch.reject(_WHY[reason], count)
    return taken


def _count(writer: Writer, *, spans: Sequence[StampedSpan], now: datetime, allows: Allows, known: Known) -> Taken:
    desk = writer.outcomes()
    desk.lock()
    apps: dict[str, set[str]] = {}
    for span in spans:
        apps.setdefault(span.stamp.assignment.channel, set()).add(span.stamp.assignment.app)
    standings = {channel: desk.standing(names, channel, now, allows) for channel, names in apps.items()}
    left_out: Counter[LeftOut] = Counter()
    taken = []
    for span in spans:
        found = _admitted(span, standings[span.stamp.assignment.channel])
        if isinstance(found, StampedSpan):
            taken.append(found)
        else:
            left_out[found] += 1
    # A mark is kept for 60 days from the day that it is given, which is that of feedback on calls.
    given = now + _KEPT - timedelta(minutes=OLDEST)
    fresh = desk.new_marks({mark for span in taken for mark in (span.key, span.call_key, *span.above)}, given)
    sums, without_room = sums_of((span for span in taken if span.key in fresh), fresh)
    if without_room := without_room + desk.add_sums(sums):
        left_out[LeftOut.SERIES] += without_room
    desk.prune(now)
    added = by_assignment(sums)
    releases = {place: known.release(writer, place) for place in added}
    return Taken(answers=(), sums=added, releases=releases, left_out=left_out)


def _admitted(span: StampedSpan, standing: Standing) -> StampedSpan | LeftOut:
    if not standing.knows(span.stamp.assignment):
        return LeftOut.UNKNOWN
    minute = standing.minute_of(span.minute)
    if minute is None or minute < standing.minute - _KEPT // timedelta(minutes=1):
        return LeftOut.OLD
    return span if minute == span.minute else replace(span, minute=minute)
