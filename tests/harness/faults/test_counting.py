"""The part about outcomes can fail: it sees a document that is lost, and one that is counted twice."""

from __future__ import annotations

from tests.harness.faults.counting import judge
from tests.harness.faults.report import Row


def judged(total: int) -> Row:
    """What is found where documents 1, 2 and 3 were sent, and 1 and 2 acknowledged."""
    row = Row(part="outcomes", what="one", database="SQLite", rounds=1)
    judge(row, "round 1", total, {1, 2, 3}, {1, 2})
    return row


def test_what_was_in_flight_may_be_there_or_not() -> None:
    assert judged(1 + 4).ok
    assert judged(1 + 4 + 16).ok


def test_what_was_acknowledged_and_is_gone_is_lost() -> None:
    assert (judged(1).lost, judged(1).ok) == (1, False)


def test_what_is_counted_twice_or_was_never_sent_is_bad() -> None:
    assert judged(1 + 2 * 4).problems == ["round 1: document 2 is counted 2 times"]
    assert judged(1 + 4 + 64).problems == ["round 1: document 4 is counted 1 times"]
