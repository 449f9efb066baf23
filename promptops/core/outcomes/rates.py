"""What tokens cost: exact amounts in US dollars. What is not known is unknown, and never 0.

A provider prices a whole call by the size of its input: over a boundary every token of the call costs another rate. So
a sum of tokens has one price only within a tier, which is why sums are kept by tier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, TypeAlias

from promptops.core.errors import Invalid
from promptops.core.model import Json
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.counters import added
from promptops.core.outcomes.sums import Sums

_MILLION: Final = Decimal(1_000_000)
MAX_PRICES: Final = 50
"""Models of which a workspace may have its own prices: they go along with each question about cost."""
LARGEST: Final = Decimal(1_000_000)
"""US dollars of a million tokens: far above any price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """US dollars of a million tokens, of each kind, and of a call whatever its tokens.

    ``cached`` is the rate of input tokens that were read from a cache, ``cache_written`` of those written to one;
    without a rate of their own, they cost as other input does.

    Raises:
        Invalid: a rate is negative, not finite, or over :data:`LARGEST`.
    """

    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    cache_written: Decimal | None = None
    call: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        for rate in (self.input, self.output, self.cached, self.cache_written, self.call):
            if rate is not None and not (rate.is_finite() and 0 <= rate <= LARGEST):
                raise Invalid(f"{rate} is not a rate: US dollars of a million tokens, from 0")

    def cost(self, counts: Mapping[Count, int]) -> Decimal:
        """Returns what the counted tokens and calls cost in US dollars, exactly.

        Cached and written tokens are parts of the input; more of them than there is input cost as counted.
        """
        cached, written = counts.get(Count.CACHED_TOKENS, 0), counts.get(Count.CACHE_WRITTEN_TOKENS, 0)
        plain = max(counts.get(Count.INPUT_TOKENS, 0) - cached - written, 0)
        total = plain * self.input + counts.get(Count.OUTPUT_TOKENS, 0) * self.output
        total += cached * (self.input if self.cached is None else self.cached)
        total += written * (self.input if self.cache_written is None else self.cache_written)
        return total / _MILLION + answered(counts) * self.call


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRates:
    """The rates of a model by tier: from how many input tokens on, exclusive, in order. The first is from 0.

    Raises:
        Invalid: there is no tier from 0, or they are not in order.
    """

    tiers: tuple[tuple[int, Rates], ...]

    def __post_init__(self) -> None:
        starts = [start for start, _ in self.tiers]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise Invalid(f"the tiers of a model begin at 0 and rise, not {starts}")

    def tier_of(self, tokens: int) -> int:
        """Returns the tier of a call of so many input tokens: the largest boundary that they are over."""
        return next((start for start, _ in reversed(self.tiers) if start < tokens), 0)

    def of(self, tier: int | None, tokens: int) -> Rates | None:
        """Returns the rates of calls of this tier, which have so many input tokens together; None if not known.

        The tier of calls is not known (None) where their process did not know the boundaries. They are below the first
        one for certain where all of their tokens together are.
        """
        if tier is None:
            known = len(self.tiers) == 1 or tokens <= self.tiers[1][0]
            return self.tiers[0][1] if known else None
        return next((rates for start, rates in reversed(self.tiers) if start <= tier), None)

    def to_json(self) -> Json:
        """Returns a list for each tier: its start, and the rates of input, cached, written and output tokens."""
        return list(map(list, self._lists()))

    def _lists(self) -> list[tuple[int | str, ...]]:
        return [
            (start, *(_text(rate) for rate in (rates.input, _or(rates.cached, rates), _or(rates.cache_written, rates))),
             _text(rates.output))
            for start, rates in self.tiers
        ]  # fmt: skip

    def to_text(self) -> str:
        """Returns the same in one word, for an address: ``0,2.5,1.25,2.5,10;200000,5,2.5,5,15``."""
        return ";".join(",".join(map(str, tier)) for tier in self._lists())

    @classmethod
    def from_text(cls, text: str) -> ModelRates:
        """Reads what :meth:`to_text` wrote.

        Raises:
            Invalid: it is not such a text.
        """
        try:
            lists = [tier.split(",") for tier in text.split(";")]
            tiers = [(int(start), list(map(Decimal, rates))) for start, *rates in lists]
            return cls(
                tiers=tuple(
                    (start, Rates(input=one, cached=cached, cache_written=written, output=out))
                    for start, (one, cached, written, out) in tiers
                )
            )
        except (ValueError, ArithmeticError) as error:
            raise Invalid(f"{text[:80]!r} are not rates", hint="0,INPUT,CACHED,WRITTEN,OUTPUT") from error


RatesOf: TypeAlias = Callable[[str, int], ModelRates | None]
"""The rates of ``provider/model`` at a minute; None where they are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What calls cost: ``usd`` for all tokens whose price is known, and how many tokens have no known price, by model.

    A model that is not known itself is listed as an empty text.
    """

    usd: Decimal = Decimal(0)
    unpriced: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> Decimal | None:
        """What all of it cost; None where a part is not known."""
        return None if self.unpriced else self.usd

    def merged(self, other: Spend) -> Spend:
        """Returns what both cost."""
        if not other.unpriced and not self.unpriced:
            return Spend(usd=self.usd + other.usd)
        return Spend(usd=self.usd + other.usd, unpriced=added(self.unpriced, other.unpriced))


def spend_of(model: str, tier: int | None, sums: Sums, rates: ModelRates | None) -> Spend:
    """Returns what the calls of one row of sums cost; nothing where no token was counted."""
    tokens = sums[Count.INPUT_TOKENS] + sums[Count.OUTPUT_TOKENS]
    if not tokens:
        return Spend()
    known = rates.of(tier, sums[Count.INPUT_TOKENS]) if rates is not None else None
    return Spend(unpriced={model: tokens}) if known is None else Spend(usd=known.cost(sums.counts))


def all_spent(parts: Iterable[Spend]) -> Spend:
    """Returns what all of these cost."""
    total = Spend()
    for part in parts:
        total = total.merged(part)
    return total


def answered(counts: Mapping[Count, int]) -> int:
    """Returns how many calls are known to have ended on their own: all but those that the caller left."""
    return max(counts.get(Count.CALLS, 0) - counts.get(Count.CANCELLED, 0), 0)


def _or(rate: Decimal | None, rates: Rates) -> Decimal:
    return rates.input if rate is None else rate


def _text(rate: Decimal) -> str:
    return format(rate.normalize(), "f")
