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


def drift_of(gateway: Gateway, app: str, run: str) -> DriftReport:
    """Returns what a closed run says beside the first three scheduled runs of the same release."""
    every = gateway.run(RUNS, RunsRequest(app=app))
    states = sorted(every, key=lambda state: (state.at, state.run))
    mine = next(state for state in states if state.run == run)
    earlier = [
        state
        for state in states
        if state.purpose is Purpose.DRIFT
        and (state.digest, state.source) == (mine.digest, mine.source)
        and state.evidence
        and not state.missing
        and (state.at, state.run) < (mine.at, mine.run)
    ][:FIRST]
    shown = [gateway.run(SHOW_EVIDENCE, ShowRequest(evidence=state.evidence)) for state in (*earlier, mine)]
    tables = [table_of(each.evidence, each.run) for each in shown]
    return drift(
        tables[:-1],
        tables[-1],
        models_before=sorted({model for each in shown[:-1] for model in each.evidence.served_models}),
        models_now=shown[-1].evidence.served_models,
    )
