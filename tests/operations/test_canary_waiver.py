"""A pause in which the policy does not abort a canary: what it holds back, for how long, and what ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptops.core.deployment_parts import Action, Kind
from promptops.core.errors import Invalid, NoCanary, PolicyRefused
from promptops.core.evidence.approval import NO_ABORT, Waiver
from promptops.core.model import Deployment, Policy
from promptops.operations.canary import Step
from promptops.operations.canary_status import CanaryStatusRequest, canary_status
from promptops.operations.queries import status
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from promptops.wire.documents.canaries import CanaryStatusDocument
from tests.operations.canaries import (
    HOUR,
    SETTINGS,
    Crowd,
    begin,
    begin_again,
    by_hand,
    live,
    look_once,
    start_by_hand,
)
from tests.support import factory
from tests.support.factory import START, minutes

WEIGHT = 2_000
WHY = "their outage, not ours"


@pytest.fixture
def begun(registry: Registry) -> Deployment:
    return begin(registry)


@pytest.fixture
def crowd(registry: Registry, begun: Deployment) -> Crowd:
    return Crowd(registry, begun)


def fail(crowd: Crowd, at: Deployment, minute: float) -> None:
    """So many keys of the canary fail that it would be aborted."""
    crowd.report(at, minutes(minute), bad={"error": crowd.keys(30, WEIGHT, canary=True)})


def pause(registry: Registry, minute: float, **more: object) -> Deployment:
    """A person pauses it, and nothing is to abort it."""
    done = by_hand(registry, Step.PAUSE, minutes(minute), no_abort=True, reason=WHY, **more)
    return (*done.deployments, *done.unchanged)[0]


def shown(registry: Registry, minute: float) -> CanaryStatusDocument:
    return canary_status(registry, CanaryStatusRequest(app="bot", channel="prod"), now=minutes(minute)).document


def waivers(registry: Registry, minute: float) -> tuple[Waiver, ...]:
    return status(registry, now=minutes(minute)).waivers


def verb(registry: Registry, minute: float) -> str:
    looked = look_once(registry, minutes(minute))
    assert looked is not None
    return looked.verb


def test_nothing_aborts_it_for_a_day_and_the_look_after_that_does(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    paused = pause(registry, 5)
    assert paused.canary is not None
    assert (paused.kind, paused.canary.action) == (Kind.CANARY, Action.PAUSE)
    assert paused.reason == f"no abort for 1d: {WHY}"
    fail(crowd, begun, 6)
    day = 24 * 60
    for minute in (7, 600, 5 + day - 0.01):
        assert verb(registry, minute) == "hold"
        found = shown(registry, minute)
        assert found.would_abort.startswith("the canary is worse at error: 30 keys of the canary and 0 of stable")
        assert found.waiver is not None and found.waiver.reason == WHY
        assert found.waiver.expires_at == minutes(5 + day)
        assert [each.check for each in waivers(registry, minute)] == [NO_ABORT]
    assert live(registry) == paused

    over = 5 + day
    assert (shown(registry, over).waiver, shown(registry, over).would_abort, waivers(registry, over)) == (None, "", ())
    assert verb(registry, over) == "abort"
    assert live(registry).kind is Kind.ABORT
    assert check_store(registry) == ()


def test_what_would_abort_is_said_only_where_something_would(registry: Registry, begun: Deployment) -> None:
    pause(registry, 5)
    found = shown(registry, 6)
    assert found.waiver is not None
    assert found.would_abort == ""


def test_without_the_waiver_a_pause_does_not_keep_it_from_an_abort(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    by_hand(registry, Step.PAUSE, minutes(5), reason=WHY)
    fail(crowd, begun, 6)
    assert shown(registry, 7).would_abort == ""
    assert verb(registry, 7) == "abort"


@pytest.mark.parametrize("ending", [Step.RESUME, Step.ADVANCE])
def test_the_end_of_the_pause_ends_it_and_says_what_follows(
    registry: Registry, begun: Deployment, crowd: Crowd, ending: Step
) -> None:
    pause(registry, 5)
    fail(crowd, begun, 6)
    [resumed] = by_hand(registry, ending, minutes(8), reason="it was not").deployments
    assert resumed.reason.startswith("the next look aborts it: the canary is worse at error: 30 keys of the canary")
    assert resumed.reason.endswith(": it was not")
    assert shown(registry, 9).waiver is None
    assert waivers(registry, 9) == ()
    assert verb(registry, 9) == "abort"


def test_the_end_of_a_pause_says_that_the_policy_may_abort_it_again(registry: Registry, begun: Deployment) -> None:
    pause(registry, 5)
    assert by_hand(registry, Step.RESUME, minutes(8)).deployments[0].reason == "the policy may abort it again"
    by_hand(registry, Step.PAUSE, minutes(9))
    assert by_hand(registry, Step.RESUME, minutes(10)).deployments[0].reason == ""


def test_a_later_pause_of_the_same_release_has_no_waiver_by_that(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    pause(registry, 5)
    by_hand(registry, Step.RESUME, minutes(6))
    by_hand(registry, Step.PAUSE, minutes(7))
    fail(crowd, begun, 8)
    assert waivers(registry, 9) == ()
    assert verb(registry, 9) == "abort"


def test_the_next_canary_of_the_same_release_has_none_either(registry: Registry, begun: Deployment) -> None:
    pause(registry, 5)
    by_hand(registry, Step.ABORT, minutes(6))
    again = begin_again(registry, now=minutes(7))
    by_hand(registry, Step.PAUSE, minutes(8))
    fail(Crowd(registry, again), again, 9)
    assert verb(registry, 10) == "abort"


def test_a_canary_that_is_paused_is_paused_anew_and_the_day_begins_anew(
    registry: Registry, begun: Deployment, crowd: Crowd
) -> None:
    by_hand(registry, Step.PAUSE, minutes(4))
    first, second = pause(registry, 5), pause(registry, 65)
    assert second.revision == first.revision + 1
    fail(crowd, begun, 66)
    assert verb(registry, 5 + 24 * 60 + 1) == "hold"
    assert verb(registry, 65 + 24 * 60) == "abort"


def test_a_plain_pause_of_it_changes_nothing(registry: Registry, begun: Deployment) -> None:
    paused = pause(registry, 5)
    assert by_hand(registry, Step.PAUSE, minutes(6)).unchanged == (paused,)
    assert shown(registry, 7).waiver is not None


def test_the_same_request_is_done_once(registry: Registry, begun: Deployment) -> None:
    first = pause(registry, 5, key="once")
    assert pause(registry, 50, key="once") == first
    waiver = shown(registry, 51).waiver
    assert waiver is not None and waiver.expires_at == minutes(5 + 24 * 60)


def test_a_dry_run_records_nothing(registry: Registry, begun: Deployment) -> None:
    pause(registry, 5, dry_run=True)
    assert live(registry) == begun
    assert waivers(registry, 6) == ()


def test_the_rules_of_the_gate_hold_for_it(registry: Registry, begun: Deployment) -> None:
    rollout = Policy(rollout=SETTINGS)
    factory.make_channels(registry, prod=replace(rollout, gate={"waivers": {"may": ["latency"]}}))
    with pytest.raises(PolicyRefused, match="the gate of prod does not let 'canary-abort' be waived"):
        pause(registry, 5)
    assert live(registry) == begun, "nothing was done"
    gate = {"waivers": {"may": ["latency", "canary-abort"], "at_most": "2h"}}
    factory.make_channels(registry, prod=replace(rollout, gate=gate))
    assert pause(registry, 6).reason == f"no abort for 2h: {WHY}"
    waiver = shown(registry, 7).waiver
    assert waiver is not None and waiver.expires_at == minutes(6) + 2 * HOUR


def test_what_is_no_such_pause_is_refused(registry: Registry, begun: Deployment) -> None:
    with pytest.raises(Invalid, match="has a reason"):
        by_hand(registry, Step.PAUSE, START, no_abort=True, reason=" ")
    with pytest.raises(Invalid, match="only a pause"):
        by_hand(registry, Step.RESUME, START, no_abort=True, reason=WHY)
    by_hand(registry, Step.ABORT, minutes(1))
    with pytest.raises(NoCanary):
        pause(registry, 2)


def test_no_policy_aborts_a_canary_whose_steps_a_person_takes(registry: Registry) -> None:
    factory.make_channels(registry, prod=Policy())
    factory.make_releases(registry, count=2)
    factory.go_live(registry, "bot@0.1.0")
    begun = start_by_hand(registry)
    with pytest.raises(Invalid, match="nothing aborts it but a person"):
        pause(registry, 5)
    assert live(registry) == begun
