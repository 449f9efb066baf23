"""Finds the suppression that covers a finding.

Findings come in the order of the file, so many suppressions cost one sort and a heap, not a search for each finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """A comment that suppresses findings of these codes on the lines ``first`` to ``last``."""

    codes: tuple[str, ...]
    reason: str
    offset: int
    first: int
    last: int


class Covering:
    """The suppressions of a file. ``used`` are the offsets of the ones that covered a finding."""

    def __init__(self, suppressions: Iterable[Suppression]) -> None:
        self.used: set[int] = set()
        self._coming: dict[str, list[tuple[int, int, Suppression]]] = {}
        self._open: dict[str, list[tuple[int, Suppression]]] = {}
        for place, suppression in enumerate(suppressions):
            for code in set(suppression.codes):
                self._coming.setdefault(code, []).append((-suppression.first, -place, suppression))
        for coming in self._coming.values():
            coming.sort(key=lambda entry: entry[:2])  # the next one is at the end, where pop() is cheap

    def takes(self, code: str, line: int) -> bool:
        """Returns whether a suppression covers the line. The lines of one code must come in ascending order."""
        coming = self._coming.get(code, [])
        open_ = self._open.setdefault(code, [])
        while coming and -coming[-1][0] <= line:
            _, place, suppression = coming.pop()
            heappush(open_, (-place, suppression))
        while open_ and open_[0][1].last < line:
            heappop(open_)
        if open_:
            self.used.add(open_[0][1].offset)
        return bool(open_)
