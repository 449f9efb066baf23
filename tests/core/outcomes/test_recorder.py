"""What a process adds up: the same as adding every call up, from any thread, and without waiting for the sender."""

from __future__ import annotations

import gc
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import Invalid
from promptops.core.outcomes.call_outcome import CallOutcome, Count, Measure
from promptops.core.outcomes.kept_call import MAX_CALLS, Kept, KeptCall
from promptops.core.outcomes.recorder import QUEUED, Recorded, Recorder, Room
from promptops.core.outcomes.report import MAX_GUARDRAILS, BadUnit, Dropped, Feedback, SampledUnit
from promptops.core.outcomes.series import Series
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import Unit
from tests.core.outcomes.nouns import (
    ANSWER,
    BAD_UNITS,
    CALLS,
    FEEDBACK,
    MINUTE,
    MINUTES,
    SERIES,
    UNIT,
    sampled_units,
)

ROOMY = Room(sums=1 << 30, units=1 << 30, sampled=1 << 30, feedback=1 << 30)
OPENED = replace(ANSWER, model="", tier=None)


def bad(*guardrails: str, unit: Unit = UNIT, minute: int = MINUTE) -> BadUnit:
    return BadUnit(assignment=ANSWER.assignment, unit=unit, minute=minute, guardrails=guardrails)


def sampled(*could: str, bad: tuple[str, ...] = (), minute: int = MINUTE, unit: Unit = UNIT) -> SampledUnit:
    return SampledUnit(assignment=ANSWER.assignment, unit=unit, minute=minute, could=could, bad=bad)


@given(st.lists(st.tuples(SERIES, MINUTES, CALLS), max_size=30))
def test_sums_are_those_of_adding_every_call_up(calls: list[tuple[Series, int, CallOutcome]]) -> None:
    recorder, expected = Recorder(ROOMY), dict[tuple[Series, int], Sums]()
    for series, minute, call in calls:
        recorder.record(series, minute, call)
        expected[series, minute] = expected.get((series, minute), Sums()).merged(Sums.of(call))
    assert recorder.swap() == Recorded(sums=expected)
    assert not recorder.swap()


def test_a_call_that_began_is_counted_apart_from_the_one_that_ended() -> None:
    recorder = Recorder()
    recorder.opened(OPENED, MINUTE)
    recorder.record(ANSWER, MINUTE + 1, CallOutcome())
    assert recorder.swap().sums == {
        (OPENED, MINUTE): Sums(counts={Count.OPENED: 1}),
        (ANSWER, MINUTE + 1): Sums(counts={Count.CALLS: 1}),
    }


@given(st.lists(BAD_UNITS, max_size=20), st.lists(FEEDBACK, max_size=5))
def test_a_unit_that_is_bad_again_in_its_minute_adds_guardrails(units: list[BadUnit], lines: list[Feedback]) -> None:
    recorder = Recorder(ROOMY)
    for unit in units:
        recorder.bad(unit)
    for line in lines:
        recorder.feedback(line)
    recorded = recorder.swap()
    expected: dict[tuple[object, ...], set[str]] = {}
    for unit in units:
        expected.setdefault((unit.assignment, unit.unit, unit.minute), set()).update(unit.guardrails)
    found = {(entry.assignment, entry.unit, entry.minute): set(entry.guardrails) for entry in recorded.bad_units}
    assert found == expected
    assert recorded.feedback == tuple(lines)


@given(st.lists(sampled_units(), max_size=20))
def test_the_sample_has_each_unit_once_since_its_first_minute(units: list[SampledUnit]) -> None:
    recorder = Recorder(ROOMY)
    for unit in units:
        recorder.sampled(unit)
    assert not recorder.swap()  # the sample is reported more rarely
    expected: dict[tuple[object, ...], tuple[int, set[str], set[str]]] = {}
    for unit in units:
        place = (unit.assignment, unit.unit)
        minute, could, was_bad = expected.get(place, (unit.minute, set(), set()))
        expected[place] = (min(minute, unit.minute), could | {*unit.could}, was_bad | {*unit.bad})
    found = recorder.swap_sample()
    assert {(e.assignment, e.unit): (e.minute, {*e.could}, {*e.bad}) for e in found} == expected
    assert recorder.swap_sample() == ()


def test_a_minute_that_is_none_is_refused_before_anything_is_counted() -> None:
    recorder = Recorder()
    with pytest.raises(Invalid):
        recorder.opened(ANSWER, -1)
    with pytest.raises(Invalid):
        recorder.record(ANSWER, 2**31, CallOutcome())
    assert not recorder.swap()


# --- room --------------------------------------------------------------------------------------------


