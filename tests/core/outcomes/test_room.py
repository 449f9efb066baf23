"""A process never has more than 8 MiB of outcomes, whatever its calls look like: the costs cover what CPython takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from promptops.core.outcomes.call_outcome import CallOutcome, Count, Tokens
from promptops.core.outcomes.counters import MAX_COUNT
from promptops.core.outcomes.kept_call import MAX_TOOLS, Kept, KeptCall, ToolUse, room_of
from promptops.core.outcomes.open_calls import MAX_OPEN, OpenCall, OpenCalls
from promptops.core.outcomes.recorder import KIB, Recorder, Room
from promptops.core.outcomes.report import MAX_GUARDRAILS, BadUnit, Feedback, OutcomeReport, SampledUnit
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.units import Unit
from promptops.wire.outcomes import decode, encode
from tests.core.outcomes.nouns import MINUTE

WIDE = "\U0001f600"
"""A character that takes four bytes in memory and in UTF-8."""


def series(number: int, *, wide: bool = False) -> Series:
    """A series that shares no text with another."""
    tag = WIDE * 60 if wide else "de"
    return Series(
        assignment=Assignment(app=f"app-{number}", channel="prod", epoch=3, revision=number, arm=Arm.STABLE),
        prompt=f"p{number}" + ("/" + "x" * 100) * (4 if wide else 0),
        model=f"{number}" + (WIDE * 190 if wide else ""),
        tags=tuple((f"{name}{number}", f"{number}{tag}"[:60]) for name in "abc"),
    )


def call(number: int, *, error: str = "") -> CallOutcome:
    """A call that fills every counter and two histograms."""
    return CallOutcome(
        has_unit=False,
        refused=True,
        schema_failed=True,
        check_failed=True,
        unread=True,
        pin_mismatch=True,
        truncated=True,
        tokens=Tokens(input=MAX_COUNT, cached=number % 2, cache_written=10**9, output=10**9, reasoning=10**9),
        latency_ms=1.01 ** (number % 1700),
        first_token_ms=1.02 ** (number % 900),
        cost_usd=1.03 ** (number % 600) / 1e6,
        error=error,
    )


def many_rows(recorder: Recorder, number: int) -> None:
    recorder.opened(series(number), MINUTE)


def full_rows(recorder: Recorder, number: int) -> None:
    recorder.record(series(number), MINUTE, call(number))


def wide_rows(recorder: Recorder, number: int) -> None:
    recorder.record(series(number, wide=True), MINUTE, call(number))


def many_bins(recorder: Recorder, number: int) -> None:
    recorder.record(ROW, MINUTE + number // 1_800, call(number))


def many_errors(recorder: Recorder, number: int) -> None:
    recorder.record(ROW, MINUTE, call(number, error=f"{number}{WIDE * 90}"))


def unit(number: int) -> tuple[Assignment, Unit]:
    assignment = Assignment(app=f"app-{number}", channel="prod", epoch=3, revision=number, arm=Arm.CANARY)
    return assignment, Unit(id=f"{number:016x}", bucket=number % 10_000)


def guardrails(number: int, count: int) -> tuple[str, ...]:
    return tuple(f"score:w{place:02}-{number:058}" for place in range(count))


def few_guardrails(recorder: Recorder, number: int) -> None:
    assignment, found = unit(number)
    names = guardrails(number, 1)
    recorder.bad(BadUnit(assignment=assignment, unit=found, minute=MINUTE + number, guardrails=names))
    recorder.sampled(SampledUnit(assignment=assignment, unit=found, minute=MINUTE + number, could=names, bad=names))


def many_guardrails(recorder: Recorder, number: int) -> None:
    assignment, found = unit(number)
    names = guardrails(number, MAX_GUARDRAILS)
    recorder.bad(BadUnit(assignment=assignment, unit=found, minute=MINUTE + number, guardrails=names))
    recorder.sampled(SampledUnit(assignment=assignment, unit=found, minute=MINUTE + number, could=names, bad=names))


def short_feedback(recorder: Recorder, number: int) -> None:
    recorder.feedback(Feedback(call=f"{number}", name=f"n{number}", score=number / 1e9))


def wide_feedback(recorder: Recorder, number: int) -> None:
    recorder.feedback(Feedback(call=f"{number}{WIDE * 250}", name=f"n{number}", score=number / 1e9))


def kept_calls(recorder: Recorder, number: int) -> None:
    """Bad calls, with as many variables as one may have, until the room of all of them is used."""
    for place in range(30):
        variables = {f"{number}.{place}.{name}": WIDE * 10 for name in range(100)}
        recorder.keep(KeptCall(call=f"{number}{place}", prompt="p", at=0, kept=Kept.BAD, variables=variables))


ROW = series(0)
CALLS = (many_rows, full_rows, wide_rows, many_bins, many_errors)
UNITS = (few_guardrails, many_guardrails)
FEEDBACK = (short_feedback, wide_feedback)


@contextmanager
def traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def fill(recorder: Recorder, add: Callable[[Recorder, int], None]) -> None:
    """Adds until there is no room."""
    for number in range(1, 20_000):
        add(recorder, number)
        if recorder._dropped:
            return
    raise AssertionError("there is always room")


@pytest.mark.parametrize("add", [*CALLS, *UNITS, *FEEDBACK], ids=lambda add: add.__name__)
def test_what_waits_for_a_report_takes_no_more_than_its_room(add: Callable[[Recorder, int], None]) -> None:
    room = Room(sums=512 * KIB, units=96 * KIB, sampled=256 * KIB, feedback=96 * KIB)
    most = {CALLS: room.sums, UNITS: room.units + room.sampled, FEEDBACK: room.feedback}
    fill(Recorder(room), add)  # caches of names, and what else is made once
    with traced():
        recorder = Recorder(room)
        before = tracemalloc.get_traced_memory()[0]
        fill(recorder, add)
        used = tracemalloc.get_traced_memory()[0] - before
    assert 0 < used <= next(limit for kinds, limit in most.items() if add in kinds)


@pytest.mark.parametrize("count", [1, 100])
def test_a_kept_call_takes_no_more_than_its_room(count: int) -> None:
    def made(number: int) -> KeptCall:
        return KeptCall(
            call=f"{number}{WIDE * 200}", prompt="p", at=number, kept=Kept.BAD, trace=f"{number}t", latency_ms=10**9,
            tools=tuple(ToolUse(name=f"{number}{place}", latency_ms=10**9) for place in range(MAX_TOOLS)),
            variables={f"{number}.{place}": [place + 10**6, f"{place}{WIDE}", {"x": 1e9}] for place in range(count)},
        )  # fmt: skip

    made(1)
    with traced():
        before = tracemalloc.get_traced_memory()[0]
        calls = [made(number) for number in range(10)]
        used = tracemalloc.get_traced_memory()[0] - before
    assert used <= sum(map(room_of, calls)) < 6 * used


@pytest.mark.parametrize(
    ("calls", "units", "lines"),
    [
        (many_rows, many_guardrails, short_feedback),
        (full_rows, few_guardrails, short_feedback),
        (wide_rows, few_guardrails, wide_feedback),
        (many_bins, many_guardrails, wide_feedback),
        (many_errors, few_guardrails, wide_feedback),
    ],
    ids=lambda add: add.__name__,
)
def test_a_process_has_less_than_8_mib_while_one_report_is_encoded_and_the_next_is_filled(
    calls: Callable[[Recorder, int], None],
    units: Callable[[Recorder, int], None],
    lines: Callable[[Recorder, int], None],
) -> None:
    def filled(recorder: Recorder) -> Recorder:
        for add in (calls, units, lines):
            recorder._dropped.clear()
            fill(recorder, add)
        kept_calls(recorder, len(recorder._rows))
        return recorder

    filled(Recorder())
    with traced():
        recorder = filled(Recorder())
        sample, recorded = recorder.swap_sample(), recorder.swap()
        filled(recorder)
        calls_open = OpenCalls()
        for number in range(2 * MAX_OPEN):
            assignment, found = unit(number)
            calls_open.begin(f"pc1:{number}", OpenCall(assignment=assignment, unit=found, minute=MINUTE + number))
        report = OutcomeReport(
            client="0" * 32,
            number=1,
            channel="prod",
            lineage="one",
            sums=recorded.sums,
            bad_units=recorded.bad_units,
            sampled_units=sample,
            feedback=recorded.feedback,
            calls=recorded.calls,
            dropped=recorded.dropped,
        )
        data = encode(report)
        peak = tracemalloc.get_traced_memory()[1]
    assert peak < (8 << 20) - 512 * KIB  # the rest is for what waits to be sent, compressed
    assert decode(data, "prod") == report
    assert len(calls_open) == MAX_OPEN
    assert all(sums[Count.CALLS] or sums[Count.OPENED] for sums in report.sums.values())
