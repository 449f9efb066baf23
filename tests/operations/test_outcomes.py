"""Reports of clients as the registry counts them: once, in the right row, for the right release, on both databases."""

from __future__ import annotations

import random
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from promptops.core.errors import Conflict, Invalid, RegistryMismatch
from promptops.core.outcomes.admission import MAX_SERIES, OLDEST, LeftOut
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.counted_numbers import WINDOW
from promptops.core.outcomes.report import BadUnit, OutcomeReport, SampledUnit
from promptops.core.outcomes.series import Arm, Assignment, Series
from promptops.core.outcomes.sums import Sums
from promptops.core.outcomes.units import EVERY, Unit
from promptops.operations.outcomes import Document, Reported, Taken, take
from promptops.operations.outcomes import report as take_document
from promptops.store import Registry
from promptops.store.queries.outcomes import KEPT
from promptops.wire.outcomes import encode
from tests.operations.counting import counted, fill, rows, send, stored
from tests.support import factory
from tests.support.factory import START
from tests.support.reports import CALL, FAILED, MINUTE, assignment, calls, report, series, total

OTHER_CLIENT = "f" * 32


@pytest.fixture
def told(registry: Registry) -> Registry:
    fill(registry)
    return registry


# --- once ------------------------------------------------------------------------------------------


def test_a_document_counts_once_however_often_it_comes(told: Registry) -> None:
    one = report(told.lineage)
    assert [each.counted for each in send(told, one)] == [True]
    assert [each.counted for each in send(told, one, one)] == [False, False]
    assert counted(told) == CALL
    assert [each.counted for each in send(told, replace(one, number=2), replace(one, client=OTHER_CLIENT))] == [
        True
    ] * 2
    assert counted(told) == calls_like(CALL, 3)
    assert [each.counted for each in send(told, replace(one, client="a" * 32), replace(one, client="a" * 32))] == [
        True,
        False,
    ]


def calls_like(sums: Sums, count: int) -> Sums:
    return total([sums] * count)


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
def test_documents_count_once_in_any_order(told: Registry, order: tuple[int, ...]) -> None:
    documents = {number: report(told.lineage, number, {(series(), MINUTE): calls(10**number)}) for number in order}
    for number in order:
        send(told, documents[number])
        send(told, *(documents[each] for each in order))
    assert counted(told)[Count.CALLS] == 1_110


def test_a_document_that_is_too_late_to_know_is_refused_and_not_counted(told: Registry) -> None:
    send(told, report(told.lineage, WINDOW + 1))
    assert send(told, report(told.lineage, 2))[0].counted
    [answer] = take(told, [Document(report=report(told.lineage, 1))], now=START).answers
    assert isinstance(answer, Conflict)
    assert counted(told)[Count.CALLS] == 2


def test_the_numbers_belong_to_a_token_and_a_channel(told: Registry) -> None:
    one = report(told.lineage)
    take(told, [Document(report=one, token="tA"), Document(report=one, token="tB")], now=START)
    assert counted(told)[Count.CALLS] == 2


def test_of_documents_that_come_at_once_from_many_processes_each_counts_once(told: Registry, registry_url: str) -> None:
    lot = random.Random(7)
    documents = [report(told.lineage, number, client=f"{client:032x}") for client in range(4) for number in range(1, 9)]
    sent = [lot.sample(documents, len(documents)) for _ in range(3)]
    answers: list[Taken] = []

    def work(mine: list[OutcomeReport]) -> None:
        with closing(Registry.open(registry_url)) as registry:
            for start in range(0, len(mine), 5):
                batch = [Document(report=each) for each in mine[start : start + 5]]
                answers.append(take(registry, batch, now=START))

    threads = [threading.Thread(target=work, args=[mine]) for mine in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(taken.answers) for taken in answers) == 3 * len(documents)
    assert counted(told) == calls_like(CALL, len(documents))


# --- what counts -------------------------------------------------------------------------------------


def test_another_registry_is_refused_and_its_neighbours_count(told: Registry) -> None:
    strange = report("0b0e11aa-6c1f-4f6e-9d52-6a5f2a4f8f10")
    done = take(told, [Document(report=strange), Document(report=report(told.lineage, client=OTHER_CLIENT))], now=START)
    assert isinstance(done.answers[0], RegistryMismatch)
    assert isinstance(done.answers[1], Reported)
    assert counted(told) == CALL


