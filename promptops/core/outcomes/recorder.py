"""Adds up what a process sees until its next report, in bounded memory. Callers never wait for I/O.

A caller appends what happened to a queue, which takes no lock, and folds the queue into the sums only if no other
thread is doing so. So a call that ends inside the garbage collector or a signal handler, while its own thread folds, is
safe. :meth:`Recorder.swap` takes the sums out, and the sender then encodes and sends them without any lock.

Everything that is new costs room: :class:`Room` has bytes for each kind of entry, and the costs below are what an entry
takes in CPython at most. What has no room is counted as dropped, as a whole: a call is in all sums or in none.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from promptops.core.outcomes.call_outcome import CallOutcome, Count
from promptops.core.outcomes.growing import Row, Seen
from promptops.core.outcomes.histogram import bin_of
from promptops.core.outcomes.kept_call import KeptCall, KeptCalls
from promptops.core.outcomes.report import MAX_GUARDRAILS, BadUnit, Dropped, Feedback, SampledUnit
from promptops.core.outcomes.series import Assignment, Series, require_minute
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import Unit

KIB: Final = 1 << 10

BATCH: Final = 32
"""Entries that are folded together: one after the other takes a third less than each between two calls."""
QUEUED: Final = 100
"""Entries that wait while another thread folds. The caller that adds one more waits for that thread, which does no
I/O."""

_ROW: Final = 3_200
_NAME: Final = 400
_BIN: Final = 180
_UNIT: Final = 1_000
_WORD: Final = 300
_LINE: Final = 400
_CHARACTER: Final = 4
"""Bytes of a row, of a histogram or a class of errors in it, of a bin, of a unit, of a guardrail of it, of a line of
feedback, and of a character: what CPython takes, with a dict that has just grown. A test measures them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Bytes for what waits for a report. While one report is encoded the next is filled, so a process has it twice."""

    sums: int = 2048 * KIB
    units: int = 384 * KIB
    sampled: int = 1024 * KIB
    feedback: int = 384 * KIB
    calls: int = 192 * KIB

    @property
    def total(self) -> int:
        """Bytes of all kinds together."""
        return self.sums + self.units + self.sampled + self.feedback + self.calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What was added up since the last swap: the parts of a report."""

    sums: Mapping[tuple[Series, int], Sums] = field(default_factory=dict)
    bad_units: tuple[BadUnit, ...] = ()
    feedback: tuple[Feedback, ...] = ()
    calls: tuple[KeptCall, ...] = ()
    dropped: Mapping[Dropped, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.sums or self.bad_units or self.feedback or self.calls or self.dropped)


