"""Which calls are kept by themselves, and what of them: bad ones, and one in a hundred others."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from promptops.client.calls.endings import printable
from promptops.core.outcomes.call_id import has_seal
from promptops.core.outcomes.call_outcome import CallOutcome, Count
from promptops.core.outcomes.kept_call import MAX_CALLS, MAX_TOOLS, SAMPLED, Kept, KeptCall, ToolUse
from promptops.core.outcomes.series import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptops.client.calls.capturing import CapturingTemplate
    from promptops.client.calls.line import Line
    from promptops.client.calls.seen import Seen

_FLAGS: Final = (
    frozenset(Count)
    - {Count.OPENED, Count.CALLS, Count.NO_UNIT, Count.HELD, Count.MISMATCH}
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


def as_line(text: object) -> str:
    """Returns a name or an id that is one line; empty for all else, which cannot be looked for."""
    return text if isinstance(text, str) and text.isprintable() and len(text) <= LONGEST_LINE else ""


class UsedTools:
    """The tools of a call that the application or a tracer measured. Any thread may add one."""

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used: list[ToolUse] = []

    def add(self, name: str, latency_ms: float | None, error: str) -> None:
        """Take the use of a tool; without a name, or after so many, it is left out."""
        if as_line(name) and len(self._used) < MAX_TOOLS:
            taken = None if latency_ms is None else max(0, int(latency_ms))
            self._used.append(ToolUse(name=name, latency_ms=taken, error=printable(error)))

    def among(self, called: tuple[str, ...]) -> tuple[ToolUse, ...]:
        """Returns them, and after them those that the model called and nothing measured."""
        measured = [use.name for use in self._used]
        others = []
        for name in filter(as_line, called):
            if name in measured:
                measured.remove(name)
            else:
                others.append(ToolUse(name=name))
        return (*self._used, *others)[:MAX_TOOLS]


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
    trace: str,
    tools: UsedTools | None,
    capturing: CapturingTemplate | None,
) -> KeptCall:
    """Returns a call as it is kept. ``at`` is when it began, in seconds since 1970.

    Variables are part of it only if the id has a seal: by the unit in it, they can be erased.

    Raises:
        Invalid: a part of it cannot be kept.
    """
    variables: Mapping[str, object] | None = None
    if capturing is not None and has_seal(call_id):
        private = {each.name for each in line.definition.variables if each.private}
        variables = capturing.kept(private=private, secret=line.secret)
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
        trace=trace,
        response=as_line(seen.response),
        tools=(tools or UsedTools()).among(seen.tools),
        api=capturing.api if capturing is not None and variables is not None else "",
        rendered=capturing.rendered(line.secret) if capturing is not None and variables is not None else "",
        variables=variables,
    )