@pytest.mark.parametrize(
    "unknown",
    [
        assignment("nobody"),
        assignment(revision=4),
        replace(assignment(), epoch=2),
        replace(assignment(), revision=0),
        replace(assignment(), epoch=0, arm=Arm.FIXED),
    ],
    ids=str,
)
def test_what_the_channel_never_had_is_left_out_and_counted(told: Registry, unknown: object) -> None:
    mixed = {(series(unknown), MINUTE): FAILED, (series(), MINUTE): CALL}  # type: ignore[arg-type]
    bad = BadUnit(assignment=unknown, unit=Unit(id="0" * 16), minute=MINUTE, guardrails=("error",))  # type: ignore[arg-type]
    [answer] = send(told, report(told.lineage, sums=mixed, bad=(bad,)))
    assert answer.left_out == {LeftOut.UNKNOWN: 2}
    assert counted(told) == CALL
    assert stored(told, "bad_unit") == []


def test_a_fallback_and_an_earlier_epoch_count(told: Registry) -> None:
    told.write(lambda writer: writer.raise_epoch(at=START, actor=factory.ACTOR, action="restore"))
    fallback = replace(assignment(), revision=0, arm=Arm.FIXED)
    both = {(series(fallback), MINUTE): CALL, (series(assignment(revision=900)), MINUTE): CALL}
    assert send(told, report(told.lineage, sums=both))[0].left_out == {}
    assert counted(told) == calls_like(CALL, 2)


def test_a_token_reports_for_its_own_apps_alone(told: Registry) -> None:
    both = {(series(), MINUTE): CALL, (series(assignment("other")), MINUTE): CALL}
    document = Document(report=report(told.lineage, sums=both), allows=lambda channel, app: app == "bot")
    [answer] = take(told, [document], now=START).answers
    assert isinstance(answer, Reported)
    assert (answer.left_out, answer.sample) == ({LeftOut.UNKNOWN: 1}, {"bot": EVERY})
    assert counted(told) == CALL
    assert counted(told, "other") == Sums()


def test_a_time_to_come_is_now_and_a_time_long_ago_is_left_out(told: Registry) -> None:
    ahead = {(series(), MINUTE + 500_000): CALL, (series(), MINUTE): CALL}
    assert send(told, report(told.lineage, sums=ahead))[0].left_out == {}
    assert counted(told) == calls_like(CALL, 2)
    assert {row["start"] for row in stored(told, "outcome") if row["span"] == 1} == {MINUTE}
    old = {(series(), MINUTE - OLDEST - 1): CALL, (series(), MINUTE - OLDEST): CALL}
    assert send(told, report(told.lineage, 2, old))[0].left_out == {LeftOut.OLD: 1}


def test_of_too_many_series_in_a_day_the_rest_is_joined_and_then_left_out(told: Registry) -> None:
    models = [series(model=f"acme/{number}", language=str(number)) for number in range(MAX_SERIES + 50)]
    send(told, report(told.lineage, 1, {(each, MINUTE): CALL for each in models}))
    assert counted(told) == calls_like(CALL, MAX_SERIES + 50)
    assert len({row.series for row in rows(told)}) == MAX_SERIES + 1
    prompts = [series(prompt=f"p{number}") for number in range(2 * MAX_SERIES)]
    done = take(told, [Document(report=report(told.lineage, 2, {(each, MINUTE): CALL for each in prompts}))], now=START)
    assert done.left_out == {LeftOut.SERIES: MAX_SERIES + 1}
    assert counted(told)[Count.CALLS] == 3 * MAX_SERIES + 50 - MAX_SERIES - 1
    send(told, report(told.lineage, 3, {(models[0], MINUTE + 1): CALL}), minutes=1)
    assert counted(told, minutes=1)[Count.CALLS] == 2 * MAX_SERIES + 50


def test_a_client_with_the_database_itself_reports_the_same(told: Registry) -> None:
    body = encode(report(told.lineage))
    assert take_document(told, "prod", body, now=START) == Reported(number=1, counted=True, sample={"bot": EVERY})
    assert not take_document(told, "prod", body, now=START).counted
    with pytest.raises(RegistryMismatch):
        take_document(told, "prod", encode(report("00000000-x")), now=START)
    with pytest.raises(Invalid):
        take_document(told, "prod", b"{}", now=START)
    assert counted(told) == CALL


# --- rows ----------------------------------------------------------------------------------------------


def test_each_call_is_read_once_whatever_time_is_asked_for(told: Registry) -> None:
    lot, sums = random.Random(3), dict[tuple[Series, int], Sums]()
    when = sorted(lot.sample(range(MINUTE - 50 * KEPT[1], MINUTE), 300))
    for start in range(0, 300, 100):
        sums = {(series(revision_of(lot)), minute): CALL for minute in when[start : start + 100]}
        send(told, report(told.lineage, 1 + start, {k: v for k, v in sums.items() if k[1] >= MINUTE - OLDEST}))
    kept = [minute for minute in when if minute >= MINUTE - OLDEST]
    for days in (0.1, 1, 1.7, 2, 5, 7, 30, 59, 60, 90):
        found = rows(told, days=days)
        begin = min((row.minute for row in found), default=MINUTE)
        assert begin >= MINUTE - days * 1_440
        assert total([row.sums for row in found])[Count.CALLS] == sum(minute >= begin for minute in kept)
    until = START - timedelta(days=3, minutes=7)
    with told.read() as reader:
        some = list(reader.outcome_rows("bot", since=until - timedelta(days=4), until=until, now=START))
    assert all(row.minute + row.width <= until.timestamp() / 60 for row in some)
    assert some


