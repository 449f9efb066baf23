"""Which calls are kept by themselves: bad ones, and one in a hundred others, each without any content."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from promptops.core.outcomes.call_outcome import CallOutcome, Count
from promptops.core.outcomes.kept_call import MAX_CALLS, MAX_TOOLS, Kept, KeptCall, ToolUse

if TYPE_CHECKING:
    from promptops.client.calls.line import Line
    from promptops.client.calls.seen import Seen

SAMPLED: Final = 0.01
"""The share of calls that were not bad."""

_FLAGS: Final = (
    frozenset(Count)
    - {Count.OPENED, Count.CALLS, Count.NO_UNIT}
    - {name for name in Count if name.value.endswith("tokens")}
)


class Keeping:
    """Decides which calls are kept until the next report: a report takes a few, so after that none is looked at."""

    def __init__(self) -> None:
        self._left = MAX_CALLS

    def begin(self) -> None:
        """A new report begins."""
        self._left = MAX_CALLS

    def why(self, *, is_bad: bool) -> Kept | None:
        """Returns why a call is kept; None if it is not."""
        if self._left <= 0 or (not is_bad and random.random() >= SAMPLED):  # noqa: S311 no secret is made of it
            return None
        self._left -= is_bad
        return Kept.BAD if is_bad else Kept.SAMPLED


def kept_call(
    call_id: str,
    line: Line,
    seen: Seen,
    outcome: CallOutcome,
    kept: Kept,
    *,
    at: int,
    version: str,
    reason: str,
    model: str,
) -> KeptCall:
    """Returns a call as it is kept. ``at`` is when it began, in seconds since 1970.

    Raises:
        Invalid: a part of it cannot be kept.
    """
    return KeptCall(
        call=call_id,
        prompt=line.definition.name,
        at=at,
        kept=kept,
        version=version,
        reason=reason,
        asked=line.pinned,
        model=model,
        flags=tuple(sorted(name for name, _ in outcome.counts() if name in _FLAGS)),
        error=outcome.error,
        finish=seen.finish.value if seen.finish else "",
        tokens=outcome.tokens,
        latency_ms=None if outcome.latency_ms is None else int(outcome.latency_ms),
        first_token_ms=None if outcome.first_token_ms is None else int(outcome.first_token_ms),
        attempts=max(1, seen.answers),
        response=seen.response,
        tools=tuple(ToolUse(name=name) for name in seen.tools[:MAX_TOOLS]),
    )
