"""The part about canaries can fail: it sees a state that differs, and an end that is not one abort."""

from __future__ import annotations

from promptops.operations.canary import Step
from promptops.store import Registry
from tests.harness.faults.canaries import judge_end, judge_state
from tests.harness.faults.report import Row
from tests.operations.canaries import Crowd, begin, by_hand, look_once
from tests.support.factory import minutes


def row() -> Row:
    return Row(part="canaries", what="three servers", database="SQLite", rounds=1)


def test_a_state_that_differs_is_bad() -> None:
    same, other = row(), row()
    judge_state(same, "round 1", ({"error": 1}, []), ({"error": 1}, []))
    judge_state(other, "round 1", ({"error": 1}, []), ({"error": 2}, []))
    assert (same.ok, other.bad) == (True, 1)


def test_one_abort_by_the_policy_is_good(registry: Registry) -> None:
    begun, found = begin(registry), row()
    crowd = Crowd(registry, begun)
    crowd.report(begun, minutes(1), bad={"error": crowd.keys(30, 2_000, canary=True)})
    look_once(registry, minutes(2))
    judge_end(found, "round 1", registry, begun)
    assert found.ok, found.problems


def test_a_step_too_many_and_an_abort_by_a_person_are_bad(registry: Registry) -> None:
    begun, found = begin(registry), row()
    by_hand(registry, Step.PAUSE, minutes(1))
    by_hand(registry, Step.ABORT, minutes(2))
    judge_end(found, "round 1", registry, begun)
    assert found.bad == 3
