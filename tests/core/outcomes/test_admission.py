"""What of a report counts, and which documents of a client were counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.errors import Conflict
from promptops.core.outcomes.admission import OLDEST, LeftOut, Standing, admit
from promptops.core.outcomes.counted_numbers import WINDOW, CountedNumbers
from promptops.core.outcomes.report import OutcomeReport
from promptops.core.outcomes.series import Arm, Assignment
from promptops.core.outcomes.sums import Sums
from tests.core.outcomes.nouns import ANSWER, MINUTE, REPORTS

AT = ANSWER.assignment
STANDING = Standing(epoch=3, minute=MINUTE, revisions={"support-bot": 17})


@pytest.mark.parametrize(
    ("assignment", "known"),
    [
        (AT, True),
        (replace(AT, revision=18), False),
        (replace(AT, revision=1), True),
        (replace(AT, epoch=2, revision=900), True),
        (replace(AT, epoch=4), False),
        (replace(AT, app="faq"), False),
        (replace(AT, revision=0), False),
        (replace(AT, revision=0, arm=Arm.FIXED), True),
        (replace(AT, epoch=0, revision=0, arm=Arm.FIXED), True),
        (replace(AT, epoch=0, revision=1, arm=Arm.FIXED), False),
    ],
)
def test_what_a_channel_may_have_served_is_known(assignment: Assignment, known: bool) -> None:
    assert STANDING.knows(assignment) is known


@pytest.mark.parametrize(
    ("minute", "counts_at"),
    [
        (MINUTE, MINUTE),
        (MINUTE + 1, MINUTE),
        (2**31 - 1, MINUTE),
        (MINUTE - OLDEST, MINUTE - OLDEST),
        (MINUTE - OLDEST - 1, None),
        (0, None),
    ],
)
def test_nothing_counts_later_than_now_or_60_days_ago(minute: int, counts_at: int | None) -> None:
    assert STANDING.minute_of(minute) == counts_at


@given(REPORTS, st.integers(0, 3), st.integers(0, 3), st.integers(-2, OLDEST + 2))
def test_every_part_of_a_report_counts_or_is_counted_as_left_out(
    report: OutcomeReport, epoch: int, revision: int, later: int
) -> None:
    standing = Standing(epoch=epoch, minute=MINUTE + later, revisions={"support-bot": revision, "faq": 1})
    found = admit(report, standing)
    parts = len(report.sums) + len(report.bad_units) + len(report.sampled_units)
    rows = [place for place in report.sums if standing.knows(place[0].assignment)]
    units = len(found.bad_units) + len(found.sampled_units)
    kept = sum(standing.minute_of(minute) is not None for _, minute in rows)
    assert kept + units + sum(found.left_out.values()) == parts
    total, expected = Sums(), Sums()
    for sums in found.sums.values():
        total = total.merged(sums)
    for place in rows:
        if standing.minute_of(place[1]) is not None:
            expected = expected.merged(report.sums[place])
    assert total == expected
    assert found.left_out.keys() <= {LeftOut.UNKNOWN, LeftOut.OLD}


# --- numbers -----------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 40) | st.integers(1, 3 * WINDOW), max_size=60))
def test_each_number_is_new_once_and_none_is_believed_new_again(sent: list[int]) -> None:
    numbers, seen = CountedNumbers(), set[int]()
    for number in sent:
        try:
            known = number in numbers
        except Conflict:
            assert number <= max(seen) - WINDOW
            continue
        assert known == (number in seen)
        if not known:
            numbers = numbers.with_(number)
            seen.add(number)
    assert numbers.newest == max(seen, default=0)
    assert numbers.bits < 1 << WINDOW
