"""The scheduled runs of what is live, as a registry has them, and what the newest says beside the first ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.core.evidence.evidence import table_of
from promptops.core.evidence.run import Purpose
from promptops.core.gate.drift import FIRST
from promptops.operations.drift import DriftReport, drift
from promptops.use_cases.evidence import SHOW_EVIDENCE, ShowRequest
from promptops.use_cases.runs import RUNS, RunsRequest

if TYPE_CHECKING:
    from promptops.gateway import Gateway
    from promptops.operations.runs import RunState


def drift_of(gateway: Gateway, app: str, run: str) -> DriftReport:
    """Returns what a closed run says beside the first three scheduled runs of the same release and cases.

    Of runs with one plan the first three are read: no later one is among the first three of any case.
    """
    every = gateway.run(RUNS, RunsRequest(app=app))
    states = sorted(every, key=lambda state: (state.at, state.run))
    mine = next(state for state in states if state.run == run)
    plans: dict[str, list[RunState]] = {}
    for state in states:
        if _is_before(state, mine):
            plans.setdefault(state.plan_digest, []).append(state)
    earlier = [state for state in states if state in plans.get(state.plan_digest, ())[:FIRST]]
    shown = [gateway.run(SHOW_EVIDENCE, ShowRequest(evidence=state.evidence)) for state in (*earlier, mine)]
    *tables, today = [table_of(each.evidence, each.run) for each in shown]
    return drift(tables, today)


def _is_before(state: RunState, mine: RunState) -> bool:
    """Returns whether a run is a scheduled one of the same release, whole, and earlier."""
    same = (state.digest, state.source) == (mine.digest, mine.source) and state.purpose is Purpose.DRIFT
    return same and bool(state.evidence) and not state.missing and (state.at, state.run) < (mine.at, mine.run)