def test_what_was_dropped_is_reported_once_and_its_total_never_falls() -> None:
    recorder = Recorder()
    for number in (2, 3):
        for _ in range(number):
            recorder.drop(Dropped.CALLS)
        assert recorder.swap().dropped == {Dropped.CALLS: number}
    assert recorder.dropped == {Dropped.CALLS: 5}
    assert not recorder.swap()


def test_a_call_without_room_is_dropped_whole_and_counted() -> None:
    recorder = Recorder(Room(sums=60_000))
    many = [replace(ANSWER, prompt=f"p{number}") for number in range(100)]
    for series in many:
        recorder.record(series, MINUTE, CallOutcome(latency_ms=10.0))
    recorder.record(many[0], MINUTE, CallOutcome(latency_ms=10.0))  # costs nothing: its row and its bin are there
    recorded = recorder.swap()
    kept = sum(sums[Count.CALLS] for sums in recorded.sums.values())
    assert 0 < len(recorded.sums) < 100
    assert kept + recorded.dropped[Dropped.CALLS] == 101
    assert sum(sums.histograms[Measure.LATENCY].count for sums in recorded.sums.values()) == kept


def test_a_new_error_and_a_new_bin_need_room_too() -> None:
    recorder = Recorder(Room(sums=8_000))
    for number in range(100):
        recorder.record(ANSWER, MINUTE, CallOutcome(error=f"E{number}"))
        recorder.record(ANSWER, MINUTE, CallOutcome(latency_ms=2.0**number if number < 29 else 1.0))
    recorded = recorder.swap()
    (sums,) = recorded.sums.values()
    assert sums[Count.CALLS] + recorded.dropped[Dropped.CALLS] == 200
    assert sums[Count.CALLS] == sums.failed + sums.latency().count


@pytest.mark.parametrize(
    ("kind", "add"),
    [
        (Dropped.UNITS, lambda r, number: r.bad(bad("error", unit=Unit(id=f"{number:016x}")))),
        (Dropped.SAMPLED, lambda r, number: r.sampled(sampled("error", unit=Unit(id=f"{number:016x}")))),
        (Dropped.FEEDBACK, lambda r, number: r.feedback(Feedback(call=f"pc1:{number}", name="helpful"))),
    ],
)
def test_what_has_no_room_is_counted_by_its_kind(kind: Dropped, add: Callable[[Recorder, int], None]) -> None:
    recorder = Recorder(Room(sums=9_000, units=9_000, sampled=9_000, feedback=9_000))
    fulls = []
    for number in range(100):
        add(recorder, number)
        fulls.append(recorder.full)
    assert fulls == sorted(fulls) and not fulls[0] and fulls[-1]
    kept = len(recorder.swap_sample())
    recorded = recorder.swap()
    kept += len(recorded.bad_units) + len(recorded.feedback)
    assert 0 < kept < 100
    assert recorded.dropped == {kind: 100 - kept}
    assert not recorder.full  # the swap made room again


def test_more_guardrails_than_a_report_takes_are_dropped() -> None:
    recorder = Recorder(ROOMY)
    for number in range(MAX_GUARDRAILS + 2):
        recorder.sampled(sampled(f"score:w{number:02}"))
        recorder.bad(bad(f"score:w{number:02}"))
    (entry,) = recorder.swap_sample()
    recorded = recorder.swap()
    assert len(entry.could) == len(recorded.bad_units[0].guardrails) == MAX_GUARDRAILS
    assert recorded.dropped == {Dropped.UNITS: 2, Dropped.SAMPLED: 2}


# --- threads -----------------------------------------------------------------------------------------


