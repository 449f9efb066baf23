"""The registry as a run writes to it: opened before the first call, rows as they come, closed at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

from promptops.core.errors import Conflict
from promptops.core.reference import parse_reference
from promptops.operations.gate import GateReport, GateRequest
from promptops.operations.runs import CloseRequest, OpenRequest, ReportRequest
from promptops.use_cases.gate import GATE
from promptops.use_cases.runs import CLOSE_RUN, OPEN_RUN, REPORT_ROWS

if TYPE_CHECKING:
    from promptops.core.evidence.case_table import Row
    from promptops.core.evidence.evidence import Count
    from promptops.core.evidence.run import Run
    from promptops.gateway import Gateway

MOST_MODELS = 100
"""Served models that evidence names."""


class RunLedger:
    """Writes runs through a gateway, in the name of an actor. Rows come from another thread than the rest."""

    def __init__(self, gateway: Gateway, actor: str) -> None:
        self._gateway = gateway
        self._actor = actor
        self.evidence = ""

    def open(self, run: Run) -> None:
        """Records the run; the same run is opened once."""
        self._gateway.run(OPEN_RUN, OpenRequest.of(run, key=f"open-{run.id}"), actor=self._actor)

    def report(self, run: str, rows: Sequence[Row]) -> None:
        """Records rows.

        Raises:
            Conflict: another row stands where one of these would.
        """
        request = ReportRequest(run=run, rows=tuple(rows), key=uuid4().hex)
        state = self._gateway.run(REPORT_ROWS, request, actor=self._actor)
        if state.standing:
            raise Conflict(
                f"the registry has another answer for the {state.standing[0]}, and the first one stands",
                hint="The journal of the run was changed. A new run is another look.",
            )

    def close(
        self, run: str, *, counts: Sequence[Count], tools: Sequence[str], served_models: Sequence[str], prices: str
    ) -> None:
        """Makes evidence of the run, whose id is then :attr:`evidence`."""
        request = CloseRequest(
            run=run,
            key=uuid4().hex,
            counts=tuple(counts),
            tools=tuple(tools),
            served_models=tuple(served_models)[:MOST_MODELS],
            prices=prices,
        )
        self.evidence = self._gateway.run(CLOSE_RUN, request, actor=self._actor).id


def gate_after(gateway: Gateway, release: str, channel: str) -> GateReport | None:
    """Returns what the gate of a channel says of a release; None where the channel has no gate."""
    found = gateway.run(GATE, GateRequest(reference=parse_reference(release), channel=channel))
    return found if found.verdict is not None else None
