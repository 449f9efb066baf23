"""Counts spans of OpenTelemetry, each once, for the release that they are stamped with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from promptops.core.errors import Invalid
from promptops.core.outcomes.admission import OLDEST, LeftOut, Standing, seal_of
from promptops.core.outcomes.call_id import Standing as Seal
from promptops.core.outcomes.call_id import read_call_id
from promptops.core.outcomes.units import Unit
from promptops.core.spans.batch import Batch, StampedSpan, count_spans
from promptops.core.spans.stamp import Stamp
from promptops.evals.price_list import PriceList
from promptops.operations.feedback import Allows, everywhere
from promptops.operations.known_releases import Known
from promptops.operations.outcomes import Taken, by_assignment

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
    spans = _with_tiers(batch.counted(), PriceList(), now)
    if not spans:
        return None
    taken = registry.write(
        lambda writer: _Counting(writer, registry.lineage, now, known or Known()).count(spans, allows)
    )
    for reason, count in taken.left_out.items():
        batch.reject(_WHY[reason], count)
    return taken


def _with_tiers(spans: Sequence[StampedSpan], prices: PriceList, now: datetime) -> list[StampedSpan]:
    """The spans with the tier of the price of each request, where the price list has the model."""
    rates = prices.of({span.span.model for span in spans}, now)
    return [
        replace(span, tier=rates[span.span.model].tier_of(span.span.tokens.input))
        if span.span.tokens is not None and span.span.model in rates
        else span
        for span in spans
    ]


class _Counting:
    """One transaction that counts spans."""

    def __init__(self, writer: Writer, lineage: str, now: datetime, known: Known) -> None:
        self._writer = writer
        self._desk = writer.outcomes()
        self._lineage = lineage
        self._secret = bytes.fromhex(writer.report_secret(lineage))
        self._now = now
        self._known = known

    def count(self, spans: Sequence[StampedSpan], allows: Allows) -> Taken:
        desk, now = self._desk, self._now
        desk.lock()
        left_out: Counter[LeftOut] = Counter()
        taken = self._admit(spans, allows, left_out)
        # A mark is kept for 60 days from the day that it is given, which is that of feedback on calls.
        given = now + _KEPT - timedelta(minutes=OLDEST)
        fresh = desk.new_marks({mark for span in taken for mark in (span.key, span.call_key, *span.above)}, given)
        recorded = count_spans((self._with_call(span) for span in taken if span.key in fresh), fresh)
        if without_room := sum(recorded.dropped.values()) + desk.add_sums(recorded.sums):
            left_out[LeftOut.SERIES] += without_room
        desk.add_units(recorded.bad_units, ())
        desk.prune(now)
        added = by_assignment(recorded.sums)
        releases = {place: self._known.release(self._writer, place) for place in added}
        return Taken(answers=(), sums=added, releases=releases, left_out=left_out)

    def _admit(self, spans: Sequence[StampedSpan], allows: Allows, left_out: Counter[LeftOut]) -> list[StampedSpan]:
        apps: dict[str, set[str]] = {}
        for span in spans:
            apps.setdefault(span.stamp.assignment.channel, set()).add(span.stamp.assignment.app)
        standings = {channel: self._desk.standing(names, channel, self._now, allows) for channel, names in apps.items()}
        taken = []
        for span in spans:
            found = _admitted(span, standings[span.stamp.assignment.channel])
            if isinstance(found, StampedSpan):
                taken.append(found)
            else:
                left_out[found] += 1
        return taken

    def _with_call(self, span: StampedSpan) -> StampedSpan:
        """The span with the model that its release pins, and the unit that its call has."""
        stamp = span.stamp
        pinned = self._known.pin(self._writer, stamp.assignment, stamp.prompt)
        return replace(span, pinned=pinned, unit=self._unit(stamp) if stamp.call else None)

    def _unit(self, stamp: Stamp) -> Unit | None:
        """The unit of a call whose id a process of this registry made, for what the span is stamped with."""
        try:
            call = read_call_id(stamp.call, lineage=self._lineage)
        except Invalid:
            return None
        if call.assignment != stamp.assignment or not call.is_of(stamp.prompt):
            return None
        return call.unit(self._secret) if seal_of(call, self._secret) is Seal.SEALED else None


def _admitted(span: StampedSpan, standing: Standing) -> StampedSpan | LeftOut:
    if not standing.knows(span.stamp.assignment):
        return LeftOut.UNKNOWN
    minute = standing.minute_of(span.minute)
    if minute is None or minute < standing.minute - _KEPT // timedelta(minutes=1):
        return LeftOut.OLD
    return span if minute == span.minute else replace(span, minute=minute)
