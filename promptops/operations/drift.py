"""Is what is live still as good as it was? A scheduled run is compared with the first three of the same release.

Never with the run that passed the gate: that one was chosen for being good, so every later one looks worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from promptops.core.evidence.case_table import Arm, CaseTable, RowOutcome
from promptops.core.gate.drift import FIRST, worse_than_before
from promptops.core.statistics.bets import cluster_steps

Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What a night says. ``runs`` are the earlier runs that it was compared with; with fewer than three, nothing was.

    ``before`` and ``now`` are shares of passed answers over the ``cases`` that all of them answered. ``could_see`` is
    the smallest share of cases that has to be lost, with none gained, for ``worse``; None if no loss would do.
    ``models`` are served models that are new, or gone.
    """

    runs: int
    cases: int = 0
    before: float | None = None
    now: float | None = None
    worse: bool = False
    could_see: float | None = None
    models: tuple[str, ...] = ()

    @property
    def compared(self) -> bool:
        return self.runs >= FIRST


def drift(
    first: Sequence[CaseTable], today: CaseTable, *, models_before: Sequence[str] = (), models_now: Sequence[str] = ()
) -> DriftReport:
    """Returns what a run says beside the first three; ``first`` are those before it, oldest first."""
    changed = tuple(sorted(set(models_before) ^ set(models_now))) if first else ()
    if len(first) < FIRST:
        return DriftReport(runs=len(first), models=changed)
    earlier = [_means(table) for table in first[:FIRST]]
    now = _means(today)
    clusters = {(case.suite, case.prompt, case.key): case.cluster for case in today.cases}
    shared = [place for place in now if all(place in means for means in earlier)]
    before = {place: fmean(means[place] for means in earlier) for place in shared}
    steps: dict[object, list[float]] = {}
    for place in shared:
        name = clusters[place]
        steps.setdefault((place[0], name) if name else place, []).append(now[place] - before[place])
    return DriftReport(
        runs=FIRST,
        cases=len(shared),
        before=fmean(before.values()) if shared else None,
        now=fmean(now[place] for place in shared) if shared else None,
        worse=worse_than_before(cluster_steps(steps.values())),
        could_see=_smallest(len(steps)),
        models=changed,
    )


def _means(table: CaseTable) -> Mapping[Place, float]:
    """Returns how often each case passed, 0 to 1, errors left out."""
    found: dict[Place, list[bool]] = {}
    for row in table.rows:
        if row.arm is Arm.CANDIDATE and row.outcome is not RowOutcome.ERROR:
            case = table.cases[row.case]
            place = (case.suite, case.prompt, case.key)
            found.setdefault(place, []).append(row.outcome is RowOutcome.PASSED)
    return {place: fmean(passes) for place, passes in found.items()}


def _smallest(count: int) -> float | None:
    for lost in range(1, count + 1):
        if worse_than_before([-1.0] * lost + [0.0] * (count - lost)):
            return lost / count
    return None
