"""What the calls of a release cost and how long they took, beside those of what was live, as one run measured both.

Nothing is estimated: what a run did not measure is None. Two releases are compared by the cases that both answered in
the same run, since prices and the speed of a provider move from day to day.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from promptops.core.evidence.case_table import Arm, CaseTable, Row, RowOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Of the answered calls of one release: mean cost in US dollars, mean tokens of question and answer together, and
    median latency in milliseconds. None where a price, a count or a time of one of them is not known.
    """

    cost_usd: float | None = None
    tokens: float | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChange:
    """The calls of a release in the run ``run``, in so many ``cases``; ``live`` are those of what is live, if it was
    asked the same.
    """

    run: str
    cases: int
    now: Calls
    live: Calls | None = None


def call_change(run: str, table: CaseTable, *, timed: bool, compare: bool) -> CallChange | None:
    """Returns what a run measured; None if the candidate answered nothing.

    ``timed`` says that models were called: a recorded answer brings no latency. ``compare``: the run's live arm is what
    is live.
    """
    own, live = (list(_answered(table.rows, arm)) for arm in (Arm.CANDIDATE, Arm.LIVE))
    both = {row.case for row in own} & {row.case for row in live} if compare else set()
    if both:
        own, live = ([row for row in rows if row.case in both] for rows in (own, live))
    if not own:
        return None
    return CallChange(
        run=run,
        cases=len({row.case for row in own}),
        now=_calls(own, timed=timed),
        live=_calls(live, timed=timed) if both else None,
    )


def _answered(rows: Iterable[Row], arm: Arm) -> Iterable[Row]:
    return (row for row in rows if row.arm is arm and row.outcome is not RowOutcome.ERROR)


def _calls(rows: Sequence[Row], *, timed: bool) -> Calls:
    called = [row for row in rows if not row.reused]
    return Calls(
        cost_usd=_mean([row.cost_usd for row in rows]),
        tokens=_mean([_tokens(row) for row in rows]),
        latency_ms=_median([row.latency_ms for row in called]) if timed else None,
    )


def _tokens(row: Row) -> float | None:
    return None if row.input_tokens is None or row.output_tokens is None else row.input_tokens + row.output_tokens


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(numbers) else None


def _median(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return median(known) if known and len(known) == len(numbers) else None
