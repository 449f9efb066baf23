"""A checker: is there one order of these concurrent operations that explains every answer?

The search is Wing and Gong's (Testing and Verifying Concurrent Objects, 1993) with Lowe's memory of configurations that
failed (Testing for Linearizability, 2017). An operation may take effect at any moment between its call and its return;
the history is linearizable if moments can be chosen so that a sequential model gives the answers that were seen. The
model here is a channel: promotions push a release, rollbacks take the top one away for good, reads look at it. That of
a gate is in :mod:`tests.operations.gate_model`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self, TypeVar

NOTHING = ""
"""What a channel serves before the first promotion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """An operation of one process. Times are of one monotonic clock."""

    called: int
    returned: int


TimedT = TypeVar("TimedT", bound=Timed, contravariant=True)
T = TypeVar("T", bound=Timed)


class Model(Protocol[TimedT]):
    """A state of what the operations change, and what each of them is to answer there."""

    @property
    def key(self) -> Hashable:
        """Equal for states that no operation can tell apart."""

    def after(self, operation: TimedT) -> Self | None:
        """The state after the operation, or None where the operation was told something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Timed):
    """What one process did and was told."""

    kind: Literal["promote", "rollback", "read"]
    revision: int
    stable: str
    before: str = NOTHING


@dataclass(frozen=True, slots=True)
class State:
    """A channel: its revision, what it serves, and the state that a rollback goes to."""

    revision: int = 0
    stable: str = NOTHING
    under: State | None = None

    @property
    def key(self) -> Hashable:
        return self.revision, self.stable  # what is under it follows from the operations that were done

    def after(self, operation: Operation) -> State | None:
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
    """True where some order of the history of a channel, true to real time, explains every answer."""
    return explained(history, State())


def explained(history: Sequence[T], begin: Model[T]) -> bool:
    """True where some order of the history, true to real time, explains every answer by the model that begins so."""
    operations = sorted(history, key=lambda operation: operation.called)
    everything = (1 << len(operations)) - 1
    # A configuration: the operations that took effect, as bits, and the state they led to. One that was seen before,
    # whatever order led there, leads nowhere new.
    pending = [(0, begin)]
    seen: set[tuple[int, Hashable]] = set()
    while pending:
        done, state = pending.pop()
        if done == everything:
            return True
        if (done, state.key) in seen:
            continue
        seen.add((done, state.key))
        for index in _candidates(operations, done):
            following = state.after(operations[index])
            if following is not None:
                pending.append((done | 1 << index, following))
    return False


def _candidates(operations: Sequence[Timed], done: int) -> list[int]:
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
