"""The sums of a channel's calls in this process. Callers add to them; the sender takes documents out.

Callers never wait for I/O: what is added goes to a :class:`Recorder`, and texts that have to be checked to a queue with
a limit, which the sender works off before it takes a document.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from promptops.client.calls.desk import CallDesk
from promptops.client.calls.judging import Ended, Judging
from promptops.client.calls.keeping import Keeping
from promptops.client.calls.line import Line
from promptops.core.errors import Invalid
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.open_calls import OpenCall, OpenCalls
from promptops.core.outcomes.recorder import Recorder, Room
from promptops.core.outcomes.report import (
    BadUnit,
    Dropped,
    Feedback,
    OutcomeReport,
    SampledUnit,
)
from promptops.core.outcomes.units import Sample, Unit
from promptops.wire.outcomes import encode

if TYPE_CHECKING:
    from promptops.core.outcomes.series import Series

ROOM: Final = Room(units=768 << 10, calls=448 << 10)
"""Bytes for what waits for a report: more units than usual, because one that is left out is a bad key that no canary
sees, and for calls that are kept, whose variables may be large. While a report is encoded the next is filled; all of
it is below 8 MiB, and a test measures that.
"""

MINUTE: Final = 60
EVERY_HOUR: Final = 3600.0
IN_ROLLOUTS: Final = 600.0
"""Seconds between two reports of the sample, and while an app has a canary."""


class Ledger:
    """What became of a channel's calls since the last document. Any thread may add to it; one takes documents."""

    def __init__(self, desk: CallDesk, share: int = 1, *, now: Callable[[], float] = time.time) -> None:
        self.recorder = Recorder(_part(ROOM, share))
        self._desk = desk
        self._now = now
        self._open = OpenCalls()
        self._judging = Judging(self._settle)
        self._sampled_at = now()
        self._has_canary = False
        self._keeping = Keeping()

    # --- what callers add ---------------------------------------------------------------------------

    @property
    def minute(self) -> int:
        """The current minute."""
        return int(self._now()) // MINUTE

    def opened(self, call: object, line: Line, series: Series, unit: Unit | None) -> None:
        """A call began."""
        minute = self.minute
        self.recorder.opened(series, minute)
        if unit is not None and line.is_compared:
            self._open.begin(call, OpenCall(assignment=line.assignment, unit=unit, minute=minute))
            self._has_canary = self._has_canary or line.weight > 0
            if self._is_sampled(line, unit):
                self.recorder.sampled(SampledUnit(assignment=line.assignment, unit=unit, minute=minute, could=()))

    def ended(self, call: object, ended: Ended) -> None:
        """A call ended. Its answer is checked before it counts, if the prompt has anything to check it with."""
        self._open.end(call)
        if ended.text is None:
            self._settle(ended)
        elif not self._judging.add(ended):
            self.recorder.drop(Dropped.CALLS)

    def feedback(self, entry: Feedback) -> None:
        """A call led to something."""
        self.recorder.feedback(entry)

    @property
    def is_current(self) -> bool:
        """False in a forked child of the process that the calls were opened in."""
        return self._desk.ledger is self

    @property
    def dropped(self) -> dict[str, int]:
        """What had no room in this process, by kind."""
        return {kind.value: count for kind, count in self.recorder.dropped.items()}

    @property
    def has_much(self) -> bool:
        """True where a document now loses nothing, and one at its time could."""
        return self.recorder.full

    @property
    def has_answers(self) -> bool:
        """True while answers wait to be checked."""
        return bool(self._judging)

    def judge(self) -> None:
        """Check the answers that wait. It may take a while; for one thread at a time."""
        self._judging.work()

    def _is_sampled(self, line: Line, unit: Unit) -> bool:
        if line.sample is not None or not line.is_compared:
            return line.sample is not None and line.is_compared and line.sample.has(unit, line.weight)
        threshold = self._desk.samples.get(line.assignment.app, 0)
        return threshold > 0 and Sample(canary=threshold, stable=threshold).has(unit, line.weight)

    def _settle(self, ended: Ended) -> None:
        outcome, line, unit = ended.outcome, ended.line, ended.unit
        self.recorder.record(ended.series, ended.minute, outcome)
        if outcome.cancelled:
            return
        bad = line.guardrails(outcome)
        if ended.kept is not None and (why := self._keeping.why(is_bad=bool(bad))) is not None:
            with suppress(Invalid):  # a call that cannot be kept counts in the sums all the same
                self.recorder.keep(ended.kept(ended, why))
        if unit is None or not line.is_compared:
            return
        if bad:
            self.recorder.bad(BadUnit(assignment=line.assignment, unit=unit, minute=ended.minute, guardrails=bad))
        if self._is_sampled(line, unit):
            self.recorder.sampled(
                SampledUnit(assignment=line.assignment, unit=unit, minute=ended.minute, could=line.could, bad=bad)
            )

    # --- what the sender takes ----------------------------------------------------------------------

    def document(self, *, client: str, number: int, lineage: str, sdk: str, last: bool = False) -> bytes | None:
        """Returns everything since the last document as a new one; None if nothing happened. ``last``: with the sample,
        because the process ends.

        Raises:
            Invalid: it cannot be encoded. It is dropped and counted: one document less is better than none ever again.
        """
        self.judge()
        self._close_overdue()
        recorded = self.recorder.swap()
        self._keeping.begin()
        sampled: tuple[SampledUnit, ...] = ()
        is_due = self._now() - self._sampled_at >= (IN_ROLLOUTS if self._has_canary else EVERY_HOUR)
        if last or is_due or self.recorder.has_much_sampled:
            self._sampled_at, self._has_canary = self._now(), False
            sampled = self.recorder.swap_sample()
        if not recorded and not sampled:
            return None
        try:
            return encode(
                OutcomeReport(
                    client=client,
                    number=number,
                    channel=self._desk.channel,
                    lineage=lineage,
                    sdk=sdk,
                    sums=recorded.sums,
                    bad_units=recorded.bad_units,
                    sampled_units=sampled,
                    feedback=recorded.feedback,
                    calls=recorded.calls,
                    dropped=recorded.dropped,
                )
            )
        except Invalid:
            self._desk.lose({Dropped.CALLS.value: sum(sums[Count.CALLS] for sums in recorded.sums.values())})
            raise

    def _close_overdue(self) -> None:
        for entry in self._open.overdue(self.minute):
            self.recorder.bad(entry)


def ledger_at(desk: CallDesk) -> Ledger:
    """Returns the sums of this process, made at its first call."""
    found = desk.ledger
    return found if isinstance(found, Ledger) else desk.open(Ledger)


def _part(room: Room, share: int) -> Room:
    return Room(
        sums=room.sums // share,
        units=room.units // share,
        sampled=room.sampled // share,
        feedback=room.feedback // share,
        calls=room.calls // share,
    )
