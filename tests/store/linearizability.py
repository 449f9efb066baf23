"""A checker: is there one order of these concurrent operations that explains every answer?

The search is Wing and Gong's (Testing and Verifying Concurrent Objects, 1993) with Lowe's memory of configurations that
failed (Testing for Linearizability, 2017). An operation may take effect at any moment between its call and its return;
the history is linearizable if moments can be chosen so that a sequential model gives the answers that were seen. The
model here is a channel: promotions push a release, rollbacks take the top one away for good, reads look at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

NOTHING = ""
"""What a channel serves before the first promotion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What one process did and was told. Times are of one monotonic clock."""

    kind: Literal["promote", "rollback", "read"]
    called: int
    returned: int
    revision: int
    stable: str
    before: str = NOTHING


@dataclass(frozen=True, slots=True)
class State:
    """A channel: its revision, what it serves, and the state that a rollback goes to."""

    revision: int = 0
    stable: str = NOTHING
    under: State | None = None

    def after(self, operation: Operation) -> State | None:
        """The state after the operation, or None where the operation was told something else."""
        if operation.kind == "read":
            return self if (operation.revision, operation.stable) == (self.revision, self.stable) else None
        if operation.revision != self.revision + 1 or operation.before != self.stable:
            return None
        if operation.kind == "promote":
            return State(operation.revision, operation.stable, self)
        if self.under is None or operation.stable != self.under.stable:
            return None
        return State(operation.revision, self.under.stable, self.under.under)


def is_linearizable(history: Sequence[Operation]) -> bool:
    """True where some order of the history, true to real time, explains every answer."""
    operations = sorted(history, key=lambda operation: operation.called)
    everything = (1 << len(operations)) - 1
    # A configuration: the operations that took effect, as bits, and the state they led to. One that was seen before,
    # whatever order led there, leads nowhere new.
    pending = [(0, State())]
    seen: set[tuple[int, int, str]] = set()
    while pending:
        done, state = pending.pop()
        if done == everything:
            return True
        if (done, state.revision, state.stable) in seen:
            continue
        seen.add((done, state.revision, state.stable))
        for index in _candidates(operations, done):
            following = state.after(operations[index])
            if following is not None:
                pending.append((done | 1 << index, following))
    return False


def _candidates(operations: Sequence[Operation], done: int) -> list[int]:
    """Those that may be next: called before any other that is left has returned."""
    found: list[int] = []
    # The first bit that is not set: everything before it is done.
    index = (~done & (done + 1)).bit_length() - 1
    earliest_return = float("inf")
    while index < len(operations) and operations[index].called <= earliest_return:
        if not done >> index & 1:
            found.append(index)
            earliest_return = min(earliest_return, operations[index].returned)
        index += 1
    return found