def revision_of(lot: random.Random) -> Assignment:
    return assignment(revision=lot.randint(1, 3))


def test_finer_rows_are_deleted_first_and_the_sums_stay(told: Registry) -> None:
    for number, days in enumerate((50, 10, 1, 0), 1):
        at = MINUTE - days * 1_440
        send(told, report(told.lineage, number, {(series(), at): CALL}))
    unit = BadUnit(assignment=assignment(), unit=Unit(id="0" * 16), minute=MINUTE, guardrails=("error",))
    send(told, report(told.lineage, 5, {}, bad=(unit,)))

    def prune(days: float) -> dict[int, int]:
        told.write(lambda writer: writer.outcomes().prune(START + timedelta(days=days), chance=1))
        spans = [row["span"] for row in stored(told, "outcome")]
        return {span: spans.count(span) for span in (1, 60, 1_440)}

    assert prune(0) == {1: 2, 60: 4, 1_440: 4}
    assert prune(1.5) == {1: 1, 60: 4, 1_440: 4}
    assert prune(20) == {1: 0, 60: 3, 1_440: 4}
    assert counted(told, days=90, minutes=20 * 1_440)[Count.CALLS] == 4
    assert (len(stored(told, "outcome_client")), len(stored(told, "bad_unit"))) == (1, 1)
    assert prune(61) == {1: 0, 60: 0, 1_440: 4}
    assert (stored(told, "outcome_client"), stored(told, "bad_unit")) == ([], [])
    assert prune(500) == {1: 0, 60: 0, 1_440: 0}


# --- units -----------------------------------------------------------------------------------------------


def test_a_bad_unit_is_one_row_with_its_first_three_minutes_in_any_order(told: Registry) -> None:
    unit = Unit(id="9f86d081884c7d65", bucket=4711)

    def bad(minute: int, *guardrails: str) -> BadUnit:
        return BadUnit(assignment=assignment(), unit=unit, minute=MINUTE - 10 + minute, guardrails=guardrails)

    send(told, report(told.lineage, 1, {}, bad=(bad(7, "error"), bad(5, "error", "refusal"))))
    send(told, report(told.lineage, 2, {}, bad=(bad(5, "error"), bad(1, "error"), bad(9, "error"))))
    found = {row["guardrail"]: row for row in stored(told, "bad_unit")}
    first = MINUTE - 10
    assert found["error"]["minutes"] == f"[{first + 1}, {first + 5}, {first + 7}]"
    assert (found["error"]["minute"], found["error"]["bucket"]) == (first + 9, 4711)
    assert found["refusal"]["minutes"] == f"[{first + 5}]"


def test_a_unit_of_the_sample_is_one_row_a_day_with_all_that_it_could_show(told: Registry) -> None:
    def seen(minute: int, could: tuple[str, ...], bad: tuple[str, ...] = ()) -> SampledUnit:
        unit = Unit(id="9f86d081884c7d65")
        return SampledUnit(assignment=assignment(), unit=unit, minute=MINUTE - 10 + minute, could=could, bad=bad)

    send(told, report(told.lineage, 1, {}, sampled=(seen(5, ("error",)),)))
    send(told, report(told.lineage, 2, {}, sampled=(seen(3, ("error", "slow"), ("slow",)),)))
    [row] = stored(told, "sample_unit")
    assert (row["minute"], row["could"], row["bad"]) == (MINUTE - 7, '["error", "slow"]', '["slow"]')


def test_an_app_with_many_keys_gets_a_smaller_sample(told: Registry) -> None:
    lot = random.Random(11)
    keys, threshold = 60_000, EVERY // 4
    ids = [f"{lot.getrandbits(64):016x}" for _ in range(keys)]
    taken = [each for each in ids if int(each[:8], 16) < threshold]
    units = tuple(
        SampledUnit(assignment=assignment(), unit=Unit(id=each), minute=MINUTE, could=("error",)) for each in taken
    )
    send(told, report(told.lineage, 1, {(series(), MINUTE): CALL}, sampled=units))
    [answer] = send(told, report(told.lineage, 2))
    assert answer.sample["bot"] / EVERY == pytest.approx(10_000 / keys, rel=0.15)
    with told.read() as reader:
        found = reader.outcome_keys("bot", since=START - timedelta(days=1))
    assert found[assignment()] == pytest.approx(keys, rel=0.1)