def test_no_call_is_lost_or_counted_twice_between_threads_and_swaps() -> None:
    recorder, threads, each = Recorder(ROOMY), 8, 400
    parts: list[Recorded] = []
    done = threading.Event()

    def record(seed: int) -> None:
        draw = random.Random(seed)
        for number in range(each):
            series = replace(ANSWER, prompt=f"p{draw.randrange(4)}")
            recorder.record(series, MINUTE, CallOutcome(latency_ms=draw.uniform(1, 5000)))
            recorder.feedback(Feedback(call=f"pc1:{seed}:{number}", name="helpful", score=1.0))

    def swap() -> None:
        while not done.is_set():
            parts.append(recorder.swap())

    sender = threading.Thread(target=swap)
    workers = [threading.Thread(target=record, args=(seed,)) for seed in range(threads)]
    for thread in (sender, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    sender.join()
    parts.append(recorder.swap())
    total = reduce(Sums.merged, (sums for part in parts for sums in part.sums.values()))
    assert total[Count.CALLS] == total.latency().count == threads * each
    lines = [line for part in parts for line in part.feedback]
    assert len(lines) == len(set(lines)) == threads * each


class _Interrupting(dict[Count, int]):
    """Counters during whose change another call of the same thread ends, as it may in the garbage collector."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        super().__init__()
        self._interrupt = interrupt

    def get(self, key: Count, default: int = 0) -> int:  # type: ignore[override]
        interrupt, self._interrupt = self._interrupt, lambda: None
        interrupt()
        return super().get(key, default)


def test_a_call_that_ends_inside_another_of_its_thread_neither_waits_nor_is_lost() -> None:
    recorder = Recorder(ROOMY)
    recorder.record(ANSWER, MINUTE, CallOutcome())
    assert not recorder.full  # folds what waits
    (row,) = recorder._rows.values()
    ended = 5 * QUEUED  # more than may wait for another thread

    def end_many() -> None:
        for _ in range(ended):
            recorder.record(ANSWER, MINUTE, CallOutcome())

    row.counts = _Interrupting(end_many)
    recorder.record(ANSWER, MINUTE, CallOutcome())
    assert not recorder.full
    (sums,) = recorder.swap().sums.values()
    assert sums[Count.CALLS] == ended + 1  # the counters were new


def test_a_generator_that_the_collector_closes_during_a_record_is_recorded() -> None:
    recorder = Recorder(ROOMY)

    def stream() -> object:
        try:
            yield
        finally:
            recorder.record(ANSWER, MINUTE, CallOutcome(cancelled=True))

    for _ in range(50):
        cycle: list[object] = []
        chunks = stream()
        next(chunks)  # type: ignore[call-overload]
        cycle += [cycle, chunks]
        del chunks, cycle
        recorder.record(ANSWER, MINUTE, CallOutcome())
    gc.collect()
    (sums,) = recorder.swap().sums.values()
    assert (sums[Count.CALLS], sums[Count.CANCELLED]) == (100, 50)


def test_callers_do_not_wait_for_a_thread_that_folds() -> None:
    recorder = Recorder(ROOMY)
    with recorder._lock:  # as while another thread folds
        for _ in range(QUEUED):
            recorder.record(ANSWER, MINUTE, CallOutcome())
    (sums,) = recorder.swap().sums.values()
    assert sums[Count.CALLS] == QUEUED


class _Busy:
    """A lock that another thread has whenever it is tried, and that it gives back to those who wait."""

    def __init__(self) -> None:
        self.waits = 0

    def acquire(self, *, blocking: bool) -> bool:
        return blocking

    def __enter__(self) -> None:
        self.waits += 1

    def __exit__(self, *_: object) -> None:
        pass


def test_the_queue_behind_a_thread_that_folds_is_bounded() -> None:
    recorder, lock = Recorder(ROOMY), _Busy()
    recorder._lock = lock  # type: ignore[assignment]
    for _ in range(3 * QUEUED + 3):
        recorder.record(ANSWER, MINUTE, CallOutcome())
        assert len(recorder._queue) <= QUEUED
    assert lock.waits == 3  # one caller of a hundred waits, and folds what waited with it
    (sums,) = recorder.swap().sums.values()
    assert sums[Count.CALLS] == 3 * QUEUED + 3


# --- calls that are kept by themselves ---------------------------------------------------------------


def kept(number: int, *, bad: bool = False) -> KeptCall:
    return KeptCall(call=f"{number}", prompt="answer", at=number, kept=Kept.BAD if bad else Kept.SAMPLED)


def test_bad_calls_are_kept_before_others_and_what_came_first_before_what_came_later() -> None:
    recorder = Recorder()
    for number in range(2 * MAX_CALLS):
        recorder.keep(kept(number))
    recorder.keep(kept(100, bad=True))
    assert [int(call.call) for call in recorder.swap().calls] == [*range(MAX_CALLS - 1), 100]
    for number in range(2 * MAX_CALLS):
        recorder.keep(kept(number, bad=True))
    recorder.keep(kept(100))
    recorded = recorder.swap()
    assert [int(call.call) for call in recorded.calls] == list(range(MAX_CALLS))
    assert not recorded.dropped
    assert not recorder.swap()


def test_large_variables_take_the_room_of_other_calls() -> None:
    recorder = Recorder()
    for number in range(MAX_CALLS):
        recorder.keep(replace(kept(number), variables={"text": "x" * 16_000}))
    recorder.keep(replace(kept(100, bad=True), variables={"text": "x" * 16_000}))
    found = [int(call.call) for call in recorder.swap().calls]
    assert found[-1] == 100 and 1 < len(found) < MAX_CALLS
    small = Recorder(replace(Room(), calls=100))
    small.keep(kept(1, bad=True))
    assert not small.swap()
