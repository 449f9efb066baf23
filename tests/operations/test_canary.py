"""Canaries that people start and end: what is recorded, what is refused, and what a repeated request answers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from promptops.core.deployment_parts import Action, Kind
from promptops.core.errors import CanaryInProgress, Conflict, Invalid, NoCanary, PolicyRefused, Quarantined
from promptops.core.model import Deployment, Policy, Release
from promptops.core.reference import parse_reference
from promptops.operations import snapshots
from promptops.operations.approve import ApproveRequest, approve
from promptops.operations.canary import StartRequest, Step, StepRequest, start, step
from promptops.operations.deploy import Deployed
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from tests.support.factory import (
    ACTOR,
    go_back,
    go_live,
    key,
    make_channels,
    make_release,
    make_releases,
    minutes,
)


@pytest.fixture
def releases(registry: Registry) -> list[Release]:
    """0.1.0 and 0.1.1 were live, 0.1.1 is; 0.1.2 is not yet."""
    make_channels(registry)
    made = make_releases(registry)
    for number, release in enumerate(made[:2]):
        go_live(registry, f"bot@{release.version}", now=minutes(number))
    return made


def try_out(registry: Registry, reference: str = "bot@0.1.2", weight: int = 500, **more: object) -> Deployed:
    more = {"key": key(), **more}
    request = StartRequest(reference=parse_reference(reference), channel="prod", weight=weight, **more)  # type: ignore[arg-type]
    return start(registry, request, actor=ACTOR, now=minutes(10))


def take(registry: Registry, what: Step, *, minute: int = 11, **more: object) -> Deployed:
    request = StepRequest(app="bot", channel="prod", step=what, **{"key": key(), **more})  # type: ignore[arg-type]
    return step(registry, request, actor=ACTOR, now=minutes(minute))


def live(registry: Registry) -> Deployment:
    with registry.read() as reader:
        found = reader.live("bot", "prod")
    assert found is not None
    return found


def test_a_canary_grows_keeps_its_salt_and_becomes_the_stable_release(
    registry: Registry, releases: list[Release]
) -> None:
    [begun] = try_out(registry).deployments
    assert begun.canary is not None and begun.stable == releases[1].ref
    assert (begun.kind, begun.position, begun.canary.action) == (Kind.CANARY, 2, Action.START)
    assert re.fullmatch(r"bot#prod#1\.3#[0-9a-f]{16}", begun.canary.salt)
    pointer = snapshots.snapshot(registry, "prod").apps["bot"]
    assert (pointer.canary, pointer.weight, pointer.salt) == (releases[2].ref, 500, begun.canary.salt)

    take(registry, Step.ADVANCE, weight=2_500)
    take(registry, Step.PAUSE)
    assert not take(registry, Step.PAUSE).deployments, "it is paused already"
    take(registry, Step.RESUME)
    now = live(registry)
    assert now.canary == replace(begun.canary, weight=2_500, step=2, action=Action.RESUME)

    [ended] = take(registry, Step.FINISH).deployments
    assert (ended.kind, ended.stable, ended.canary) == (Kind.PROMOTE, releases[2].ref, None)
    assert ended.reason == "canary 1.3 finished at 25 %"
    assert go_back(registry, "bot", now=minutes(20)).served[0].version == "0.1.1"
    assert check_store(registry) == ()


def test_each_canary_asks_other_users_first(registry: Registry, releases: list[Release]) -> None:
    salts = set()
    for _ in range(3):
        try_out(registry)
        canary = live(registry).canary
        assert canary is not None
        salts.add(canary.salt)
        take(registry, Step.ABORT)
    assert len(salts) == 3


def test_an_abort_leaves_what_is_stable_and_keeps_the_release_out_only_where_that_is_said(
    registry: Registry, releases: list[Release]
) -> None:
    try_out(registry)
    [ended] = take(registry, Step.ABORT).deployments
    assert (ended.kind, ended.stable, ended.position) == (Kind.ABORT, releases[1].ref, 2)
    try_out(registry)
    take(registry, Step.ABORT, quarantine=True)
    with pytest.raises(Quarantined):
        try_out(registry)


def test_a_rollback_ends_the_canary_and_keeps_its_release_out(registry: Registry, releases: list[Release]) -> None:
    try_out(registry)
    [ended] = go_back(registry, "bot", now=minutes(12), reason="it lies").deployments
    assert (ended.kind, ended.version, ended.canary) == (Kind.ABORT, "0.1.1", None)
    with registry.read() as reader:
        [held] = reader.quarantines("bot", "prod")
    assert (held.release, held.reason) == (releases[2].ref, "rolled back at revision 4: it lies")
    assert go_back(registry, "bot", now=minutes(13)).served[0].version == "0.1.0", "the next one goes further"


def test_a_rollback_to_a_release_leaves_the_canary_and_the_stable_one(
    registry: Registry, releases: list[Release]
) -> None:
    try_out(registry)
    assert go_back(registry, "bot", to="0.1.0", now=minutes(12)).served[0].version == "0.1.0"
    with registry.read() as reader:
        assert {held.release.version for held in reader.quarantines("bot", "prod")} == {"0.1.1", "0.1.2"}


@pytest.mark.parametrize("more", [{"to": "0.1.0"}, {"at": minutes(0.5)}])
def test_a_rollback_to_the_release_on_trial_keeps_it_out_of_quarantine(
    registry: Registry, releases: list[Release], more: dict[str, Any]
) -> None:
    try_out(registry, "bot@0.1.0")
    [done] = go_back(registry, "bot", now=minutes(12), **more).deployments
    assert (done.kind, done.stable) == (Kind.ROLLBACK, releases[0].ref)
    with registry.read() as reader:
        assert reader.quarantine("bot", "prod", releases[0].digest) is None, "it is what is served"
        assert reader.quarantine("bot", "prod", releases[1].digest) is not None
    assert check_store(registry) == ()


def test_what_is_refused(registry: Registry, releases: list[Release]) -> None:
    for what in (Step.PAUSE, Step.ABORT, Step.FINISH):
        with pytest.raises(NoCanary):
            take(registry, what)
    assert not try_out(registry, "bot@0.1.1").deployments, "it is stable already"
    try_out(registry)
    with pytest.raises(CanaryInProgress):
        try_out(registry, "bot@0.1.0")
    with pytest.raises(CanaryInProgress):
        go_live(registry, "bot@0.1.0", now=minutes(11))
    with pytest.raises(CanaryInProgress, match=r"at 5 % already, and it only grows"):
        take(registry, Step.ADVANCE, weight=400)
    for weight in (0, 10_000):
        with pytest.raises(Invalid, match="more than 0 % and less than 100 %"):
            take(registry, Step.ADVANCE, weight=weight)
    for given in (
        {"what": Step.PAUSE, "weight": 600},
        {"what": Step.ADVANCE},
        {"what": Step.PAUSE, "quarantine": True},
    ):
        with pytest.raises(Invalid):
            take(registry, **given)
    with pytest.raises(Conflict):
        take(registry, Step.ABORT, expect_revision=1)
    assert live(registry).revision == 3


def test_where_nothing_is_stable_the_first_release_is_live_at_once(registry: Registry) -> None:
    make_channels(registry)
    make_release(registry)
    [made] = try_out(registry, "bot@0.1.0").deployments
    assert (made.kind, made.version, made.canary) == (Kind.PROMOTE, "0.1.0", None)


@pytest.mark.parametrize("what", ["start", *Step])
def test_the_same_request_twice_is_one_step(registry: Registry, releases: list[Release], what: str) -> None:
    if what == "start":
        first, again = try_out(registry, key="once"), try_out(registry, key="once")
    else:
        try_out(registry)
        if what == Step.RESUME:
            take(registry, Step.PAUSE)
        given = {"weight": 900} if what == Step.ADVANCE else {}
        first, again = (take(registry, Step(what), key="once", **given) for _ in range(2))
    assert (first.replayed, again.replayed) == (False, True)
    assert again.deployments == first.deployments


def test_a_dry_run_changes_nothing(registry: Registry, releases: list[Release]) -> None:
    assert try_out(registry, dry_run=True).deployments[0].canary is not None
    assert live(registry).canary is None
    try_out(registry)
    for what, given in ((Step.ADVANCE, {"weight": 900}), (Step.ABORT, {}), (Step.FINISH, {})):
        assert take(registry, what, dry_run=True, **given).deployments
    assert live(registry).revision == 3


def test_the_gate_judges_a_canary_at_its_start_and_again_at_its_finish(
    registry: Registry, releases: list[Release]
) -> None:
    make_channels(registry, prod=Policy(gate={"approvals": {"count": 1, "proven": False}}))
    with pytest.raises(PolicyRefused):
        try_out(registry)
    wanted = ApproveRequest(reference=parse_reference("bot@0.1.2"), channel="prod", key=key())
    approve(registry, wanted, actor="Bob <bob@example.org>", now=minutes(5))
    try_out(registry)
    make_channels(registry, prod=Policy(gate={"approvals": {"count": 2, "proven": False}}))
    with pytest.raises(PolicyRefused):
        take(registry, Step.FINISH)
    assert live(registry).canary is not None, "what was not finished goes on"
    take(registry, Step.ABORT)
