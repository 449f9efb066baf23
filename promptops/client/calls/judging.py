"""Calls that ended and whose answers wait to be checked. That is slow, so the sender does it."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from promptops.client.calls.line import Line
from promptops.core.outcomes.call_outcome import CallOutcome
from promptops.core.outcomes.kept_call import Kept, KeptCall
from promptops.core.outcomes.series import Series
from promptops.core.outcomes.units import Unit

ROOM: Final = 768 << 10
"""Bytes of texts that may wait: some hundred usual answers, or a few of the longest."""
_ENTRY: Final = 1_200
"""Bytes of an entry beside its text."""


@dataclass(slots=True, kw_only=True)
class Ended:
    """A call that ended, and the text to check; None where there is nothing to check. ``kept`` makes what is kept of
    it, if it is, and holds ``room`` bytes for that.
    """

    line: Line
    series: Series
    minute: int
    unit: Unit | None
    outcome: CallOutcome
    text: str | None = None
    kept: Callable[[Ended, Kept], KeptCall] | None = None
    room: int = 0


class Judging:
    """The answers that wait. Any thread may add one; ``settle`` gets each with its verdict."""

    def __init__(self, settle: Callable[[Ended], None]) -> None:
        self._settle = settle
        self._waiting: deque[Ended] = deque()
        self._used = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, ended: Ended) -> bool:
        """Have an answer checked soon, and returns whether there was room for it."""
        cost = _cost(ended)
        if self._used + cost > ROOM:
            return False
        self._used += cost
        self._waiting.append(ended)
        return True

    def work(self) -> None:
        """Check all answers that wait."""
        while self._waiting:
            ended = self._waiting.popleft()
            try:
                self._settle(replace(ended, outcome=_judged(ended)))
            finally:
                self._used -= _cost(ended)
        self._used = 0


def _judged(ended: Ended) -> CallOutcome:
    assert ended.text is not None
    try:
        return replace(
            ended.outcome,
            schema_failed=bool(ended.line.schema_flaw(ended.text)),
            check_failed=bool(ended.line.check_flaw(ended.text)),
        )
    except Exception:  # noqa: BLE001 an answer that cannot be judged counts, and every other one too
        return ended.outcome


def _cost(ended: Ended) -> int:
    return _ENTRY + sys.getsizeof(ended.text) + ended.room
