"""Apps that are off, and canaries: read, served, shown and walked past. Rows are written by hand: no command does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptops.core.deployment_parts import Action, Kind
from promptops.core.errors import NothingDeployed, NothingToRollBackTo, StillServed
from promptops.core.model import Release
from promptops.core.reference import parse_reference
from promptops.operations import snapshots
from promptops.operations.quarantine import WithholdRequest, quarantine, yank
from promptops.operations.queries import history, named, status
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from tests.support.factory import (
    ACTOR,
    by_hand,
    canary_of,
    content,
    go_back,
    go_live,
    key,
    live_version,
    make_channels,
    make_release,
    make_releases,
    minutes,
)


@pytest.fixture
def releases(registry: Registry) -> list[Release]:
    """0.1.0, 0.1.1 and 0.1.2 live on prod, one after the other, at minutes 0, 1 and 2."""
    make_channels(registry)
    made = make_releases(registry)
    for number, release in enumerate(made):
        go_live(registry, f"bot@{release.version}", now=minutes(number))
    return made


def off(registry: Registry, app: str = "bot", *, minute: float = 10) -> None:
    by_hand(registry, app, kind=Kind.OFF, now=minutes(minute))


# --- off ---------------------------------------------------------------------------------------------


def test_an_app_that_is_off_is_read_as_it_was_written(registry: Registry, releases: list[Release]) -> None:
    made = by_hand(registry, kind=Kind.OFF, now=minutes(10))
    with registry.read() as reader:
        assert reader.live("bot", "prod") == made
        assert reader.history("bot", "prod")[0] == made
        assert reader.live_on("prod") == (made,)
        assert reader.channels_serving("bot", releases[-1].digest) == ()
    assert (made.stable, made.version, made.digest, list(made.served())) == (None, "", "", [])
    assert made.before == releases[-1].ref
    assert check_store(registry) == ()


def test_its_snapshot_says_so_and_names_where_a_rollback_would_go(registry: Registry, releases: list[Release]) -> None:
    make_release(registry, content("faq"))
    go_live(registry, "faq@0.1.0", now=minutes(3))
    off(registry)
    found = snapshots.snapshot(registry, "prod").apps
    assert (found["bot"].revision, found["bot"].stable, found["bot"].last_good) == (4, None, releases[-1].ref)
    assert found["faq"].version == "0.1.0"


def test_a_rollback_from_off_goes_to_the_newest_good_release_before_it(
    registry: Registry, releases: list[Release]
) -> None:
    withhold = WithholdRequest(reference=parse_reference("bot@0.1.2"), reason="it lies", key=key(), channel="prod")
    off(registry)
    quarantine(registry, withhold, actor=ACTOR, now=minutes(11))
    done = go_back(registry, "bot", now=minutes(12))
    assert [(made.version, made.before) for made in done.deployments] == [("0.1.1", None)]
    with registry.read() as reader:  # nothing was left, so nothing more is in quarantine
        assert [held.release.version for held in reader.quarantines("bot", "prod")] == ["0.1.2"]
    assert check_store(registry) == ()


def test_off_is_no_target_of_a_rollback(registry: Registry, releases: list[Release]) -> None:
    off(registry)
    make_release(registry, version="0.2.0")
    go_live(registry, "bot@0.2.0", now=minutes(11))
    assert go_back(registry, "bot", now=minutes(12)).served[0].version == "0.1.2"
    assert go_back(registry, "bot", now=minutes(13)).served[0].version == "0.1.1"


def test_a_first_release_that_was_taken_off_has_nothing_before_it_but_itself(registry: Registry) -> None:
    make_channels(registry)
    make_release(registry)
    go_live(registry, "bot@0.1.0")
    off(registry)
    yank(
        registry,
        WithholdRequest(reference=parse_reference("bot@0.1.0"), reason="it lies", key=key()),
        actor=ACTOR,
        now=minutes(11),
    )
    with pytest.raises(NothingToRollBackTo, match="bot:prod is off, and no good release was live there before it"):
        go_back(registry, "bot", now=minutes(12))


def test_a_moment_when_it_was_off_is_refused_and_one_when_it_was_not_is_gone_back_to(
    registry: Registry, releases: list[Release]
) -> None:
    off(registry, minute=10)
    go_live(registry, "bot@0.1.1", now=minutes(20))
    with pytest.raises(NothingToRollBackTo, match="bot was off on prod at revision 4"):
        go_back(registry, "bot", at=minutes(15), now=minutes(30))
    off(registry, minute=40)
    assert go_back(registry, "bot", at=minutes(5), now=minutes(50)).served[0].version == "0.1.2"


def test_a_rollback_of_every_app_leaves_what_is_off_as_it_is(registry: Registry, releases: list[Release]) -> None:
    for minute, text in ((3, "one"), (4, "two")):
        made = make_release(registry, content("faq", f"{text} {{{{name}}}}"))
        go_live(registry, f"faq@{made.version}", now=minutes(minute))
    off(registry)
    done = go_back(registry, every=True, now=minutes(20))
    assert [(made.app, made.version) for made in done.deployments] == [("faq", "0.1.0")]
    assert [(same.app, same.stable) for same in done.unchanged] == [("bot", None)]
    off(registry, "faq", minute=30)
    with pytest.raises(NothingToRollBackTo, match="every app of prod is off"):
        go_back(registry, every=True, now=minutes(40))
    # To a moment at which both were live, both go back.
    assert len(go_back(registry, every=True, at=minutes(3.5), now=minutes(50)).deployments) == 2


def test_it_comes_back_by_a_promotion_and_its_release_is_nothing_served_meanwhile(
    registry: Registry, releases: list[Release]
) -> None:
    off(registry)
    with pytest.raises(NothingDeployed, match="bot is off on prod since revision 4"):
        named(registry, parse_reference("bot:prod"))
    assert named(registry, parse_reference("bot@0.1.2")).channels == ()
    done = go_live(registry, "bot@0.1.2", now=minutes(20))
    assert [(made.revision, made.before) for made in done.deployments] == [(5, None)]
    assert live_version(registry) == "0.1.2"
    assert check_store(registry) == ()


def test_status_and_history_have_it(registry: Registry, releases: list[Release]) -> None:
    off(registry)
    [standing] = status(registry).standings
    assert (standing.deployment.kind, standing.target and standing.target.release.version) == (Kind.OFF, "0.1.2")
    found = history(registry, "bot", "prod")
    assert [made.version for made in found.deployments] == ["", "0.1.2", "0.1.1", "0.1.0"]
    with registry.read() as reader:
        line = reader.audit(limit=1)[0]
    assert (line.action, line.before, line.after) == ("off", f"0.1.2 {releases[-1].digest}", "off")


# --- canary ------------------------------------------------------------------------------------------


def test_a_canary_is_read_as_it_was_written_and_served_beside_the_stable_release(
    registry: Registry, releases: list[Release]
) -> None:
    trial = make_release(registry, version="0.2.0")
    made = by_hand(registry, kind=Kind.CANARY, canary=canary_of(trial), now=minutes(10))
    with registry.read() as reader:
        assert reader.live("bot", "prod") == made
        assert reader.channels_serving("bot", trial.digest) == ("prod",)
        line = reader.audit(limit=1)[0]
    pointer = snapshots.snapshot(registry, "prod").apps["bot"]
    assert (pointer.stable, pointer.canary) == (releases[-1].ref, trial.ref)
    assert (pointer.weight, pointer.salt, pointer.last_good) == (1_000, "bot#prod#1", releases[1].ref)
    beside = f"0.1.2 {releases[-1].digest}; canary 0.2.0 {trial.digest} at 10 % (start, step 1 of r1)"
    assert (line.action, line.after) == ("canary", beside)
    assert check_store(registry) == ()


@pytest.mark.parametrize("steps", [(), (1,), (1, 2, 3)])
def test_steps_of_canaries_change_no_target_of_a_rollback(
    registry: Registry, releases: list[Release], steps: tuple[int, ...]
) -> None:
    """As if they were not in the log: those beside what is live, and those beside what was live before."""
    trial = make_release(registry, version="0.2.0")
    for step in steps:
        canary = canary_of(trial, step=step, weight=100 * step, action=Action.ADVANCE)
        by_hand(registry, kind=Kind.CANARY, canary=canary, now=minutes(9 + step))
    if steps:
        by_hand(registry, kind=Kind.ABORT, restores=3, now=minutes(15))
    make_release(registry, content("bot", "later {{name}}"), version="0.3.0")
    go_live(registry, "bot@0.3.0", now=minutes(20))
    assert (live_version(registry), list(snapshots.snapshot(registry, "prod").apps["bot"].served())[1:]) == (
        "0.3.0",
        [],
    )
    for step in steps:
        by_hand(registry, kind=Kind.CANARY, canary=canary_of(trial, step=step), now=minutes(20 + step))
    if steps:
        assert go_back(registry, "bot", now=minutes(29)).served[0].version == "0.3.0", "the canary goes first"
    assert go_back(registry, "bot", now=minutes(30)).served[0].version == "0.1.2"
    assert go_back(registry, "bot", now=minutes(31)).served[0].version == "0.1.1"
    assert go_back(registry, "bot", now=minutes(32)).served[0].version == "0.1.0"
    with pytest.raises(NothingToRollBackTo):
        go_back(registry, "bot", now=minutes(33))
    assert check_store(registry) == ()


def test_a_release_on_trial_is_served_so_it_is_not_yanked(registry: Registry, releases: list[Release]) -> None:
    trial = make_release(registry, version="0.2.0")
    by_hand(registry, kind=Kind.CANARY, canary=canary_of(trial), now=minutes(10))
    withhold = WithholdRequest(reference=parse_reference("bot@0.2.0"), reason="it lies", key=key())
    with pytest.raises(StillServed):
        yank(registry, withhold, actor=ACTOR, now=minutes(11))
    go_back(registry, "bot", now=minutes(12))
    yank(registry, withhold, actor=ACTOR, now=minutes(13))


def test_words_of_a_newer_version_are_kept_as_they_are(registry: Registry, releases: list[Release]) -> None:
    trial = make_release(registry, version="0.2.0")
    made = by_hand(
        registry,
        kind=Kind("shadow-run"),
        canary=replace(canary_of(trial), action=Action("hold")),
        now=minutes(10),
    )
    with registry.read() as reader:
        [live] = reader.live_on("prod")
    assert live == made
    assert (live.kind, live.canary and live.canary.action) == ("shadow-run", "hold")
    assert check_store(registry) == ()


@pytest.mark.parametrize("word", ["", "Promote", "two words", "x" * 41, "größer"])
def test_what_is_no_word_is_no_kind(word: str) -> None:
    with pytest.raises(ValueError, match="is not a valid Kind"):
        Kind(word)


def test_what_cannot_be_is_not_constructed(registry: Registry, releases: list[Release]) -> None:
    with registry.read() as reader:
        live = reader.live("bot", "prod")
    assert live is not None
    trial = canary_of(releases[0])
    for changes in (
        {"stable": None},
        {"kind": Kind.OFF},
        {"kind": Kind("later"), "stable": None, "canary": trial},
    ):
        with pytest.raises(ValueError, match="revision 3 of bot:prod is"):
            replace(live, **changes)
    for wrong in ({"weight": 10_001}, {"weight": -1}, {"step": 0}, {"salt": ""}):
        with pytest.raises(ValueError, match="no canary has"):
            replace(trial, **wrong)
