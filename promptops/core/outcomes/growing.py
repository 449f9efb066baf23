"""Sums and units while they grow, until a report takes them."""

from __future__ import annotations

from collections.abc import Iterable

from promptops.core.outcomes.call_outcome import Count, Measure
from promptops.core.outcomes.counters import MAX_COUNT, folded
from promptops.core.outcomes.histogram import Histogram
from promptops.core.outcomes.sums import MAX_ERRORS, OTHER, Sums


class Row:
    """The sums of one series and minute while they grow."""

    __slots__ = ("bins", "counts", "errors")

    def __init__(self) -> None:
        self.counts: dict[Count, int] = {}
        self.errors: dict[str, int] = {}
        self.bins: dict[Measure, dict[int, int]] = {}

    def add(self, counts: Iterable[tuple[Count, int]], error: str, bins: Iterable[tuple[Measure, int]]) -> None:
        for count, number in counts:
            self.counts[count] = min(self.counts.get(count, 0) + number, MAX_COUNT)
        if error:
            self.errors[error] = self.errors.get(error, 0) + 1
        for name, place in bins:
            drawn = self.bins.setdefault(name, {})
            drawn[place] = drawn.get(place, 0) + 1

    def sums(self) -> Sums:
        return Sums(
            counts=self.counts,
            errors=folded(self.errors, MAX_ERRORS, OTHER),
            histograms={name: Histogram(counts=counts) for name, counts in self.bins.items()},
        )


class Seen:
    """A unit while it grows: the first minute, the guardrails at which it was bad, and those at which it could be."""

    __slots__ = ("bad", "could", "minute")

    def __init__(self, minute: int) -> None:
        self.minute = minute
        self.bad: set[str] = set()
        self.could: set[str] = set()
