"""A logarithmic histogram: quantiles within 1 %, from a few counters that add up across processes and minutes.

A value is counted in the bin it falls into, as in DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable
quantile sketch with relative-error guarantees", VLDB 2019), with the logarithm interpolated linearly between powers of
two and 64 bins for each power::

    value < 2^-10             bin 0       counts as zero
    2^-10 <= value < 2^30     bin 1 + (exponent + 10) * 64 + part
                              where value = 2^exponent * (1 + fraction) and part = floor(fraction * 64)
    2^30 <= value             bin 2561    counts as 2^30

No step of this rounds: every bound is a power of two times a whole number, which a double holds exactly, and belongs to
the bin above it. So every language has the same bins. From the 64 bits of a double, the middle row is
``(bits >> 46) - (1013 << 6) + 1``. A bin stands for the harmonic mean of its bounds, which is at most 1/129 = 0.78 %
from any value in it. In milliseconds, the range is from a microsecond to twelve days.

As JSON, a histogram is one list of whole numbers, a pair for each bin that is not empty, in order: how far the bin is
from the one before (the first: from bin 0), and its count. ``[577, 2, 3, 1]`` has 2 values in bin 577 and 1 in bin 580.
Golden vectors are in ``tests/vectors/histogram.json``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final, cast

from promptops.core.errors import Invalid
from promptops.core.outcomes.counters import added, require_counts

LOWEST: Final = 2.0**-10
HIGHEST: Final = 2.0**30
"""Values from ``LOWEST`` to below ``HIGHEST`` keep the promise of 1 %."""
BINS: Final = 2 + 40 * 64
"""The most bins that a histogram has."""

_PARTS: Final = 64
_LOWEST_EXPONENT: Final = -10


def bin_of(value: float) -> int:
    """Returns the bin that a value is counted in, 0 to 2561.

    Raises:
        Invalid: the value is negative, not a number, or infinite.
    """
    if not 0 <= value < math.inf:  # refuses NaN too
        raise Invalid(f"{value!r} cannot be counted: a measurement is a finite number from 0")
    if value < LOWEST:
        return 0
    if value >= HIGHEST:
        return BINS - 1
    half, exponent = math.frexp(value)  # value = half * 2^exponent, half from 0.5 to below 1
    return 1 + (exponent - 1 - _LOWEST_EXPONENT) * _PARTS + int(half * 2 * _PARTS) - _PARTS


def bounds(number: int) -> tuple[float, float]:
    """Returns the least value of a bin, and the least value above it.

    Raises:
        Invalid: there is no such bin.
    """
    if not 0 <= number < BINS:
        raise Invalid(f"there is no bin {number}: a histogram has the bins 0 to {BINS - 1}")
    if number == 0:
        return 0.0, LOWEST
    if number == BINS - 1:
        return HIGHEST, math.inf
    return _bound(number), _bound(number + 1)


def _bound(number: int) -> float:
    octave, part = divmod(number - 1, _PARTS)
    return math.ldexp(_PARTS + part, octave + _LOWEST_EXPONENT - 6)  # 64 = 2^6


def value_of(number: int) -> float:
    """Returns the value that a bin stands for."""
    if number == 0:
        return 0.0
    lower, upper = bounds(number)
    return lower if upper == math.inf else 2 * lower * upper / (lower + upper)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How many values each bin has; bins without any are left out.

    Raises:
        Invalid: there is no such bin, or a count is not from 1 to 2^53 - 1.
    """

    counts: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.counts and not (min(self.counts) >= 0 and max(self.counts) < BINS):
            raise Invalid(f"a histogram has the bins 0 to {BINS - 1}")
        require_counts(self.counts, "a bin of a histogram")

    @classmethod
    def of(cls, values: Iterable[float]) -> Histogram:
        """Returns the histogram of some values.

        Raises:
            Invalid: one of them is negative, not a number, or infinite.
        """
        counts: dict[int, int] = {}
        for value in values:
            number = bin_of(value)
            counts[number] = counts.get(number, 0) + 1
        return cls(counts=counts)

    @classmethod
    def from_pairs(cls, pairs: Sequence[object]) -> Histogram:
        """Returns the histogram of its JSON form.

        Raises:
            Invalid: it is not a list of pairs of whole numbers, of which all but the first distance are at least 1.
        """
        if len(pairs) % 2 or len(pairs) > 2 * BINS:
            raise Invalid("a histogram is a list of pairs, a distance and a count")
        numbers = cast("Sequence[int]", pairs) if set(map(type, pairs)) <= {int} else None
        if numbers is None or min(numbers[:1], default=0) < 0 or min(numbers[2::2], default=1) < 1:
            raise Invalid("a histogram is a list of whole numbers, in the order of its bins")
        counts = dict(zip(accumulate(numbers[::2]), numbers[1::2], strict=True))
        if counts and next(reversed(counts)) >= BINS:
            raise Invalid(f"a histogram has the bins 0 to {BINS - 1}")
        require_counts(counts, "a bin of a histogram")
        return cls._checked(counts)

    @classmethod
    def _checked(cls, counts: Mapping[int, int]) -> Histogram:
        """Returns the histogram of counts that are known to be right: a report reads and adds up hundreds of them."""
        histogram = object.__new__(cls)
        object.__setattr__(histogram, "counts", counts)
        return histogram

    def pairs(self) -> list[int]:
        """Returns the JSON form."""
        found: list[int] = []
        before = 0
        for number in sorted(self.counts):
            found += (number - before, self.counts[number])
            before = number
        return found

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self.counts.values())

    def merged(self, other: Histogram) -> Histogram:
        """Returns the histogram of the values of both, whichever comes first and however they are grouped."""
        return self._checked(added(self.counts, other.counts))

    def quantile(self, share: float) -> float | None:
        """Returns the smallest value that at least this share of all values does not exceed; None without values.

        It is the value at the rank ``ceil(share * count)``, and at rank 1 for a share of 0, within 1 % where that value
        is from ``LOWEST`` to below ``HIGHEST``. A smaller one is 0.0, a larger one ``HIGHEST``.

        Raises:
            Invalid: the share is not from 0 to 1.
        """
        if not 0 <= share <= 1:
            raise Invalid(f"{share!r} is not a share from 0 to 1")
        rank, seen = max(1, math.ceil(share * self.count)), 0
        for number in sorted(self.counts):
            seen += self.counts[number]
            if seen >= rank:
                return value_of(number)
        return None
