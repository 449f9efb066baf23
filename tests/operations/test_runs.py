"""Runs: opened before their first call, reported row by row, closed, and gone on with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from promptops.core.errors import Conflict, Invalid, KeyReused, NotAllowed, RunClosed, RunNotFound
from promptops.core.evidence.case_table import Arm, CaseTable, Row
from promptops.core.evidence.evidence import Evidence, table_of
from promptops.core.evidence.run import Run, Source, expected
from promptops.core.evidence.table_bytes import encode_table
from promptops.core.token import Scope
from promptops.operations.runs import (
    MOST_AT_ONCE,
    CloseRequest,
    OpenRequest,
    ReportRequest,
    RunState,
    close,
    open_run,
    report,
    runs,
    state,
)
from promptops.store import Registry, check_store
from tests.store.facts import ask
from tests.support.evidence import AT, case, row, run
from tests.support.factory import key, make_token

L = Arm.LIVE
HOUR = timedelta(hours=1)


def opened(registry: Registry, planned: Run, *, token: str = "", now: Any = AT, with_key: str = "") -> RunState:
    request = replace(OpenRequest.of(planned, key=with_key or key()), token=token)
    return open_run(registry, request, actor="ci", now=now)


def told(registry: Registry, planned: Run, *rows: Row, now: Any = AT, token: str = "") -> RunState:
    return report(registry, ReportRequest(run=planned.id, rows=rows, key=key(), token=token), now=now)


def closed(registry: Registry, planned: Run, *, now: Any = AT, **fields: Any) -> Evidence:
    return close(registry, CloseRequest(**{"run": planned.id, "key": key(), **fields}), actor="ci", now=now)


def every_row(planned: Run) -> list[Row]:
    return [row(place, arm, repeat) for place, arm, repeat in expected(planned)]


def lines(registry: Registry) -> list[str]:
    return [entry.action for entry in ask(registry, lambda reader: reader.audit())][::-1][1:]


def test_a_run_is_opened_reported_and_closed(registry: Registry) -> None:
    planned = run(cases=2)
    assert (opened(registry, planned).missing, lines(registry)) == (4, ["open-run"])
    after = told(registry, planned, row(0), row(0, L))
    assert (after.reported, after.missing, after.standing, after.evidence) == (2, 2, (), "")
    told(registry, planned, row(1, passed=False), row(1, L))
    assert lines(registry) == ["open-run"], "rows are no facts"
    evidence = closed(registry, planned)
    assert (evidence.complete, evidence.id, evidence.digest) == (True, f"{planned.id}.1", planned.candidate.digest)
    assert [(each.prompt, each.passed, each.failed) for each in evidence.counts] == [("answer", 1, 1)]
    kept = ask(registry, lambda reader: table_of(reader.one_evidence(evidence.id), reader.run(planned.id)))
    assert kept.rows == (row(0), row(0, L), row(1, passed=False), row(1, L))
    assert lines(registry) == ["open-run", "evidence"]
    assert check_store(registry) == ()
    assert [each.evidence for each in runs(registry, "support-bot")] == [evidence.id]


def test_a_run_is_opened_once(registry: Registry) -> None:
    planned = run()
    opened(registry, planned, with_key="a")
    opened(registry, planned, with_key="a", now=AT + HOUR)
    assert opened(registry, planned, with_key="b", now=AT + HOUR).at == AT
    assert lines(registry) == ["open-run"]
    with pytest.raises(Conflict, match="another run has the id"):
        opened(registry, run(cases=4))
    with pytest.raises(KeyReused):
        opened(registry, run(2), with_key="a")


def test_the_first_row_stands(registry: Registry) -> None:
    planned = run()
    opened(registry, planned)
    told(registry, planned, row(0, passed=False))
    again = told(registry, planned, row(0), row(1))
    assert (again.reported, again.standing) == (2, (row(0, passed=False),))
    assert told(registry, planned, row(0, passed=False), row(1)).standing == ()
    assert ask(registry, lambda reader: reader.run_rows(planned.id)) == (row(0, passed=False), row(1))


def test_a_run_that_is_closed_before_its_end_says_why_and_may_go_on(registry: Registry) -> None:
    planned = run(cases=2)
    opened(registry, planned)
    told(registry, planned, row(0))
    with pytest.raises(Invalid, match="3 of the 4 rows"):
        closed(registry, planned)
    first = closed(registry, planned, note="the provider is down")
    assert (first.complete, first.number, first.note) == (False, 1, "the provider is down")
    assert closed(registry, planned, note="still") == first, "nothing came since"
    told(registry, planned, *every_row(planned))
    second = closed(registry, planned)
    assert (second.complete, second.number, second.id) == (True, 2, f"{planned.id}.2")
    assert closed(registry, planned) == second
    assert check_store(registry) == ()


def test_a_run_without_a_row_can_be_closed(registry: Registry) -> None:
    planned = run(cases=2)
    opened(registry, planned)
    evidence = closed(registry, planned, note="no credit left")
    assert (evidence.complete, evidence.counts) == (False, ())
    assert table_of(evidence, planned).rows == ()


def test_a_day_after_it_was_opened_a_run_takes_no_row_and_can_still_be_closed(registry: Registry) -> None:
    planned = run(cases=2)
    opened(registry, planned)
    told(registry, planned, row(0), now=AT + 23 * HOUR)
    with pytest.raises(RunClosed, match="more than a day"):
        told(registry, planned, row(1), now=AT + 24 * HOUR)
    assert told(registry, planned, row(0), now=AT + 24 * HOUR).reported == 1, "what is there may be sent again"
    assert closed(registry, planned, note="too slow", now=AT + 30 * HOUR).complete is False


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([row(2)], "row of case 2, candidate, repeat 1 is not in the plan"),
        ([row(0, Arm.ANCHOR)], "not in the plan"),
        ([row(0, repeat=2)], "not in the plan"),
        ([row(1, L)], "not in the plan"),  # it is unchanged
        ([row(0), row(0, passed=False)], "each row once"),
        ([row(0)] * (MOST_AT_ONCE + 1), "at most 1,000"),
    ],
)
def test_rows_that_no_run_has_are_refused(registry: Registry, rows: list[Row], problem: str) -> None:
    planned = run(cases=[case(0), case(1, unchanged=True)])
    opened(registry, planned)
    with pytest.raises(Invalid, match=problem):
        told(registry, planned, *rows)
    assert ask(registry, lambda reader: reader.row_count(planned.id)) == 0


def test_a_run_that_was_never_opened_takes_nothing(registry: Registry) -> None:
    with pytest.raises(RunNotFound):
        told(registry, run(), row(0))
    with pytest.raises(RunNotFound):
        closed(registry, run(), note="never")
    with pytest.raises(RunNotFound):
        state(registry, "0" * 32)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"plan": b"nothing"}, "damaged"),
        ({"plan": encode_table(CaseTable(cases=()))}, "planned with cases"),
        ({"source": Source.IMPORT}, "neither"),
        ({"id": "../x"}, "not the id of a run"),
    ],
)
def test_a_run_that_cannot_be_is_not_opened(registry: Registry, fields: dict[str, Any], problem: str) -> None:
    request = replace(OpenRequest.of(run(), key=key()), **fields)
    with pytest.raises(Invalid, match=problem):
        open_run(registry, request, actor="ci", now=AT)
    assert lines(registry) == []


def test_a_run_belongs_to_the_token_that_opened_it(registry: Registry) -> None:
    mine, other = (make_token(registry, name, scopes=(Scope.EVIDENCE,)).token for name in ("ci", "other"))
    planned = run()
    opened(registry, planned, token=mine.id)
    for token in (other.id, ""):
        with pytest.raises(NotAllowed, match="another token"):
            told(registry, planned, row(0), token=token)
        with pytest.raises(NotAllowed, match="another token"):
            closed(registry, planned, note="mine now", token=token)
        with pytest.raises(NotAllowed, match="another token"):
            opened(registry, planned, token=token)
    told(registry, planned, row(0), token=mine.id)
    evidence = closed(registry, planned, note="enough", token=mine.id)
    assert (evidence.token, evidence.token_name) == (mine.id, "ci")


def test_many_processes_at_once_lose_and_double_no_row(registry: Registry, registry_url: str) -> None:
    """Every thread has a connection of its own, reports every row in an order of its own, and closes now and then."""
    planned = run(cases=12, repeats=2)
    opened(registry, planned)
    rows = every_row(planned)

    def work(number: int) -> None:
        with closing(Registry.open(registry_url)) as own:
            opened(own, planned)
            mine = [replace(each, latency_ms=float(number)) for each in rows[number * 7 :] + rows[: number * 7]]
            for start in range(0, len(mine), 8):
                told(own, planned, *mine[start : start + 8])
                if start % 3 == 0:
                    closed(own, planned, note="now and then")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    evidence = closed(registry, planned)
    assert evidence.complete
    kept = table_of(evidence, planned)
    assert {each.place for each in kept.rows} == set(expected(planned))
    assert set(kept.rows) == set(ask(registry, lambda reader: reader.run_rows(planned.id)))
    numbers = [each.number for each in ask(registry, lambda reader: reader.evidence(run=planned.id))]
    assert numbers == list(range(1, evidence.number + 1))
    assert lines(registry).count("open-run") == 1
    assert check_store(registry) == ()
