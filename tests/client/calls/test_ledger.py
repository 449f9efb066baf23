"""The sums of a process stay within their memory, and calls that hang are noticed."""

from __future__ import annotations

import gc
import tracemalloc
from contextlib import suppress

import promptops.core.schema.validation  # noqa: F401  # loaded before memory is counted
from promptops.client.calls.desk import CallDesk
from promptops.client.calls.ledger import Ledger, ledger_at
from promptops.client.prompt import Prompt
from promptops.client.state.lookup_view import View
from promptops.core.model import ReleaseRef
from promptops.core.outcomes.report import Feedback, OutcomeReport
from promptops.wire.outcomes import decode
from tests.client import made
from tests.client.calls.said import LINEAGE, answer, counts, with_schema
from tests.client.fake_server import SECRET

MEMORY = 8 << 20


class Time:
    """The time of day, as a test moves it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def desk() -> CallDesk:
    found = CallDesk("prod")
    found.take_key(LINEAGE, SECRET)
    return found


def served(at: CallDesk, release: ReleaseRef) -> Prompt:
    snapshot = made.snapshot({"bot": made.pointer(17, release)}, epoch=3, lineage=LINEAGE)
    return View.make(made.held(snapshot), channel="prod", desk=at).resolve("bot/answer")


def document(ledger: Ledger, number: int = 1, *, last: bool = False) -> OutcomeReport | None:
    data = ledger.document(client="0" * 32, number=number, lineage=LINEAGE, sdk="promptops", last=last)
    return None if data is None else decode(data, "prod")


def test_a_call_that_hangs_for_ten_minutes_makes_its_key_bad_once() -> None:
    at, time = desk(), Time()
    ledger = at.open(lambda desk, share: Ledger(desk, share, now=time))
    prompt = served(at, made.release("bot", "1.0.0"))
    with prompt.call(key="ada") as hanging:
        pass
    with prompt.call(key="ben") as call:
        call.record(answer())
    first = document(ledger)
    assert first is not None
    assert first.bad_units == ()
    time.now += 11 * 60
    second = document(ledger, 2)
    assert second is not None
    assert [(entry.unit, entry.guardrails) for entry in second.bad_units] == [(hanging._unit, ("unrecorded",))]
    hanging.record(answer())
    third = document(ledger, 3)
    assert third is not None
    assert counts([third]) == {"calls": 1}
    assert document(ledger, 4) is None


def test_the_sample_comes_once_an_hour_and_every_ten_minutes_in_a_rollout() -> None:
    at, time = desk(), Time()
    at.samples = {"bot": 2**32}
    ledger = at.open(lambda desk, share: Ledger(desk, share, now=time))
    stable, canary = made.release("bot", "1.0.0"), made.release("bot", "2.0.0")

    def sampled(prompt: Prompt, minutes: int) -> int:
        time.now += 60 * minutes
        with prompt.call(key="ada") as call:
            call.record(answer())
        report = document(ledger)
        return 0 if report is None else len(report.sampled_units)

    plain = served(at, stable)
    assert [sampled(plain, 11) for _ in range(6)] == [0, 0, 0, 0, 0, 1]
    snapshot = made.snapshot(
        {"bot": made.pointer(18, stable, canary=canary, weight=100)}, epoch=3, lineage=LINEAGE, cursor=2
    )
    ramped = View.make(made.held(snapshot), channel="prod", desk=at).resolve("bot/answer", "ada")
    assert [sampled(ramped, 11) for _ in range(3)] == [1, 1, 1]
    assert sampled(ramped, 9) == 0


def test_the_sample_comes_sooner_where_half_of_its_room_is_used() -> None:
    at = desk()
    at.samples = {"bot": 2**32}
    prompt, ledger = served(at, made.release("bot", "1.0.0")), ledger_at(at)
    keys, sampled = [f"key-{number}" for number in range(2_000)], []
    for number, key in enumerate(keys, start=1):
        with prompt.call(key=key) as call:
            call.record(answer())
        if ledger.has_much:
            report = document(ledger, number)
            assert report is not None
            sampled += [entry.unit for entry in report.sampled_units]
            assert not ledger.has_much, "the document made room"
    rest = document(ledger, len(keys) + 1, last=True)
    assert rest is not None
    assert len({*sampled, *(entry.unit for entry in rest.sampled_units)}) == len(keys)
    assert at.dropped() == {}


def test_memory_has_a_limit_while_no_report_arrives() -> None:
    at = desk()
    at.samples = {"bot": 2**32}
    prompt, ledger = served(at, with_schema("9.0.0")), ledger_at(at)
    _fill(prompt, ledger, "warm", 2)
    document(ledger)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        _fill(prompt, ledger, "a", 1_200)
        waiting = ledger.document(client="0" * 32, number=2, lineage=LINEAGE, sdk="promptops", last=True)
        _fill(prompt, ledger, "b", 1_200)
        assert waiting
        assert tracemalloc.get_traced_memory()[1] - before < MEMORY
    finally:
        tracemalloc.stop()
    assert at.dropped().keys() == {"calls", "units", "sampled", "feedback"}


def test_what_is_dropped_and_what_is_reported_is_all_there_was() -> None:
    at = desk()
    prompt, ledger = served(at, with_schema("9.0.0")), ledger_at(at)
    _fill(prompt, ledger, "a", 800)
    report = document(ledger, last=True)
    assert report is not None
    sent = counts([report])
    assert sent["opened"] + sent["calls"] + at.dropped()["calls"] == 2 * 800 * 2
    assert len(report.feedback) + at.dropped()["feedback"] == 800


def _fill(prompt: Prompt, ledger: Ledger, name: str, times: int) -> None:
    """Good calls with answers to be judged, by many models, calls with many kinds of errors, and feedback."""
    for number in range(times):
        with prompt.call(key=f"{name}{number}") as call:
            call.record(answer("x" * 2_000 + str(number), model=f"{name}-{number % 1_000}"))
        with suppress(Exception), prompt.call(key=f"{name}-{number}"):
            raise type(f"Error{number % 500}", (Exception,), {})
        ledger.feedback(Feedback(call=f"pc1:{number}:" + "x" * 200, name="resolved"))


def test_a_child_that_was_forked_in_c_counts_anew_and_leaves_the_calls_of_its_parent() -> None:
    at = desk()
    prompt = served(at, made.release("bot", "1.0.0"))
    with prompt.call(key="parent") as call:
        at._mark[0] = 0  # the system empties this page in a child
        call.record(answer())
    with prompt.call(key="child") as call:
        call.record(answer())
    report = document(ledger_at(at))
    assert report is not None
    assert counts([report]) == {"opened": 1, "calls": 1}
