"""Named counters that are added up: never over what JSON holds, and never more names than a table may have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from operator import add
from typing import Final, TypeVar

from promptops.core.errors import Invalid

MAX_COUNT: Final = 2**53 - 1
"""The largest number that every JSON parser reads exactly. Sums stay at it instead of growing beyond."""

Name = TypeVar("Name", bound="str | int")


def added(one: Mapping[Name, int], other: Mapping[Name, int]) -> dict[Name, int]:
    """Returns the counters of both, added up. A sum stays at ``MAX_COUNT``, so adding never fails and has no order."""
    few, many = (one, other) if len(one) < len(other) else (other, one)
    total = dict(many)
    before = map(total.get, few, repeat(0))  # lazily, each just before its sum; half the time of a loop
    total.update(zip(few, map(add, before, few.values()), strict=True))
    if total and max(total.values()) > MAX_COUNT:
        return {name: min(count, MAX_COUNT) for name, count in total.items()}
    return total


def kept_names(names: Iterable[str], most: int) -> frozenset[str]:
    """Returns the names that stay apart where there are too many: the first ones of the alphabet.

    Which these are depends on the set of names only. A name that is among the first of all is also among the first of
    every part, so counters can be added up in any order and grouping.
    """
    return frozenset(sorted(names)[:most])


def folded(counters: Mapping[str, int], most: int, rest: str) -> Mapping[str, int]:
    """Returns the counters of at most ``most`` names, and the sum of all others under the name ``rest``."""
    kept = kept_names((name for name in counters if name != rest), most)
    if len(kept) + (rest in counters) == len(counters):
        return counters
    total = {name: count for name, count in counters.items() if name in kept}
    total[rest] = min(sum(count for name, count in counters.items() if name not in kept), MAX_COUNT)
    return total


def require_counts(counters: Mapping[Name, int], what: str) -> None:
    """Checks that every counter was counted.

    Raises:
        Invalid: one of them is not from 1 to ``MAX_COUNT``.
    """
    if counters and not (min(counters.values()) >= 1 and max(counters.values()) <= MAX_COUNT):
        raise Invalid(f"{what}: a count is from 1 to 2^53 - 1, and what was not counted is left out")
