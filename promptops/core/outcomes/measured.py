"""What calls of one kind did, read: shares with intervals, quantiles, what they cost, and what one outcome cost."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeVar

from promptops.core.declarations import UNDECLARED
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.counters import added
from promptops.core.outcomes.outcome_row import OutcomeRow
from promptops.core.outcomes.rates import RatesOf, Spend, all_spent, answered, spend_of
from promptops.core.outcomes.sums import Sums
from promptops.core.statistics.shares import Interval, ratio, wilson
from promptops.core.timestamp import DAY, HOUR

_LONG: Final = 6
"""Days from which on blocks are days: over shorter times there are too few, and hours have to do."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """``count`` of ``of`` calls, and the interval of the share; None of no calls."""

    count: int
    of: int
    interval: Interval | None

    @classmethod
    def made(cls, count: int, of: int) -> Share:
        """Returns the share with its interval."""
        return cls(count=count, of=of, interval=wilson(min(count, of), of))

    @property
    def share(self) -> float | None:
        return self.count / self.of if self.of else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCost:
    """How often calls led to something, and what one of it cost in US dollars; None where that is not known."""

    name: str
    count: int
    cost: Decimal | None
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What a day or an hour cost, and how often its calls led to what."""

    spend: Spend = field(default_factory=Spend)
    calls: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)

    def merged(self, other: Block) -> Block:
        """Returns what both cost and led to."""
        return Block(
            spend=self.spend.merged(other.spend),
            calls=self.calls + other.calls,
            outcomes=added(self.outcomes, other.outcomes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What calls did, added up. ``blocks`` are the days or hours of it, by their first minute."""

    sums: Sums = field(default_factory=Sums)
    spend: Spend = field(default_factory=Spend)
    blocks: Mapping[int, Block] = field(default_factory=dict)

    @property
    def answered(self) -> int:
        """The calls that ended on their own: all but those that the caller left."""
        return answered(self.sums.counts)

    @property
    def read(self) -> int:
        """The answered calls whose tokens are known."""
        return max(self.answered - self.sums[Count.UNREAD], 0)

    def share(self, count: Count) -> Share:
        """Returns the share of answered calls that were counted so."""
        return Share.made(self.sums[count], self.answered)

    @property
    def errors(self) -> Share:
        """The share of answered calls that ended in an error."""
        return Share.made(self.sums.failed, self.answered)

    @property
    def cached(self) -> float | None:
        """The share of input tokens that were read from a cache."""
        tokens = self.sums[Count.INPUT_TOKENS]
        return min(self.sums[Count.CACHED_TOKENS] / tokens, 1.0) if tokens else None

    @property
    def cost_a_call(self) -> Decimal | None:
        """US dollars of a call whose tokens are known; None where the price of some of them is not."""
        total = self.spend.total
        return None if total is None or not self.read else total / self.read

    def quantiles(self, shares: Sequence[float]) -> list[float | None]:
        """Returns the latencies, in milliseconds, that such shares of calls take at most; None of no calls."""
        latency = self.sums.latency()
        return [latency.quantile(share) for share in shares]

    def outcome_costs(self) -> list[OutcomeCost]:
        """Returns what one outcome of each name cost, with all calls of this kind."""
        return [
            self._cost(name, count) for name, count in sorted(self.sums.outcomes.items()) if name != UNDECLARED
        ]  # fmt: skip

    def _cost(self, name: str, count: int) -> OutcomeCost:
        total = self.spend.total
        if total is None:
            return OutcomeCost(name=name, count=count, cost=None, interval=None)
        pairs = [(float(block.spend.usd), float(block.outcomes.get(name, 0))) for block in self.blocks.values()]
        return OutcomeCost(name=name, count=count, cost=total / count, interval=ratio(pairs))


class _Adding:
    """What is added up of one kind of calls."""

    def __init__(self) -> None:
        self.sums: list[Sums] = []
        self.spend = Spend()
        self.blocks: dict[int, Block] = {}

    def add(self, row: OutcomeRow, spend: Spend, block: int) -> None:
        self.sums.append(row.sums)
        self.spend = self.spend.merged(spend)
        new = Block(spend=spend, calls=answered(row.sums.counts), outcomes=row.sums.outcomes)
        self.blocks[block] = self.blocks[block].merged(new) if block in self.blocks else new

    def measured(self) -> Measured:
        return Measured(sums=_merged(self.sums), spend=self.spend, blocks=dict(sorted(self.blocks.items())))


def _merged(parts: list[Sums]) -> Sums:
    """Adds up in pairs, so that large sums are copied a few times and not once for each row."""
    while len(parts) > 1:
        parts = [a.merged(b) for a, b in zip(parts[::2], parts[1::2], strict=False)] + parts[len(parts) & ~1 :]
    return parts[0] if parts else Sums()


def measure(rows: Iterable[OutcomeRow], kind: Callable[[OutcomeRow], K], rates: RatesOf) -> dict[K, Measured]:
    """Returns what calls of each kind did.

    Where the rows are of six days or more, their blocks are days in UTC, else hours.
    """
    kept = list(rows)
    days = {row.minute // DAY for row in kept}
    width = DAY if len(days) >= _LONG or any(row.width > HOUR for row in kept) else HOUR
    found: dict[K, _Adding] = {}
    for row in kept:
        model = row.series.model
        spend = spend_of(model, row.series.tier, row.sums, rates(model, row.minute))
        found.setdefault(kind(row), _Adding()).add(row, spend, row.minute // width * width)
    return {key: adding.measured() for key, adding in found.items()}


def together(parts: Iterable[Measured]) -> Measured:
    """Returns what calls of several kinds did, which were measured at once: as if they were of one kind."""
    kept = list(parts)
    blocks: dict[int, Block] = {}
    for part in kept:
        for start, block in part.blocks.items():
            blocks[start] = blocks[start].merged(block) if start in blocks else block
    return Measured(
        sums=_merged([part.sums for part in kept]),
        spend=all_spent(part.spend for part in kept),
        blocks=dict(sorted(blocks.items())),
    )


def by_day(measured: Measured) -> dict[int, Block]:
    """Returns the blocks of each day, by its first minute."""
    days: dict[int, Block] = {}
    for start, block in measured.blocks.items():
        day = start // DAY * DAY
        days[day] = days[day].merged(block) if day in days else block
    return days
