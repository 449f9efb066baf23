"""Which rows answer a question about a time: each minute once, and few of them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from promptops.core.outcomes.call_outcome import CallOutcome
from promptops.core.outcomes.sums import Sums
from promptops.store.queries.outcome_rows import DAY, sums_of, sums_text
from promptops.store.queries.outcomes import KEPT, cover
from tests.core.outcomes.nouns import CALLS, MINUTE, SUMS

BACK = st.integers(0, 5_000) | st.integers(0, 420 * DAY)


@given(BACK, st.none() | BACK, st.integers(0, 3 * DAY))
def test_rows_cover_a_time_without_a_gap_and_each_minute_once(back: int, end: int | None, shift: int) -> None:
    now = MINUTE + shift
    until = None if end is None else now - end
    parts = cover(now - back, until, now)
    rows = sorted((start, span) for span, low, high in parts for start in range(low, high + 1, span))
    for (start, span), (following, _) in pairwise(rows):
        assert start + span == following
    assert all(start % span == 0 and start >= now - back for start, span in rows)
    assert all(start >= now - KEPT[span] for start, span in rows if span < DAY)
    if until is None:
        assert rows
        assert rows[-1][0] + rows[-1][1] > now
    else:
        assert all(start + span <= until for start, span in rows)
    if back <= KEPT[1] and until is None:
        assert rows[0][0] == now - back
    assert len(rows) <= 420 + 2 * 23 + 2 * 59


@given(SUMS)
def test_sums_are_read_as_they_were_written(sums: Sums) -> None:
    assert sums_of(sums_text(sums)) == sums


@given(st.lists(CALLS, max_size=5))
def test_what_was_added_up_is_read_as_it_was_written(calls: list[CallOutcome]) -> None:
    total = Sums()
    for call in calls:
        total = total.merged(Sums.of(call))
    assert sums_of(sums_text(total)) == total
