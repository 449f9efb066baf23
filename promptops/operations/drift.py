"""Is what is live still as good as it was? A scheduled run is compared with the first three of the same release.

Never with the run that passed the gate: that one was chosen for being good, so every later one looks worse. A case is
compared with the first three runs that answered it, so that a suite may grow without losing what it was measured by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from promptops.core.evidence.case_table import Arm, CaseTable, RowOutcome
from promptops.core.evidence.evidence import served
from promptops.core.gate.drift import FIRST, worse_than_before
from promptops.core.statistics.bets import cluster_steps

MOST_CHANGES = 20
"""Served models and fingerprints that a report lists: a provider may give each answer a fingerprint of its own."""

Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedChange:
    """A served model, or one of its fingerprints, that is new or gone, and how many answers had it.

    ``before`` counts those of the first runs, ``now`` those of the run that is compared; one of them is 0.
    """

    model: str
    fingerprint: str = ""
    before: int = 0
    now: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """What a night says. ``runs`` are earlier runs that answered its cases, at most three; fewer compare nothing.

    ``before`` and ``now`` are shares of passed answers over the ``cases`` that are compared; ``waiting`` are those that
    fewer than three earlier runs answered. ``could_see`` is the smallest share of cases that has to be lost, with none
    gained, for ``worse``; None if no loss would do. ``changed`` are served models and fingerprints, at most
    :data:`MOST_CHANGES` of ``changes``.
    """

    runs: int
    cases: int = 0
    waiting: int = 0
    before: float | None = None
    now: float | None = None
    worse: bool = False
    could_see: float | None = None
    changed: tuple[ServedChange, ...] = ()
    changes: int = 0

    @property
    def compared(self) -> bool:
        return self.runs >= FIRST


def drift(earlier: Sequence[CaseTable], today: CaseTable) -> DriftReport:
    """Returns what a run says beside the first three that answered its cases; ``earlier`` are oldest first."""
    changed = _changed(earlier[:FIRST], today)
    first = _first(earlier)
    now = _means(today)
    runs = max((len(first.get(place, ())) for place in now), default=0)
    shared = [place for place in now if len(first.get(place, ())) == FIRST]
    before = {place: fmean(first[place]) for place in shared}
    clusters = {(case.suite, case.prompt, case.digest): case.cluster for case in today.cases}
    steps: dict[object, list[float]] = {}
    for place in shared:
        name = clusters[place]
        steps.setdefault((place[0], name) if name else place, []).append(now[place] - before[place])
    return DriftReport(
        runs=runs,
        cases=len(shared),
        waiting=len(now) - len(shared),
        before=fmean(before.values()) if shared else None,
        now=fmean(now[place] for place in shared) if shared else None,
        worse=worse_than_before(cluster_steps(steps.values())),
        could_see=_smallest(len(steps)),
        changed=changed[:MOST_CHANGES],
        changes=len(changed),
    )


def _first(earlier: Iterable[CaseTable]) -> Mapping[Place, list[float]]:
    """Returns how often each case passed in each of the first three runs that answered it."""
    found: dict[Place, list[float]] = {}
    for table in earlier:
        for place, mean in _means(table).items():
            means = found.setdefault(place, [])
            if len(means) < FIRST:
                means.append(mean)
    return found


def _means(table: CaseTable) -> Mapping[Place, float]:
    """Returns how often each case passed, 0 to 1, errors left out. A case with another check is another case."""
    found: dict[Place, list[bool]] = {}
    for row in table.rows:
        if row.arm is Arm.CANDIDATE and row.outcome is not RowOutcome.ERROR:
            case = table.cases[row.case]
            place = (case.suite, case.prompt, case.digest)
            found.setdefault(place, []).append(row.outcome is RowOutcome.PASSED)
    return {place: fmean(passes) for place, passes in found.items()}


def _changed(first: Sequence[CaseTable], today: CaseTable) -> tuple[ServedChange, ...]:
    """Returns the served models that are new or gone; of others the fingerprints, if some are known before and now."""
    if not first:
        return ()
    before, now = _served(first), _served([today])
    found = []
    for model in sorted(before.keys() | now.keys()):
        old, new = before.get(model, Counter()), now.get(model, Counter())
        if not old or not new:
            found.append(ServedChange(model=model, before=old.total(), now=new.total()))
            continue
        marks = sorted((old.keys() ^ new.keys()) - {""}) if any(old) and any(new) else ()
        found += [ServedChange(model=model, fingerprint=mark, before=old[mark], now=new[mark]) for mark in marks]
    return tuple(found)


def _served(tables: Iterable[CaseTable]) -> Mapping[str, Counter[str]]:
    """Returns how many answers had each fingerprint, by the served model. Some providers do not say which it was."""
    found: dict[str, Counter[str]] = {}
    for table in tables:
        for each in served(table):
            if each.model:
                found.setdefault(each.model, Counter())[each.fingerprint] += each.answers
    return found


def _smallest(count: int) -> float | None:
    for lost in range(1, count + 1):
        if worse_than_before([-1.0] * lost + [0.0] * (count - lost)):
            return lost / count
    return None
