"""Calls that are kept by themselves, as the registry takes, finds and forgets them, on both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Update

from promptops.core.declarations import Capture
from promptops.core.errors import RegistryDamaged
from promptops.core.outcomes.admission import OLDEST
from promptops.core.outcomes.call_outcome import Count, Tokens
from promptops.core.outcomes.kept_call import Kept, KeptCall, PlacedCall, ToolUse
from promptops.core.outcomes.series import Assignment
from promptops.core.outcomes.units import Unit
from promptops.operations.outcomes import Document, Reported, report_key, take
from promptops.store import Registry, Writer
from promptops.store.queries import kept_calls
from promptops.store.queries.outcome_desk import OutcomeDesk
from promptops.store.schema import tables
from tests.support import factory
from tests.support.factory import START
from tests.support.reports import CALL, MINUTE, assignment, call_id, report, series

AT = int(START.timestamp())
UNIT = Unit(id="9f86d081884c7d65", bucket=4711)


@pytest.fixture
def live(registry: Registry) -> Registry:
    """`bot` at revision 1 of prod, which declares that variables are captured."""
    factory.make_channels(registry)
    [release] = factory.make_releases(registry, "bot", 1)
    factory.go_live(registry, f"bot@{release.version}")
    factory.declare(registry, capture=Capture.VARIABLES)
    return registry


def call(
    registry: Registry,
    number: int = 0,
    *,
    place: Assignment | None = None,
    unit: Unit | None = UNIT,
    variables: Mapping[str, object] | None = None,
) -> KeptCall:
    """A call with the seal of the registry."""
    secret = report_key(registry).secret
    name = call_id(registry.lineage, secret, place=place, random=number, unit=unit)
    return KeptCall(
        call=name, prompt="answer", at=AT, kept=Kept.BAD, version="1.0.0", flags=(Count.BAD,), error="TimeoutError",
        tokens=Tokens(input=9), tools=(ToolUse(name="search", latency_ms=40),), trace=f"trace-{number}",
        response=f"answer-{number}", variables=variables,
    )  # fmt: skip


def send(registry: Registry, *calls: KeptCall, number: int = 1, minutes: float = 0, app: str = "") -> Reported:
    """What is answered to a document with these calls, of a token for one app or for all."""
    made = replace(report(registry.lineage, number), calls=calls)
    document = Document(report=made, allows=lambda channel, of: not app or of == app)
    [answer] = take(registry, [document], now=factory.minutes(minutes)).answers
    assert isinstance(answer, Reported), answer
    return answer


def found(registry: Registry, name: str) -> tuple[PlacedCall, ...]:
    with registry.read() as reader:
        return reader.kept_calls(name)


def test_a_kept_call_is_found_by_its_id_its_trace_and_its_answer(live: Registry) -> None:
    one, other = call(live, 1, variables={"question": "Where?", "n": [1, 2.5, None]}), call(live, 2, unit=None)
    assert send(live, one, other).left_out == {}
    expected = (PlacedCall(call=one, assignment=assignment(), unit=UNIT.id),)
    assert found(live, one.call) == found(live, "trace-1") == found(live, "answer-1") == expected
    assert found(live, other.call) == (PlacedCall(call=other, assignment=assignment()),)
    assert found(live, "") == found(live, "trace-3") == ()


def test_a_call_is_kept_once_as_it_came_first(live: Registry) -> None:
    one = call(live, 1)
    send(live, one)
    send(live, replace(one, error="Other"), number=2)
    assert [each.call for each in found(live, one.call)] == [one]


def test_a_call_of_a_process_without_the_secret_is_kept_without_its_unit(live: Registry) -> None:
    captured = call(live, variables={"question": "Where?"})
    unsealed = replace(captured, api="chat", call=call_id(live.lineage, unit=UNIT))
    assert send(live, unsealed).left_out == {}
    [kept] = found(live, unsealed.call)
    assert (kept.unit, kept.call.variables, kept.call.api) == ("", None, "")  # no key could erase them


def test_variables_are_kept_while_the_app_declares_it_whatever_a_client_sends(live: Registry) -> None:
    calls = [call(live, number, variables={"question": "Where?"}) for number in range(3)]
    for number, (capture, one) in enumerate(zip((None, Capture.OFF, Capture.VARIABLES), calls, strict=True), 1):
        if capture:
            factory.declare(live, capture=capture)
        send(live, one, number=number)
    assert [found(live, one.call)[0].call.variables is None for one in calls] == [False, True, False]


def test_what_no_process_of_this_channel_can_have_made_is_left_out_and_the_rest_counts(live: Registry) -> None:
    good = call(live, 1)
    elsewhere = "0b0e11aa-6c1f-4f6e-9d52-6a5f2a4f8f10"
    answer = send(
        live,
        good,
        replace(good, call=good.call[:-8] + "AAAAAAAA"),
        replace(good, call=call_id(elsewhere, report_key(live).secret)),
        replace(good, call="no call id"),
        replace(good, prompt="other"),
        call(live, 2, place=assignment(channel="staging")),
        call(live, 3, place=assignment("unknown")),
        call(live, 4, place=assignment(revision=9)),
        replace(call(live, 5), at=AT - 60 * OLDEST - 60),
    )
    assert answer.left_out == {"forged": 1, "foreign": 1, "malformed": 3, "unknown": 2, "old": 1}
    with live.read() as reader:
        assert [row.call for row in reader._connection.execute(tables.kept_call.select())] == [good.call]
        assert {row.series: row.sums for row in reader.outcome_rows("bot", since=START, now=START)} == {series(): CALL}


def test_a_token_for_another_app_keeps_no_call(live: Registry) -> None:
    one = call(live)
    assert send(live, one, app="other").left_out == {"unknown": 2}  # the call, and the row of sums
    assert found(live, one.call) == ()


def test_a_day_has_room_for_so_many_calls_of_an_app_and_the_next_day_for_more(
    live: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_calls, "MOST_A_DAY", 3)
    calls = [call(live, number) for number in range(5)]
    done = take(live, [Document(report=replace(report(live.lineage), calls=tuple(calls)))], now=START)
    assert Counter(done.left_out) == {"calls": 2}
    assert [bool(found(live, each.call)) for each in calls] == [True, True, True, False, False]
    send(live, calls[4], number=2, minutes=24 * 60)
    assert found(live, calls[4].call)


def test_a_call_is_deleted_after_thirty_days(live: Registry) -> None:
    one = call(live)
    send(live, one)

    def prune(days: float) -> None:
        now = factory.minutes(days * 24 * 60)
        live.write(lambda writer: writer.outcomes().prune(now, chance=1))

    prune(30)
    assert found(live, one.call)
    prune(30.01)
    assert not found(live, one.call)


def test_a_row_that_was_changed_is_damage_and_not_a_call(live: Registry) -> None:
    one = call(live)
    send(live, one)
    for about in ("{}", "no JSON", '{"assignment":{},"call":{}}'):
        change = tables.kept_call.update().values(about=about)
        live.write(partial(_execute, change))
        with pytest.raises(RegistryDamaged, match="a row about a call"):
            found(live, one.call)


def _execute(change: Update, writer: Writer) -> None:
    writer._connection.execute(change)


def test_the_desk_keeps_nothing_where_nothing_came(live: Registry) -> None:
    live.write(lambda writer: OutcomeDesk.add_calls(writer.outcomes(), (), START))
    with live.read() as reader:
        assert not reader._connection.execute(tables.kept_call.select()).all()
    assert MINUTE == AT // 60