class Recorder:
    """What a process saw since its last report. Any thread may add to it.

    A forked process makes its own: the lock may have been held by a thread that it does not have.
    """

    def __init__(self, room: Room | None = None) -> None:
        self._room = room or Room()
        self._lock = threading.Lock()
        self._owner = 0
        self._queue: deque[Callable[[], None]] = deque()
        self._rows: dict[tuple[Series, int], Row] = {}
        self._bad: dict[tuple[Assignment, Unit, int], Seen] = {}
        self._sampled: dict[tuple[Assignment, Unit], Seen] = {}
        self._feedback: list[Feedback] = []
        self._kept = KeptCalls(self._room.calls)
        self._used = dict.fromkeys(Dropped, 0)
        self._dropped: dict[Dropped, int] = {}
        self._dropped_reported: Mapping[Dropped, int] = {}

    # --- what callers add --------------------------------------------------------------------------

    def opened(self, series: Series, minute: int) -> None:
        """A call began. Its series has no model yet.

        Raises:
            Invalid: the minute is not one.
        """
        self.counted(series, minute, [(Count.OPENED, 1)])

    def counted(self, series: Series, minute: int, counts: Iterable[tuple[Count, int]]) -> None:
        """Something was counted that is no call of its own.

        Raises:
            Invalid: the minute is not one.
        """
        require_minute(minute)
        self._add(partial(self._fold_counts, series, minute, counts))

    def record(self, series: Series, minute: int, call: CallOutcome) -> None:
        """A call ended in this minute.

        Raises:
            Invalid: the minute is not one.
        """
        require_minute(minute)
        self._add(partial(self._fold_counts, series, minute, call.counts(), call))

    def bad(self, entry: BadUnit) -> None:
        """A unit had a bad event. The same in one minute again adds its guardrails."""
        self._add(partial(self._fold_bad, entry))

    def sampled(self, entry: SampledUnit) -> None:
        """A unit of the sample made a call. Of its entries until the next swap, one is reported."""
        self._add(partial(self._fold_sampled, entry))

    def feedback(self, entry: Feedback) -> None:
        """A call led to something."""
        self._add(partial(self._fold_feedback, entry))

    def drop(self, kind: Dropped) -> None:
        """There was no room for something that waited elsewhere."""
        self._add(partial(self._fold_dropped, kind))

    def keep(self, call: KeptCall) -> None:
        """A call is kept by itself, as far as there is room: bad ones go before others. What is not kept is counted in
        the sums all the same.
        """
        self._add(partial(self._kept.add, call))
        self._fold_if_free()  # variables are large, so few calls wait in the queue

    # --- what the sender takes ---------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """True where half of the room of one kind is used: a report now loses nothing."""
        self._fold_if_free()
        return any(map(self._is_half_used, self._used))

    @property
    def has_much_sampled(self) -> bool:
        """True where half of the sample's room is used."""
        self._fold_if_free()
        return self._is_half_used(Dropped.SAMPLED)

    @property
    def dropped(self) -> Mapping[Dropped, int]:
        """What had no room since the recorder was made. A swap does not change it, so that it never falls."""
        self._fold_if_free()
        return self._dropped.copy()

    def swap(self) -> Recorded:
        """Takes out all but the sample, and begins anew. Never call it from a destructor or a signal handler."""
        with self._lock:
            self._fold()
            rows, self._rows = self._rows, {}
            bad, self._bad = self._bad, {}
            feedback, self._feedback = self._feedback, []
            kept = self._kept.take()
            dropped = {
                kind: new
                for kind, total in self._dropped.items()
                if (new := total - self._dropped_reported.get(kind, 0))
            }
            self._dropped_reported = self._dropped.copy()
            self._used |= dict.fromkeys((Dropped.CALLS, Dropped.UNITS, Dropped.FEEDBACK), 0)
        return Recorded(
            sums={place: row.sums() for place, row in rows.items()},
            bad_units=tuple(
                BadUnit(assignment=assignment, unit=unit, minute=minute, guardrails=tuple(sorted(seen.bad)))
                for (assignment, unit, minute), seen in bad.items()
            ),
            feedback=tuple(feedback),
            calls=kept,
            dropped=dropped,
        )

    def swap_sample(self) -> tuple[SampledUnit, ...]:
        """Takes out the sample, which is reported more rarely, and begins a new one."""
        with self._lock:
            self._fold()
            sampled, self._sampled = self._sampled, {}
            self._used[Dropped.SAMPLED] = 0
        return tuple(
            SampledUnit(
                assignment=assignment,
                unit=unit,
                minute=seen.minute,
                could=tuple(sorted(seen.could)),
                bad=tuple(sorted(seen.bad)),
            )
            for (assignment, unit), seen in sampled.items()
        )

    # --- folding -----------------------------------------------------------------------------------

    def _add(self, entry: Callable[[], None]) -> None:
        self._queue.append(entry)
        waiting = len(self._queue)
        if waiting >= BATCH and not self._fold_if_free() and waiting > QUEUED and self._owner != threading.get_ident():
            with self._lock:
                self._fold()

    def _fold_if_free(self) -> bool:
        """Folds the queue, unless another thread is at it; returns whether it did."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            self._fold()
        finally:
            self._lock.release()
        return True

    def _fold(self) -> None:
        """Folds the queue into the sums. The lock is held; a call that ends meanwhile in this thread only appends."""
        self._owner = threading.get_ident()
        try:
            while self._queue:
                self._queue.popleft()()
        finally:
            self._owner = 0

    def _has_room(self, kind: Dropped, cost: int) -> bool:
        """Takes the room for something new; without enough of it, counts it as dropped."""
        if self._used[kind] + cost <= self._most(kind):
            self._used[kind] += cost
            return True
        self._fold_dropped(kind)
        return False

    def _fold_dropped(self, kind: Dropped) -> None:
        self._dropped[kind] = self._dropped.get(kind, 0) + 1

    def _is_half_used(self, kind: Dropped) -> bool:
        return 2 * self._used[kind] > self._most(kind)

    def _most(self, kind: Dropped) -> int:
        room = self._room
        return {
            Dropped.CALLS: room.sums,
            Dropped.UNITS: room.units,
            Dropped.SAMPLED: room.sampled,
            Dropped.FEEDBACK: room.feedback,
        }[kind]

    def _fold_counts(
        self, series: Series, minute: int, counts: Iterable[tuple[Count, int]], call: CallOutcome | None = None
    ) -> None:
        place = (series, minute)
        row = self._rows.get(place)
        known = row or Row()
        cost = 0 if row else _ROW + _size(series)
        error = call.error if call else ""
        bins = [(name, bin_of(value)) for name, value in call.measures()] if call else []
        if error and error not in known.errors:
            cost += _NAME + _CHARACTER * len(error)
        for name, number in bins:
            drawn = known.bins.get(name)
            cost += _NAME + _BIN if drawn is None else 0 if number in drawn else _BIN
        if cost and not self._has_room(Dropped.CALLS, cost):
            return
        if row is None:
            self._rows[place] = known
        known.add(counts, error, bins)

    def _fold_bad(self, entry: BadUnit) -> None:
        place = (entry.assignment, entry.unit, entry.minute)
        seen = self._bad.get(place) or Seen(entry.minute)
        if self._grow(seen, Dropped.UNITS, is_new=place not in self._bad, bad=entry.guardrails):
            self._bad[place] = seen

    def _fold_sampled(self, entry: SampledUnit) -> None:
        place = (entry.assignment, entry.unit)
        seen = self._sampled.get(place) or Seen(entry.minute)
        is_new = place not in self._sampled
        if self._grow(seen, Dropped.SAMPLED, is_new=is_new, bad=entry.bad, could=entry.could):
            seen.minute = min(seen.minute, entry.minute)
            self._sampled[place] = seen

    def _grow(
        self, seen: Seen, kind: Dropped, *, is_new: bool, bad: tuple[str, ...], could: tuple[str, ...] = ()
    ) -> bool:
        """Adds guardrails to a unit if there is room for it and them, and says whether there was."""
        more = sum(name not in seen.bad for name in bad) + sum(name not in seen.could for name in could)
        cost = (_UNIT if is_new else 0) + _WORD * more
        if len(seen.could.union(could)) > MAX_GUARDRAILS or len(seen.bad.union(bad)) > MAX_GUARDRAILS:
            cost = self._most(kind) + 1  # no report takes it
        if cost and not self._has_room(kind, cost):
            return False
        seen.bad.update(bad)
        seen.could.update(could)
        return True

    def _fold_feedback(self, entry: Feedback) -> None:
        if self._has_room(Dropped.FEEDBACK, _LINE + _CHARACTER * (len(entry.call) + len(entry.name))):
            self._feedback.append(entry)


def _size(series: Series) -> int:
    """The bytes of the texts of a series."""
    names = (series.assignment.app, series.assignment.channel, series.prompt, series.model)
    return _CHARACTER * (sum(map(len, names)) + sum(len(name) + len(value) for name, value in series.tags))
