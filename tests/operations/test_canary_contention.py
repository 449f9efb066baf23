"""Promotions, steps of canaries, aborts, rollbacks, reports and looks of the policy at once, from eight processes.

All that each process was told, refusals too, has an order that is true to the time of each answer: no step is taken
twice, and none after the end of its canary.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import pytest

from promptops.core.canary.decision import CanaryDecision, policy_actor
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from tests.operations.canary_contenders import acted, prepare
from tests.operations.canary_model import Asked, Live, What
from tests.operations.rollback_model import each_once
from tests.store.contenders import together
from tests.store.facts import ask, do
from tests.store.linearizability import explained
from tests.support.factory import go_live

pytestmark = pytest.mark.slow


def test_steps_of_people_and_of_the_policy_have_one_order(registry: Registry, registry_url: str) -> None:
    do(registry, prepare)
    go_live(registry, "bot@0.1.1")

    history = list(chain.from_iterable(together(acted, registry_url)))

    assert explained(history, Live(revision=1, stable="0.1.1"))
    log = ask(registry, lambda reader: reader.history("bot", "prod"))[::-1]
    assert [each.revision for each in log] == list(range(1, len(log) + 1))
    assert each_once(each.canary.rollout if each.canary else "" for each in log)
    decisions = ask(registry, lambda reader: [each.fact for each in reader.facts(reader.journal())])
    decided = [each.revision for each in decisions if isinstance(each, CanaryDecision)]
    assert sorted(decided) == [each.revision for each in log if each.actor == policy_actor("prod")]
    assert check_store(registry) == ()


# --- the model can refuse --------------------------------------------------------------------------

BEGIN = Live(revision=2, stable="a", canary="b", weight=2_000, rollout="1.2")


def asked(what: What, *told: str | int, at: int = 0, **more: str) -> Asked:
    """An operation that was over before the next one began."""
    return Asked(called=2 * at, returned=2 * at + 1, what=what, told=told, **more)


ABORTED = ("made", 3, "a", "", 0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (asked("abort", *ABORTED), asked("abort", "NoCanary", at=1)),
        (asked("pause", "made", 3, "a", "b", 2_000), asked("look", "hold", 3, 2_000, at=1)),
        (asked("report", "reached", rollout="1.2"), asked("look", "abort", 3, 0, at=1)),
        (asked("rollback", *ABORTED), asked("promote", "Quarantined", release="b", at=1)),
        (asked("abort", *ABORTED), asked("promote", "made", 4, "a", "b", 2_000, release="b", at=1)),
        (asked("finish", "made", 3, "b", "", 0), asked("rollback", "made", 4, "a", "", 0, at=1)),
    ],
)
def test_a_history_with_an_order_is_accepted(first: Asked, second: Asked) -> None:
    assert explained([first, second], BEGIN)
    assert not explained([replace(second, called=0, returned=1), replace(first, called=2, returned=3)], BEGIN)


@pytest.mark.parametrize(
    "history",
    [
        [asked("abort", *ABORTED), asked("advance", "made", 4, "a", "b", 5_000, at=1)],  # a step after the end
        [asked("abort", *ABORTED), asked("abort", "made", 4, "a", "", 0)],  # two aborts of one canary
        [asked("look", "abort", 3, 0)],  # nothing is shown
        [asked("report", "reached", rollout="1.2"), asked("look", "hold", 2, 2_000, at=1)],  # it is shown
        [asked("pause", "made", 3, "a", "b", 2_000), asked("look", "advance", 4, 5_000, at=1)],  # a person paused it
        [asked("look", "advance", 3, 5_000), asked("look", "advance", 4, 5_000)],  # one step twice
        [asked("look", "finish", 3, 10_000)],  # not at the last step
        [asked("promote", "made", 3, "a", "c", 2_000, release="c")],  # beside a canary
        [asked("rollback", *ABORTED), asked("promote", "made", 4, "a", "b", 2_000, release="b", at=1)],  # kept out
        [asked("abort", *ABORTED), asked("rollback", "made", 4, "b", "", 0, at=1)],  # to what was never stable
        [asked("report", "reached", rollout="1.1")],  # keys of another canary
    ],
)
def test_a_history_without_one_is_rejected(history: list[Asked]) -> None:
    assert not explained(history, BEGIN)
