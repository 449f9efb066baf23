"""The model of a gate: which histories it must accept, and which it must not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.operations.gate_model import Asked, Gate, What
from tests.store.linearizability import explained

ONE: Mapping[str, Any] = {"approvals": {"count": 1}}
LEGAL: Mapping[str, Any] = {"external": {}}
RUN: Mapping[str, Any] = {"required": {}}
GATES = (None, ONE, LEGAL, RUN)


def did(what: What, called: int, returned: int, *told: int | str | bool, release: str = "a", **more: object) -> Asked:
    given: dict[str, object] = {"who": "bob", **more}
    return Asked(what=what, called=called, returned=returned, told=told, release=release, **given)  # type: ignore[arg-type]


def policy(called: int, returned: int, gate: int, version: int) -> Asked:
    return did("policy", called, returned, version, gate=gate)


@pytest.mark.parametrize(
    "history",
    [
        [did("promote", 0, 1, 1, "", "a")],
        [policy(0, 1, 1, 2), did("promote", 2, 3), did("approve", 4, 5, 1, True, 2, 0),
         did("promote", 6, 7, 1, "", "a")],
        # At once: an approval may come before or after a promotion that is refused or not.
        [policy(0, 1, 1, 2), did("approve", 2, 9, 1, True, 2, 0), did("promote", 3, 4)],
        [policy(0, 1, 1, 2), did("approve", 2, 9, 1, True, 2, 0), did("promote", 3, 4, 1, "", "a")],
        # The same person twice is one approval, with one number; another one has the next.
        [did("approve", 0, 1, 1, True, 1, 0), did("approve", 2, 3, 1, False, 1, 0)],
        [did("approve", 0, 1, 1, True, 1, 0), did("approve", 2, 3, 2, True, 1, 0, who="cleo")],
        [did("approve", 0, 1, 1, True, 1, 0), did("withdraw", 2, 3, 2), did("withdraw", 4, 5)],
        # The newest verdict counts, by its own time.
        [policy(0, 1, 2, 2), did("verdict", 2, 3, at="9"), did("verdict", 4, 5, at="8", passed=False),
         did("promote", 6, 7, 1, "", "a")],
        [policy(0, 1, 3, 2), did("ask", 2, 3, False, 2, 0), did("run", 4, 5), did("ask", 6, 7, True, 2, 0)],
        # A rollback walks past what is kept out, and what it left is refused.
        [did("promote", 0, 1, 1, "", "a"), did("promote", 2, 3, 2, "a", "b", release="b"),
         did("promote", 4, 5, 3, "b", "c", release="c"), did("rollback", 6, 7, 4, "c", "b"),
         did("promote", 8, 9, release="c"), did("rollback", 10, 11, 5, "b", "a"), did("rollback", 12, 13)],
    ],
)  # fmt: skip
def test_a_history_that_a_gate_allows_is_accepted(history: list[Asked]) -> None:
    assert explained(history, Gate(gates=GATES))


@pytest.mark.parametrize(
    "history",
    [
        # A promotion without an approval; with one that came after it; that was taken back; under another policy; for
        # what was live before.
        [policy(0, 1, 1, 2), did("promote", 2, 3, 1, "", "a")],
        [policy(0, 1, 1, 2), did("promote", 2, 3, 1, "", "a"), did("approve", 4, 5, 1, True, 2, 1)],
        [policy(0, 1, 1, 2), did("approve", 2, 3, 1, True, 2, 0), did("withdraw", 4, 5, 2),
         did("promote", 6, 7, 1, "", "a")],
        [did("approve", 0, 1, 1, True, 1, 0), policy(2, 3, 1, 2), did("promote", 4, 5, 1, "", "a")],
        [did("approve", 0, 1, 1, True, 1, 0, release="b"), did("promote", 2, 3, 1, "", "a"), policy(4, 5, 1, 2),
         did("promote", 6, 7, 2, "a", "b", release="b")],
        # The policy of before the lock: it had been tightened when the promotion was asked for.
        [policy(0, 1, 1, 2), policy(2, 3, 0, 3), policy(4, 5, 1, 4), did("promote", 6, 7, 1, "", "a")],
        # A verdict that was replaced; a run that had not ended.
        [policy(0, 1, 2, 2), did("verdict", 2, 3, at="8"), did("verdict", 4, 5, at="9", passed=False),
         did("promote", 6, 7, 1, "", "a")],
        [policy(0, 1, 3, 2), did("promote", 2, 3, 1, "", "a"), did("run", 4, 5)],
        # A refusal for nothing: all was there from its call to its return.
        [policy(0, 1, 1, 2), did("approve", 2, 3, 1, True, 2, 0), did("promote", 4, 5)],
        [did("promote", 0, 1)],
        # A gate that says one thing and does another; a number that was given twice; a policy that was lost.
        [policy(0, 1, 1, 2), did("ask", 2, 3, True, 2, 0)],
        [did("approve", 0, 1, 1, True, 1, 0), did("approve", 2, 3, 1, True, 1, 0, who="cleo")],
        [policy(0, 9, 1, 2), policy(1, 8, 2, 2)],
        # What a rollback left goes live again.
        [did("promote", 0, 1, 1, "", "a"), did("promote", 2, 3, 2, "a", "b", release="b"),
         did("rollback", 4, 5, 3, "b", "a"), did("promote", 6, 7, 4, "a", "b", release="b")],
    ],
)  # fmt: skip
def test_a_history_that_no_gate_allows_is_rejected(history: list[Asked]) -> None:
    assert not explained(history, Gate(gates=GATES))
