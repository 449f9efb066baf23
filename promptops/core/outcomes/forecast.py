"""What more traffic costs, whether a plan holds, and what of an app's calls is worth a look. Nothing is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Final

from promptops.core.declarations import Limit, Plan
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.measured import Block, Measured, by_day
from promptops.core.outcomes.outcome_row import OutcomeRow
from promptops.core.outcomes.rates import answered
from promptops.core.timestamp import DAY

MONTH: Final = 30
"""Days of a month, as the check ``cost`` of a gate has them."""
_WEEK: Final = 7
_JUMP: Final = 2
_UNREAD: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Whole days that were measured, newest last: calls and cost of each, None where a price is not known."""

    calls: tuple[int, ...] = ()
    spent: tuple[Decimal | None, ...] = ()

    @property
    def calls_a_day(self) -> float | None:
        """The mean of the last seven whole days; None without one."""
        last = self.calls[-_WEEK:]
        return sum(last) / len(last) if last else None

    @property
    def month(self) -> Decimal | None:
        """What a month costs if it goes on as in the last seven whole days."""
        known = [spent for spent in self.spent[-_WEEK:] if spent is not None]
        last = self.spent[-_WEEK:]
        return sum(known, Decimal(0)) / len(last) * MONTH if last and len(known) == len(last) else None


def traffic(measured: Measured, now_minute: int) -> Traffic:
    """Returns the whole days of what was measured in the last eight days; days without calls are among them.

    The first day with calls is left out, since it is rarely whole, unless there may be calls of earlier days.
    """
    days = by_day(measured)
    if not days:
        return Traffic()
    first, today = min(days), now_minute // DAY * DAY
    starts = range(first if first <= today - (_WEEK + 1) * DAY else first + DAY, today, DAY)
    blocks = [days.get(start, Block()) for start in starts]
    return Traffic(
        calls=tuple(block.calls for block in blocks), spent=tuple(block.spend.total for block in blocks)
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The largest minute of a model: calls, and tokens of inputs and outputs."""

    calls: int = 0
    tokens: int = 0


def peaks(rows: Iterable[OutcomeRow]) -> Mapping[str, Peak]:
    """Returns the largest minute of each model, of the rows that are of one minute."""
    minutes: dict[tuple[str, int], Peak] = {}
    for row in rows:
        if row.width == 1 and row.series.model:
            key = (row.series.model, row.minute)
            before = minutes.get(key, Peak())
            tokens = row.sums[Count.INPUT_TOKENS] + row.sums[Count.OUTPUT_TOKENS]
            minutes[key] = Peak(calls=before.calls + answered(row.sums.counts), tokens=before.tokens + tokens)
    return _largest((model, peak) for (model, _), peak in minutes.items()) | _largest(_by_provider(minutes))


def _by_provider(minutes: Mapping[tuple[str, int], Peak]) -> Iterator[tuple[str, Peak]]:
    total: dict[tuple[str, int], Peak] = {}
    for (model, minute), peak in minutes.items():
        provider = model.partition("/")[0]
        before = total.get((provider, minute), Peak())
        total[provider, minute] = Peak(calls=before.calls + peak.calls, tokens=before.tokens + peak.tokens)
    return ((provider, peak) for (provider, _), peak in total.items())


def _largest(found: Iterable[tuple[str, Peak]]) -> dict[str, Peak]:
    largest: dict[str, Peak] = {}
    for of, peak in found:
        before = largest.get(of, Peak())
        largest[of] = Peak(calls=max(before.calls, peak.calls), tokens=max(before.tokens, peak.tokens))
    return largest


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitCheck:
    """A limit of a provider beside the largest minute at the traffic that is asked about; None where none is known."""

    limit: Limit
    calls: float | None
    tokens: float | None

    @property
    def holds(self) -> bool | None:
        """Whether the limit is kept; None where that is not known."""
        pairs = [(self.calls, self.limit.calls_a_minute), (self.tokens, self.limit.tokens_a_minute)]
        limited = [(got, most) for got, most in pairs if most is not None]
        if any(got is None for got, _ in limited):
            return None
        return all(got is not None and got <= most for got, most in limited)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What so many calls a day cost: a day, a month, and whether the plan still holds.

    ``times`` is how many times today's traffic they are, None where that is not known. Cost grows as calls do: the
    share of cached tokens and the length of calls stay as measured.
    """

    calls_a_day: float
    times: float | None
    day: Decimal | None
    month: Decimal | None
    limits: tuple[LimitCheck, ...] = ()
    plan: Plan = field(default_factory=Plan)

    @property
    def in_budget(self) -> bool | None:
        """Whether a month is within the budget; None without a budget or a price."""
        if self.month is None or self.plan.monthly_cents is None:
            return None
        return self.month * 100 <= self.plan.monthly_cents

    @property
    def in_plan(self) -> bool | None:
        """Whether there are no more calls a day than planned; None without a plan of them."""
        return None if self.plan.calls_a_day is None else self.calls_a_day <= self.plan.calls_a_day


def forecast(
    cost_a_call: Decimal | None,
    now: Traffic,
    largest: Mapping[str, Peak],
    plan: Plan | None,
    *,
    calls_a_day: float,
) -> Forecast:
    """Returns what so many calls a day cost."""
    plan = plan or Plan()
    times = calls_a_day / now.calls_a_day if now.calls_a_day else None
    day = None if cost_a_call is None else cost_a_call * Decimal(calls_a_day)
    return Forecast(
        calls_a_day=calls_a_day,
        times=times,
        day=day,
        month=None if day is None else day * MONTH,
        limits=tuple(_check(limit, largest.get(limit.of), times) for limit in plan.limits),
        plan=plan,
    )


def _check(limit: Limit, peak: Peak | None, times: float | None) -> LimitCheck:
    if peak is None or times is None:
        return LimitCheck(limit=limit, calls=None, tokens=None)
    return LimitCheck(limit=limit, calls=peak.calls * times, tokens=peak.tokens * times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Something worth a look: one word that stays the same, and what it is in words."""

    code: str
    text: str


def looks(measured: Measured, now: Traffic, plan: Plan | None) -> Iterator[Look]:
    """Yields what of an app's calls is worth a look."""
    month = now.month
    if plan is not None and plan.monthly_cents is not None and month is not None:
        budget = Decimal(plan.monthly_cents) / 100
        if month > budget:
            yield Look(
                code="over-budget", text=f"a month costs ${month:,.2f} as it goes, and ${budget:,.2f} is planned"
            )
    before, last = now.spent[-_WEEK - 1 : -1], now.spent[-1:]
    if len(before) == _WEEK and None not in before and last[0] is not None:
        usual = median(spent for spent in before if spent is not None)
        if last[0] > usual * _JUMP and last[0] > 0:
            yield Look(code="dear-day", text=f"yesterday cost ${last[0]:,.2f}, and the days before ${usual:,.2f}")
    if swapped := measured.sums[Count.PIN_MISMATCH]:
        text = f"another model than the pinned one answered {swapped:,} of {measured.answered:,} calls"
        yield Look(code="pin-mismatch", text=text)
    unread = measured.share(Count.UNREAD)
    if unread.share is not None and unread.share > _UNREAD:
        text = f"the answers of {unread.count:,} of {unread.of:,} calls could not be read, so their tokens are missing"
        yield Look(code="unread", text=text)
