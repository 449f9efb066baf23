"""A channel with `rollout:` takes a release as a canary, step by step, unless a person waives that."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from promptops.core.canary.rollout_fact import Rollout
from promptops.core.deployment_parts import Kind
from promptops.core.errors import (
    CanaryInProgress,
    Invalid,
    NoCanary,
    NothingReported,
    PolicyRefused,
    Quarantined,
    StillServed,
)
from promptops.core.model import Deployment, Policy, Release
from promptops.core.reference import parse_reference
from promptops.operations.canary import StartRequest, Step, StepRequest, start, step
from promptops.operations.deploy import Deployed
from promptops.operations.outcomes import Document, take
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.quarantine import WithholdRequest, quarantine, unquarantine, yank
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from tests.support.factory import ACTOR, go_back, go_live, key, make_channels, make_releases, minutes
from tests.support.reports import report

STEPS: dict[str, Any] = {"steps": [{"percent": 5, "bake": "4h"}, {"percent": 25, "bake": "4h"}]}
HOUR = timedelta(hours=1)


@pytest.fixture
def releases(registry: Registry) -> list[Release]:
    """0.1.0 and 0.1.1 were live, 0.1.1 is, and the channel takes what comes next in steps. Nothing is reported."""
    make_channels(registry)
    made = make_releases(registry)
    for number, release in enumerate(made[:2]):
        go_live(registry, f"bot@{release.version}", now=minutes(number))
    make_channels(registry, prod=Policy(rollout=STEPS))
    return made


def go(registry: Registry, reference: str = "bot@0.1.2", minute: float = 10, **more: Any) -> Deployed:
    more = {"key": key(), "blind": True, **more}
    request = PromoteRequest(reference=parse_reference(reference), channel="prod", **more)
    return promote(registry, request, actor=ACTOR, now=minutes(minute))


def at_once(registry: Registry, reference: str = "bot@0.1.2", minute: float = 10, **more: Any) -> Deployed:
    waiver = {"waive": ("rollout",), "waive_for": HOUR, "reason": "it leaks"}
    return go(registry, reference, minute, **{"blind": False, **waiver, **more})


def begin(registry: Registry, minute: float = 10, **more: Any) -> Deployed:
    request = StartRequest(
        reference=parse_reference("bot@0.1.2"), channel="prod", **{"key": key(), "blind": True, **more}
    )
    return start(registry, request, actor=ACTOR, now=minutes(minute))


def follow(registry: Registry, what: Step, minute: float = 11, **more: Any) -> Deployed:
    request = StepRequest(app="bot", channel="prod", step=what, **{"key": key(), **more})
    return step(registry, request, actor=ACTOR, now=minutes(minute))


def live(registry: Registry) -> Deployment:
    with registry.read() as reader:
        found = reader.live("bot", "prod")
    assert found is not None
    return found


def held(registry: Registry, rollout: str) -> Rollout | None:
    with registry.read() as reader:
        return reader.rollout("bot", "prod", rollout)


def test_a_promotion_becomes_a_canary_that_takes_the_steps_of_the_policy(
    registry: Registry, releases: list[Release]
) -> None:
    [begun] = go(registry).deployments
    assert begun.canary is not None
    assert (begun.kind, begun.stable, begun.canary.weight) == (Kind.CANARY, releases[1].ref, 500)
    assert not go(registry, minute=11).deployments, "the next run of the pipeline finds it on trial"
    follow(registry, Step.ADVANCE, 12)
    assert live(registry).canary is not None and live(registry).canary.weight == 2_500  # type: ignore[union-attr]
    with pytest.raises(CanaryInProgress, match=r"at 25 %, the last step of its rollout"):
        follow(registry, Step.ADVANCE, 13)
    [ended] = follow(registry, Step.FINISH, 14).deployments
    assert (ended.kind, ended.stable, ended.canary) == (Kind.PROMOTE, releases[2].ref, None)
    assert check_store(registry) == ()


def test_what_holds_for_a_canary_is_frozen_when_it_starts(registry: Registry, releases: list[Release]) -> None:
    [begun] = go(registry).deployments
    found = held(registry, "1.3")
    assert found is not None
    assert found.off.keys() == {"slow", "dear", "unrecorded", "schema", "check"}, "nothing is known, or declared"
    whole: dict[str, Any] = {"off": found.off, "blind": True, "actor": ACTOR, "at": minutes(10)}
    frozen = Rollout(app="bot", channel="prod", rollout="1.3", settings=STEPS, **whole)
    assert begun.canary is not None and held(registry, begun.canary.rollout) == frozen
    with registry.read() as reader:
        recorded, deployed = reader.audit()[:2]
    assert (deployed.action, recorded.action, recorded.after) == ("canary", "rollout", "canary 1.3, blind")
    # A policy that changes meanwhile holds for the next one.
    make_channels(
        registry, prod=Policy(rollout={"steps": [{"percent": 1, "bake": "1h"}, {"percent": 90, "bake": "1h"}]})
    )
    follow(registry, Step.ADVANCE)
    assert live(registry).canary.weight == 2_500  # type: ignore[union-attr]
    assert held(registry, "1.3") == frozen
    follow(registry, Step.ABORT, 12)
    go(registry, minute=13)
    assert live(registry).canary.weight == 100  # type: ignore[union-attr]
    make_channels(registry, prod=Policy())
    follow(registry, Step.ADVANCE, 14)
    assert live(registry).canary.weight == 9_000, "nor does one that has no rollout any more"  # type: ignore[union-attr]


def test_a_person_may_start_and_advance_beside_the_steps(registry: Registry, releases: list[Release]) -> None:
    begin(registry, weight=100)
    assert held(registry, "1.3") is not None, "it is judged all the same"
    follow(registry, Step.ADVANCE)
    assert live(registry).canary.weight == 500  # type: ignore[union-attr]
    follow(registry, Step.ADVANCE, 12, weight=600)
    follow(registry, Step.ADVANCE, 13)
    assert live(registry).canary.weight == 2_500  # type: ignore[union-attr]


def test_a_canary_by_hand_has_no_rollout(registry: Registry, releases: list[Release]) -> None:
    make_channels(registry, prod=Policy())
    with pytest.raises(Invalid, match="prod has no rollout that says by how many keys a canary begins"):
        begin(registry, blind=False)
    begin(registry, weight=500, blind=False)
    assert held(registry, "1.3") is None
    with pytest.raises(Invalid, match="has no rollout that says its next step"):
        follow(registry, Step.ADVANCE)


def test_where_nothing_is_stable_the_first_release_goes_to_all_at_once(registry: Registry) -> None:
    make_channels(registry, prod=Policy(rollout=STEPS))
    make_releases(registry)
    [made] = go(registry, "bot@0.1.0", blind=False).deployments
    assert (made.kind, made.version, made.canary) == (Kind.PROMOTE, "0.1.0", None)
    assert held(registry, "1.1") is None


def test_a_waiver_takes_a_release_to_all_at_once(registry: Registry, releases: list[Release]) -> None:
    with pytest.raises(Invalid, match="a waiver has a reason and an end"):
        at_once(registry, reason="")
    [made] = at_once(registry).deployments
    assert (made.kind, made.stable, made.canary) == (Kind.PROMOTE, releases[2].ref, None)
    with registry.read() as reader:
        [waiver] = reader.waivers(minutes(11))
    assert (waiver.check, waiver.reason, waiver.expires_at) == ("rollout", "it leaks", minutes(70))
    # It is of this release, and holds until its end.
    go_back(registry, "bot", now=minutes(20))
    lift = WithholdRequest(reference=parse_reference("bot@0.1.2"), reason="fine", key=key(), channel="prod")
    unquarantine(registry, lift, actor=ACTOR, now=minutes(21))
    assert go(registry, minute=22, blind=False).deployments[0].kind is Kind.PROMOTE
    go_back(registry, "bot", now=minutes(23))
    unquarantine(registry, WithholdRequest(**{**_fields(lift), "key": key()}), actor=ACTOR, now=minutes(24))
    assert go(registry, minute=71).deployments[0].kind is Kind.CANARY


def _fields(request: WithholdRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in ("reference", "reason", "channel")}


def test_a_waiver_that_is_not_needed_is_refused_or_not_recorded(registry: Registry, releases: list[Release]) -> None:
    make_channels(registry, prod=Policy())
    with pytest.raises(Invalid, match="prod gives a release to all keys at once, so there is nothing to waive"):
        at_once(registry)
    with pytest.raises(Invalid, match="there is nothing to waive"):
        begin(registry, weight=500, waive=("rollout",), waive_for=HOUR, reason="why")
    make_channels(registry, prod=Policy(rollout=STEPS), fresh=Policy(rollout=STEPS))
    request = PromoteRequest(
        reference=parse_reference("bot@0.1.0"), channel="fresh", key=key(), waive=("rollout",), waive_for=HOUR,
        reason="first",
    )  # fmt: skip
    promote(registry, request, actor=ACTOR, now=minutes(10))
    with registry.read() as reader:
        assert reader.waivers(minutes(11)) == ()


@pytest.mark.parametrize(
    ("waivers", "refused"),
    [({}, False), ({"may": ["latency", "rollout"]}, False), ({"may": ["latency"]}, True), ({"may": []}, True)],
)
def test_a_gate_that_lists_what_may_be_waived_lists_the_rollout(
    registry: Registry, releases: list[Release], waivers: dict[str, Any], refused: bool
) -> None:
    gate = {"freeze": {"from": "2020-01-01", "to": "2020-01-02"}, "waivers": {**waivers, "at_most": "2h"}}
    make_channels(registry, prod=Policy(rollout=STEPS, gate=gate))
    with pytest.raises(PolicyRefused, match="for so long" if not refused else "does not let 'rollout' be waived"):
        at_once(registry, waive_for=3 * HOUR)
    if not refused:
        assert at_once(registry).deployments[0].kind is Kind.PROMOTE


def test_a_canary_of_which_nothing_would_be_known_is_refused(registry: Registry, releases: list[Release]) -> None:
    with pytest.raises(NothingReported, match=r"no client reported in 7 days what calls of bot on prod did"):
        go(registry, blind=False)
    with pytest.raises(NothingReported):
        begin(registry, blind=False, dry_run=True)
    assert live(registry).revision == 2
    take(registry, [Document(report=report(registry.lineage))], now=minutes(5))
    week = 7 * 24 * 60
    with pytest.raises(NothingReported):
        go(registry, minute=9 * 24 * 60, blind=False)
    assert go(registry, minute=week, blind=False).deployments
    frozen = held(registry, "1.3")
    assert frozen is not None and not frozen.blind
    follow(registry, Step.ABORT, week + 1)
    go(registry, minute=week + 2)
    again = held(registry, "1.5")
    assert again is not None and not again.blind, "what was reported is not blind, whatever was said"


@pytest.mark.parametrize("first", ["go", "begin"])
def test_the_same_request_twice_is_one_canary(registry: Registry, releases: list[Release], first: str) -> None:
    one, again = (go(registry, key="once") if first == "go" else begin(registry, key="once") for _ in range(2))
    assert (one.replayed, again.replayed, again.deployments) == (False, True, one.deployments)
    follow(registry, Step.ADVANCE, key="on")
    assert follow(registry, Step.ADVANCE, key="on").replayed
    assert live(registry).canary.weight == 2_500  # type: ignore[union-attr]


def test_another_release_is_refused_while_a_canary_stands(registry: Registry, releases: list[Release]) -> None:
    go(registry)
    with pytest.raises(CanaryInProgress):
        go(registry, "bot@0.1.0")
    for release in releases[::2]:
        with pytest.raises(CanaryInProgress):
            at_once(registry, f"bot@{release.version}")
    with registry.read() as reader:
        assert reader.waivers(minutes(11)) == (), "what was refused leaves no waiver"


def test_after_its_end_no_step_of_a_canary_follows(registry: Registry, releases: list[Release]) -> None:
    for end in (Step.ABORT, Step.FINISH):
        go(registry)
        revision = live(registry).revision
        follow(registry, end)
        for late in (Step.ADVANCE, Step.PAUSE, Step.RESUME, Step.ABORT, Step.FINISH):
            with pytest.raises(NoCanary):
                follow(registry, late)
        assert live(registry).revision == revision + 1


def test_a_rollback_drops_the_canary_and_the_pipeline_does_not_start_it_again(
    registry: Registry, releases: list[Release]
) -> None:
    go(registry)
    assert go_back(registry, "bot", now=minutes(12)).served[0].version == "0.1.1"
    with pytest.raises(Quarantined):
        go(registry, minute=13)
    with pytest.raises(Quarantined):
        at_once(registry, minute=13)


def test_what_is_served_is_neither_yanked_nor_quarantined_while_a_canary_stands(
    registry: Registry, releases: list[Release]
) -> None:
    """So no canary ever stands beside a release that is not good: the stable one goes by a rollback, as does the
    canary before it."""
    go(registry)
    for version in ("0.1.1", "0.1.2"):
        request = WithholdRequest(reference=parse_reference(f"bot@{version}"), reason="bad", key=key())
        with pytest.raises(StillServed):
            yank(registry, request, actor=ACTOR, now=minutes(12))
        with pytest.raises(StillServed):
            quarantine(registry, WithholdRequest(**{**_fields(request), "channel": "prod", "key": key()}),
                       actor=ACTOR, now=minutes(12))  # fmt: skip
    go_back(registry, "bot", to="0.1.0", now=minutes(13))
    assert live(registry).canary is None
    with registry.read() as reader:
        assert {each.release.version for each in reader.quarantines("bot", "prod")} == {"0.1.1", "0.1.2"}
