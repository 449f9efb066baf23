"""How the bench measures: ours and the baseline in turn, round by round, so that a machine that changes its speed
changes both; the figure is the median of the rounds' ratios.
"""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table. ``bound`` is the most the ratio may be; with ``at_least`` it is the least."""

    what: str
    measured: str
    baseline: str
    ratio: float
    bound: float
    at_least: bool = False

    @property
    def ok(self) -> bool:
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound

    def cells(self) -> tuple[str, ...]:
        sign = "≥" if self.at_least else "≤"
        verdict = "ok" if self.ok else "over" if not self.at_least else "under"
        return (self.what, self.measured, self.baseline, f"{self.ratio:.2f}", f"{sign} {self.bound:g}", verdict)


HEAD = ("what", "measured", "baseline", "ratio", "bound", "")


def table(lines: Sequence[Line]) -> str:
    """The lines in columns."""
    return columns([HEAD, *(line.cells() for line in lines)], right={1, 3, 4})


def columns(rows: Sequence[Sequence[str]], *, right: Set[int]) -> str:
    """Rows in columns, the first one underlined; the columns numbered in ``right`` end at the same place."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    shown = [
        "  ".join(
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([shown[0], "-" * len(shown[0]), *shown[1:]])


def compare(
    what: str,
    ours: Callable[[], float],
    baseline: Callable[[], float],
    *,
    named: str,
    bound: float,
    rounds: int,
) -> Line:
    """Measure both in turn. Each callable runs its subject once and returns the seconds that count."""
    ours(), baseline()  # once unmeasured: files, caches and .pyc files are warm for both alike
    pairs = []
    for number in range(rounds):
        if number % 2:
            pairs.append((ours(), baseline()))
        else:
            base = baseline()
            pairs.append((ours(), base))
    mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Line(
        what=what,
        measured=seconds(mine),
        baseline=f"{seconds(theirs)} {named}",
        ratio=statistics.median(first / second for first, second in pairs),
        bound=bound,
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes, with no garbage collection in between."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start
    finally:
        gc.enable()


def process(
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> float:
    """Seconds that a whole process takes, from its start to its end; one that fails ends the bench."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PROMPTOPS_", "PYTHON"))}
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment or kept,
        preexec_fn=before,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")
    return took


def seconds(value: float) -> str:
    """``1.23 s``, ``45.6 ms``, ``7.89 µs``."""
    for size, unit in ((1, "s"), (1e-3, "ms")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"
