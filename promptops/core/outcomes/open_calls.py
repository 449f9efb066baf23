"""Calls that began and did not end yet: those open for ten minutes make their unit bad at being recorded.

A release that makes processes hang or crash shows in nothing that calls report when they end. A process that is killed
takes its open calls along, so this finds the ones that hang, and those whose answers the application never recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from promptops.core.outcomes.report import BadUnit, Guardrail
from promptops.core.outcomes.series import Assignment, require_minute
from promptops.core.outcomes.units import Unit

OVERDUE: Final = 10
"""Minutes after which an open call counts as unrecorded: longer than the timeouts of providers' SDKs by default."""
MAX_OPEN: Final = 1_000
"""Calls that are watched at a time. A process has fewer; more of them are not watched, and so never overdue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A call of a unit that began in a minute."""

    assignment: Assignment
    unit: Unit
    minute: int


class OpenCalls:
    """The calls of a process that are open, by any value that is one call's own. Any thread may begin and end them.

    No method takes a lock: each is one operation of a dict, which a call that ends in the garbage collector may
    interrupt.
    """

    def __init__(self) -> None:
        self._open: dict[object, OpenCall] = {}

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, call: object, opened: OpenCall) -> bool:
        """Watches a call, and returns whether there was room for it."""
        if len(self._open) >= MAX_OPEN:
            return False
        self._open[call] = opened
        return True

    def end(self, call: object) -> None:
        """Ends a call, also one that is not watched or was reported already."""
        self._open.pop(call, None)

    def overdue(self, minute: int) -> tuple[BadUnit, ...]:
        """Takes out the calls that have been open for more than ten minutes, each once: their units are bad in the
        minute in which it was noticed.

        Raises:
            Invalid: the minute is not one.
        """
        require_minute(minute)
        found = []
        for call, opened in self._open.copy().items():
            # A call that ended meanwhile is not overdue.
            if minute - opened.minute > OVERDUE and self._open.pop(call, None) is not None:
                found.append(
                    BadUnit(
                        assignment=opened.assignment,
                        unit=opened.unit,
                        minute=minute,
                        guardrails=(Guardrail.UNRECORDED.value,),
                    )
                )
        return tuple(found)
