"""What was measured in one world, with the bound that it has to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptops.core.statistics.bounds import lower_bound

_SURE = 0.001


@dataclass(frozen=True, kw_only=True)
class Line:
    """A share of releases that passed: exact where ``tries`` is 0, else of so many tries.

    ``bound`` is what it may be at most; with ``least`` it has to be that at least. ``without`` is what happens without
    the remedy, as prototypes of the gate showed it; ``how`` names what was counted instead of tries, and ``of`` what
    tries are of. ``beside`` is what other rules make of the same tries.
    """

    world: str
    measured: float
    bound: float
    tries: int = 0
    least: bool = False
    without: float | None = None
    how: str = "exact"
    of: str = "releases"
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the bound is kept; of simulated shares, whether it is not certainly missed (one in a thousand)."""
        over = self.bound - self.measured if self.least else self.measured - self.bound
        if over <= 1e-9:
            return True
        count = round((1 - self.measured if self.least else self.measured) * self.tries)
        bound = 1 - self.bound if self.least else self.bound
        return self.tries > 0 and lower_bound(count, self.tries, _SURE) <= bound


def table(lines: Sequence[Line]) -> str:
    """Returns the lines as a table of Markdown, with a column for each rule that stands beside one of them."""
    rules = list(dict.fromkeys(rule for line in lines for rule in line.beside))
    names = ["world", "measured", "bound", "without the remedy", *rules, "how"]
    rows = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for line in lines:
        sign = "≥" if line.least else "≤"
        without = "" if line.without is None else f"{line.without:.1%}"
        how = f"{line.tries:,} {line.of}" if line.tries else line.how
        mark = "" if line.ok else " **missed**"
        others = [f"{line.beside[rule]:.1%}" if rule in line.beside else "" for rule in rules]
        cells = [line.world, f"{line.measured:.2%}{mark}", f"{sign} {line.bound:.1%}", without, *others, how]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
