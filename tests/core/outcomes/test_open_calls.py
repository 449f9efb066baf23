"""Calls that began and never ended are found after ten minutes, each once."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import Invalid
from promptops.core.outcomes.open_calls import MAX_OPEN, OVERDUE, OpenCall, OpenCalls
from promptops.core.outcomes.report import BadUnit, Guardrail
from promptops.core.outcomes.units import Unit
from tests.core.outcomes.nouns import ANSWER, MINUTE, UNIT

OPENED = OpenCall(assignment=ANSWER.assignment, unit=UNIT, minute=MINUTE)


def unit(number: int) -> Unit:
    return Unit(id=f"{number:016x}")


def test_a_call_is_overdue_after_ten_minutes_and_once() -> None:
    calls = OpenCalls()
    assert calls.begin("one", OPENED)
    assert calls.overdue(MINUTE + OVERDUE) == ()
    expected = BadUnit(assignment=ANSWER.assignment, unit=UNIT, minute=MINUTE + 11, guardrails=(Guardrail.UNRECORDED,))
    assert calls.overdue(MINUTE + 11) == (expected,)
    assert calls.overdue(MINUTE + 12) == ()
    calls.end("one")  # late, and no error
    assert len(calls) == 0


def test_a_clock_that_goes_back_makes_no_call_overdue() -> None:
    calls = OpenCalls()
    calls.begin("one", OPENED)
    assert calls.overdue(MINUTE - 1_000) == ()
    assert len(calls) == 1


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), max_size=60))
def test_every_call_ends_or_is_overdue(steps: list[tuple[bool, int, int]]) -> None:
    calls, expected, minute = OpenCalls(), dict[int, int](), MINUTE
    for begins, number, passed in steps:
        minute += passed
        if begins:
            opened = OpenCall(assignment=ANSWER.assignment, unit=unit(number), minute=minute)
            assert calls.begin(number, opened)
            expected[number] = minute
        else:
            calls.end(number)
            expected.pop(number, None)
        late = {number for number, since in expected.items() if minute - since > 10}
        assert {entry.unit for entry in calls.overdue(minute)} == {unit(number) for number in late}
        expected = {number: since for number, since in expected.items() if number not in late}
    assert len(calls) == len(expected)


def test_more_calls_than_there_is_room_for_are_not_watched() -> None:
    calls = OpenCalls()
    watched = [calls.begin(number, OPENED) for number in range(MAX_OPEN + 1)]
    assert watched == [True] * MAX_OPEN + [False]
    calls.end(0)
    assert calls.begin("another", OPENED)


def test_a_minute_that_is_none_takes_no_call_out() -> None:
    calls = OpenCalls()
    calls.begin("one", OPENED)
    with pytest.raises(Invalid):
        calls.overdue(2**31)
    assert len(calls) == 1


def test_calls_begin_and_end_in_threads_while_others_are_looked_for() -> None:
    calls, done, found = OpenCalls(), threading.Event(), list[BadUnit]()

    def work(worker: int) -> None:
        for number in range(400):
            calls.begin((worker, number), OPENED)
            if number % 2:
                calls.end((worker, number))

    def look() -> None:
        while not done.is_set():
            found.extend(calls.overdue(MINUTE + 20))

    looking = threading.Thread(target=look)
    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(2)]
    for thread in (looking, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    looking.join()
    found.extend(calls.overdue(MINUTE + 20))
    assert len(calls) == 0
    assert 400 <= len(found) <= 800  # a call may be seen between its begin and its end
