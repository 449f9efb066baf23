"""Which connection gives way when there are as many as the server takes: of whoever has most that rest, the oldest.

A connection rests while the server waits for its peer: for a request, for the rest of one, or that an answer is read.
Whose it is follows from its last request: its token's, or without one its address's. So neither idle connections nor
slow ones of one token or address keep the others out, and nobody is closed while there is room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import nsmallest
from typing import Final, Protocol, TypeVar

_AT_ONCE: Final = 32
"""How many give way together, so that not every new one has to look at all."""


class Resting(Protocol):
    """A connection."""

    owner: str
    since: float

    @property
    def rests(self) -> bool:
        """Whether the server waits for its peer."""


T = TypeVar("T", bound=Resting)


def give_way(connections: Iterable[T]) -> list[T]:
    """Those that make room for a new one; none, where none rests."""
    resting = [each for each in connections if each.rests]
    if not resting:
        return []
    owner, count = Counter(each.owner for each in resting).most_common(1)[0]
    own = (each for each in resting if each.owner == owner)
    return nsmallest(min(_AT_ONCE, (count + 1) // 2), own, key=lambda each: each.since)
