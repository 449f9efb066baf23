"""An app is taken off a channel: what it serves, what is kept out, where a rollback goes, and how one gets there."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.advice import Action, Advice
from promptops.core.deployment_parts import Action as Step
from promptops.core.deployment_parts import Kind
from promptops.core.errors import (
    AppNotFound,
    ChannelNotFound,
    ConcurrentDeployment,
    Invalid,
    KeyReused,
    NothingDeployed,
    NothingToRollBackTo,
    PromptopsError,
    Quarantined,
    StillServed,
)
from promptops.core.model import Policy, Release
from promptops.core.reference import parse_reference
from promptops.operations import snapshots
from promptops.operations.deploy import Deployed
from promptops.operations.quarantine import WithholdRequest, quarantine, unquarantine, yank
from promptops.operations.retire import RetireRequest, retire
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from tests.support import factory
from tests.support.factory import ACTOR, go_back, go_live, key, live_version, make_channels, make_releases, minutes

OFF = Advice(Action.RETIRE, app="bot", channel="prod", reason="…")


def take_off(registry: Registry, app: str = "bot", *, minute: float = 10, **more: Any) -> Deployed:
    request = RetireRequest(app=app, **{"channel": "prod", "reason": "it lies", "key": key(), **more})
    return retire(registry, request, actor=ACTOR, now=minutes(minute))


def withhold(release: str, channel: str = "") -> WithholdRequest:
    return WithholdRequest(reference=parse_reference(release), reason="it lies", key=key(), channel=channel)


def held(registry: Registry) -> list[str]:
    with registry.read() as reader:
        return [each.release.version for each in reader.quarantines("bot", "prod")]


@pytest.fixture
def releases(registry: Registry) -> list[Release]:
    make_channels(registry)
    return make_releases(registry)


@pytest.fixture
def first(registry: Registry, releases: list[Release]) -> Release:
    """The only release that was ever live."""
    go_live(registry, "bot@0.1.0", now=minutes(0))
    return releases[0]


@pytest.fixture
def second(registry: Registry, first: Release, releases: list[Release]) -> Release:
    """A release that is live, after one that was good."""
    go_live(registry, "bot@0.1.1", now=minutes(1))
    return releases[1]


# --- the way out of a bad first release ----------------------------------------------------------------


def test_a_bad_first_release_is_taken_off_and_kept_out(registry: Registry, first: Release) -> None:
    done = take_off(registry)
    [made] = done.deployments
    assert (made.kind, made.stable, made.before, made.revision, made.restores) == (Kind.OFF, None, first.ref, 2, None)
    assert (made.actor, made.reason, done.served) == (ACTOR, "it lies", (made,))
    [kept_out] = done.kept_out
    assert (kept_out.release, kept_out.reason) == (first.ref, "retired at revision 2: it lies")
    assert held(registry) == ["0.1.0"]
    assert snapshots.snapshot(registry, "prod").apps["bot"].stable is None
    assert check_store(registry) == ()
    with pytest.raises(Quarantined):
        go_live(registry, "bot@0.1.0", now=minutes(11))
    with pytest.raises(
        NothingToRollBackTo, match="bot:prod is off, and no good release was live there before"
    ) as found:
        go_back(registry, "bot", now=minutes(12))
    assert [each.action for each in found.value.advice] == [Action.PROMOTE, Action.HISTORY]
    yank(registry, withhold("bot@0.1.0"), actor=ACTOR, now=minutes(13))
    go_live(registry, "bot@0.1.1", now=minutes(14))
    assert live_version(registry) == "0.1.1"


@pytest.mark.parametrize("stuck", ["rollback", "quarantine", "yank"])
def test_what_a_first_release_cannot_have_names_what_takes_it_off(
    registry: Registry, first: Release, stuck: str
) -> None:
    """Each of the three named another of the three."""

    def attempt() -> None:
        if stuck == "rollback":
            go_back(registry, "bot", now=minutes(1))
        elif stuck == "quarantine":
            quarantine(registry, withhold("bot@0.1.0", "prod"), actor=ACTOR, now=minutes(1))
        else:
            yank(registry, withhold("bot@0.1.0"), actor=ACTOR, now=minutes(1))

    with pytest.raises((NothingToRollBackTo, StillServed)) as found:
        attempt()
    assert OFF in found.value.advice
    assert Action.ROLLBACK not in [each.action for each in found.value.advice]
    take_off(registry)
    if stuck == "yank":
        attempt()  # what is off is served nowhere


def test_a_release_after_a_good_one_is_not_kept_out_and_a_rollback_puts_it_back(
    registry: Registry, second: Release
) -> None:
    done = take_off(registry)
    assert (done.kept_out, held(registry)) == ((), [])
    assert snapshots.snapshot(registry, "prod").apps["bot"].last_good == second.ref
    assert go_back(registry, "bot", now=minutes(11)).served[0].version == "0.1.1"
    assert held(registry) == [], "nothing was served, so nothing is left"
    assert go_back(registry, "bot", now=minutes(12)).served[0].version == "0.1.0", "as if it had never been off"
    assert check_store(registry) == ()


def test_where_the_one_before_is_not_good_any_more_it_is_kept_out(registry: Registry, second: Release) -> None:
    quarantine(registry, withhold("bot@0.1.0", "prod"), actor=ACTOR, now=minutes(2))
    take_off(registry)
    assert sorted(held(registry)) == ["0.1.0", "0.1.1"]


def test_keep_keeps_it_for_a_rollback(registry: Registry, first: Release) -> None:
    done = take_off(registry, keep=True)
    assert (done.kept_out, held(registry)) == ((), [])
    assert go_back(registry, "bot", now=minutes(11)).served[0].version == "0.1.0"
    take_off(registry, minute=12)
    assert held(registry) == ["0.1.0"], "a rollback stands at the place of the first promotion"
    unquarantine(registry, withhold("bot@0.1.0", "prod"), actor=ACTOR, now=minutes(13))
    assert go_back(registry, "bot", now=minutes(14)).served[0].version == "0.1.0"


def test_a_canary_ends_with_it(registry: Registry, first: Release, releases: list[Release]) -> None:
    step = factory.canary_of(releases[1], action=Step.START)
    factory.by_hand(registry, kind=Kind.CANARY, canary=step, now=minutes(5))
    take_off(registry)
    with registry.read() as reader:
        live = reader.live("bot", "prod")
        assert live is not None
        assert (live.canary, list(live.served())) == (None, [])
    assert held(registry) == ["0.1.0"], "of the release on trial nothing is known"
    assert check_store(registry) == ()


def test_a_promotion_elsewhere_does_not_care(registry: Registry, second: Release) -> None:
    """What was live on the channel and is good there may go on, also while the app is off."""
    make_channels(registry, prod=Policy(), next=Policy(promote_from=("prod",)))
    take_off(registry)
    go_live(registry, "bot@0.1.1", "next", now=minutes(11))
    with pytest.raises(NothingDeployed, match="bot is off on prod since revision 3"):
        go_live(registry, "bot:prod", "next", now=minutes(12))


# --- once, under the lock, and only what was asked -----------------------------------------------------


def test_one_key_takes_it_off_once(registry: Registry, first: Release) -> None:
    one = key()
    done, again = take_off(registry, key=one), take_off(registry, key=one, minute=11)
    assert (again.deployments, again.kept_out, again.replayed) == (done.deployments, done.kept_out, True)
    with pytest.raises(KeyReused):
        take_off(registry, key=one, keep=True)
    with registry.read() as reader:
        assert len(reader.history("bot", "prod")) == 2


def test_what_is_off_stays_off(registry: Registry, first: Release) -> None:
    done = take_off(registry)
    again = take_off(registry, minute=11)
    assert (again.deployments, again.unchanged, again.kept_out) == ((), done.deployments, ())
    with pytest.raises(ConcurrentDeployment):
        take_off(registry, minute=12, expect_revision=1)


def test_a_dry_run_says_what_would_be_kept_out_and_changes_nothing(registry: Registry, first: Release) -> None:
    done = take_off(registry, dry_run=True)
    assert ([made.kind for made in done.deployments], done.dry_run) == ([Kind.OFF], True)
    assert [each.release.version for each in done.kept_out] == ["0.1.0"]
    assert (live_version(registry), held(registry)) == ("0.1.0", [])


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"app": "gone"}, AppNotFound),
        ({"channel": "nowhere"}, ChannelNotFound),
        ({"app": "faq"}, NothingDeployed),
        ({"expect_revision": 7}, ConcurrentDeployment),
        ({"reason": " "}, Invalid),
        ({"reason": "\0"}, Invalid),
    ],
)
def test_what_cannot_be_taken_off_changes_nothing(
    registry: Registry, first: Release, more: dict[str, Any], error: type[PromptopsError]
) -> None:
    make_releases(registry, "faq", 1)
    with pytest.raises(error):
        take_off(registry, **{"app": "bot", **more})
    assert (live_version(registry), held(registry)) == ("0.1.0", [])
