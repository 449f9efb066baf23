"""What arrives is judged by what is held; a rule a test, and their laws for any order of arrivals."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.client.follow.acceptance import CHANGES, LINES, RESTORES, judge
from promptops.client.state.release_set import Held, Rejected, Rejection, build
from promptops.core.declarations import Declarations
from promptops.core.snapshot import MAX_EPOCH, MAX_REVISION, Pointer, Snapshot
from tests.client.made import CONTENTS, event, held, pointer, release, served, snapshot

ONE, TWO, THREE = (release("bot", version) for version in ("1.0.0", "2.0.0", "3.0.0"))
OTHER = release("other", "1.0.0")
NOW = snapshot({"bot": pointer(5, TWO, last_good=ONE), "other": pointer(2, OTHER)}, epoch=2, cursor=9)


@pytest.mark.parametrize(
    ("arrived", "reason"),
    [
        (replace(NOW, channel="staging"), Rejection.CHANNEL),
        (replace(NOW, lineage="two"), Rejection.LINEAGE),
        (replace(NOW, lineage="two", epoch=9), Rejection.LINEAGE),  # a higher epoch of somebody else
        (replace(NOW, epoch=1), Rejection.EPOCH),
        (replace(NOW, epoch=1, apps={"bot": pointer(50, THREE)}), Rejection.EPOCH),  # however new it says it is
        (replace(NOW, epoch=2 + RESTORES + 1), Rejection.EPOCH),  # nobody restores so often
        (replace(NOW, epoch=MAX_EPOCH, apps={"bot": pointer(50, THREE)}), Rejection.EPOCH),
        (replace(NOW, cursor=9 + LINES + 1), Rejection.REVISION),
    ],
)
def test_a_rule_that_is_broken_as_a_whole_is_named_and_nothing_changes(arrived: Snapshot, reason: Rejection) -> None:
    holding = held(NOW)
    before = deepcopy(holding)
    with pytest.raises(Rejected) as raised:
        judge(arrived, holding, channel="prod")
    assert raised.value.reason is reason
    assert raised.value.message
    assert holding == before


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (pointer(4, THREE), Rejection.REVISION),
        (pointer(5, THREE, last_good=ONE), Rejection.CONFLICT),
        (pointer(5, TWO, canary=THREE, weight=100), Rejection.CONFLICT),
        (pointer(5 + CHANGES + 1, THREE), Rejection.REVISION),  # nobody changes an app so often
    ],
)
@pytest.mark.parametrize("partial", [False, True])
def test_an_app_that_breaks_a_rule_is_named_and_stops_no_other(bad: Pointer, reason: Rejection, partial: bool) -> None:
    good = pointer(3, OTHER)
    arrived = replace(NOW, apps={"bot": bad, "other": good}, cursor=10, partial=partial)
    verdict = judge(arrived, held(NOW), channel="prod")
    assert (verdict.news, verdict.base) == ({"other": good}, replace(NOW, cursor=10))
    assert {app: rejected.reason for app, rejected in verdict.refused.items()} == {"bot": reason}
    assert not verdict.behind


def test_the_largest_steps_that_a_registry_can_take_are_followed() -> None:
    """Each bound itself is possible; one more is a leap."""
    assert judge(replace(NOW, epoch=2 + RESTORES), held(NOW), channel="prod").base.epoch == 2 + RESTORES
    assert judge(replace(NOW, cursor=9 + LINES), held(NOW), channel="prod").base.cursor == 9 + LINES
    far = pointer(5 + CHANGES, THREE)
    assert judge(event({"bot": far}, epoch=2, cursor=10), held(NOW), channel="prod").news == {"bot": far}


@pytest.mark.parametrize(
    ("revision", "followed"), [(1, True), (CHANGES + 1, True), (MAX_REVISION, True), (MAX_REVISION + 1, False)]
)
def test_an_app_that_is_new_may_be_at_any_revision_that_a_registry_reaches(revision: int, followed: bool) -> None:
    verdict = judge(snapshot({"bot": pointer(revision, ONE)}), None, channel="prod")
    assert (list(verdict.news), list(verdict.refused)) == ((["bot"], []) if followed else ([], ["bot"]))


def test_what_is_refused_names_its_app() -> None:
    verdict = judge(event({"bot": pointer(4, ONE)}, epoch=2, cursor=10), held(NOW), channel="prod")
    assert verdict.refused["bot"].message == "'bot' is at revision 4 there, and revision 5 is held"
    leap = judge(snapshot({"bot": pointer(MAX_REVISION + 1, ONE)}), None, channel="prod").refused["bot"]
    assert leap.message == f"'bot' leaps to revision {MAX_REVISION + 1} there, and revision 0 is held"


def test_a_snapshot_from_before_what_is_held_is_behind() -> None:
    verdict = judge(replace(NOW, apps={"bot": pointer(4, ONE)}, cursor=8), held(NOW), channel="prod")
    assert verdict.behind
    assert list(verdict.refused) == ["bot"]


def test_the_first_one_is_taken_as_it_is_also_where_it_is_an_event() -> None:
    verdict = judge(replace(NOW, partial=True), None, channel="prod")
    assert (verdict.base, verdict.news) == (replace(NOW, apps={}), NOW.apps)


def test_what_is_held_already_is_nothing_new() -> None:
    verdict = judge(NOW, held(NOW), channel="prod")
    assert not verdict.news and not verdict.refused
    assert verdict.settled == {"bot", "other"}
    assert not verdict.behind
    assert _merged(NOW) == NOW
    assert _merged(replace(NOW, apps={}, partial=True)) == NOW
    assert _merged(replace(NOW, cursor=10)) == replace(NOW, cursor=10)


def test_an_event_changes_its_apps_and_leaves_the_others() -> None:
    merged = _merged(event({"bot": pointer(6, ONE)}, epoch=2, cursor=12))
    assert merged == replace(NOW, apps={**NOW.apps, "bot": pointer(6, ONE)}, cursor=12)


def _merged(arrived: Snapshot, holding: Held | None = None) -> Snapshot:
    """What is held once everything of it is loaded."""
    verdict = judge(arrived, holding or held(NOW), channel="prod")
    return replace(verdict.base, apps={**verdict.base.apps, **verdict.news})


def test_what_an_app_declares_of_its_calls_may_change_within_a_revision() -> None:
    declaring = replace(pointer(5, TWO, last_good=ONE), declared=Declarations(outcomes=("resolved",)))
    merged = _merged(event({"bot": declaring}, epoch=2, cursor=10))
    assert merged.apps["bot"] == declaring
    assert _merged(event({"bot": pointer(5, TWO, last_good=ONE)}, epoch=2, cursor=11), held(merged)).apps == NOW.apps
    other = replace(declaring, stable=pointer(5, THREE).stable)
    verdict = judge(event({"bot": other}, epoch=2, cursor=10), held(NOW), channel="prod")
    assert verdict.refused["bot"].reason is Rejection.CONFLICT


def test_only_where_a_rollback_would_go_may_change_within_a_revision() -> None:
    merged = _merged(event({"bot": pointer(5, TWO)}, epoch=2, cursor=10))
    assert merged.apps["bot"] == pointer(5, TWO)


def test_an_app_that_is_not_there_any_more_is_kept() -> None:
    merged = _merged(replace(NOW, apps={"bot": pointer(6, ONE)}, cursor=11))
    assert merged.apps["other"] == NOW.apps["other"]
    assert _merged(replace(NOW, apps={})) == NOW


def test_a_higher_cursor_with_equal_apps_is_taken_over() -> None:
    """Whatever it says beside its apps may have changed, and that is no part of a revision."""
    for partial in (False, True):
        arrived = replace(NOW, cursor=12, apps={} if partial else NOW.apps, partial=partial)
        verdict = judge(arrived, held(NOW), channel="prod")
        assert (verdict.base, verdict.news, verdict.refused) == (replace(NOW, cursor=12), {}, {})


def test_a_late_answer_never_turns_the_cursor_back() -> None:
    merged = _merged(replace(NOW, apps={"bot": pointer(6, ONE)}, cursor=3))
    assert merged.cursor == 9


def test_a_registry_restored_under_the_same_epoch_is_refused_and_under_the_next_is_followed() -> None:
    holding = held(NOW)
    restored = replace(NOW, apps={"bot": pointer(3, ONE), "other": pointer(2, OTHER)}, cursor=4)
    verdict = judge(restored, holding, channel="prod")
    assert (list(verdict.refused), verdict.behind) == (["bot"], True)
    followed = _merged(replace(restored, epoch=3), holding)
    assert (followed.epoch, followed.cursor, followed.apps["bot"].revision) == (3, 4, 3)


def test_an_app_that_a_restored_registry_lost_is_served_on_and_may_come_back_at_any_revision() -> None:
    holding = held(NOW)
    restored = _merged(snapshot({"bot": pointer(1, ONE)}, epoch=3), holding)
    after = held(restored, holding)
    assert after.apps == {"bot": pointer(1, ONE), "other": pointer(2, OTHER)}
    assert "other" not in after.snapshot.apps
    returned = _merged(event({"other": pointer(1, OTHER)}, epoch=3, cursor=2), after)
    whole = held(returned, after)
    assert whole.gone is None
    assert whole.apps["other"] == pointer(1, OTHER)


_RELEASES = {app: [release(app, f"{number}.0.0") for number in range(1, 4)] for app in ("a", "b", "c")}


@st.composite
def _arrivals(draw: st.DrawFn) -> Snapshot:
    apps: dict[str, Pointer] = {}
    for app in draw(st.sets(st.sampled_from(sorted(_RELEASES)))):
        stable, canary, last = draw(st.tuples(*[st.integers(0, 2)] * 3))
        has_canary = draw(st.booleans())
        apps[app] = pointer(
            draw(st.integers(1, 4)),
            _RELEASES[app][stable],
            canary=_RELEASES[app][canary] if has_canary else None,
            weight=50 if has_canary else 0,
            last_good=_RELEASES[app][last] if draw(st.booleans()) else None,
        )
    return replace(
        snapshot(apps, epoch=draw(st.sampled_from([1, 1, 1, 2, 3])), cursor=draw(st.integers(0, 9))),
        lineage=draw(st.sampled_from(["one", "one", "one", "two"])),
        channel=draw(st.sampled_from(["prod", "prod", "prod", "staging"])),
        partial=draw(st.booleans()),
    )


@given(st.lists(_arrivals(), max_size=12))
def test_no_order_of_arrivals_takes_anything_back(arrivals: list[Snapshot]) -> None:
    holding: Held | None = None
    seen: dict[tuple[int, str, int], Pointer] = {}
    for arrived in arrivals:
        before = deepcopy(holding)
        try:
            verdict = judge(arrived, holding, channel="prod")
        except Rejected:
            assert holding == before
            continue
        accepted = replace(verdict.base, apps={**verdict.base.apps, **verdict.news})
        after = build(accepted, CONTENTS, older=holding)
        if holding is not None:
            assert holding == before  # what is being served meanwhile is not touched
            assert after.snapshot.lineage == holding.snapshot.lineage
            assert after.snapshot.epoch >= holding.snapshot.epoch
            assert after.apps.keys() >= holding.apps.keys()
            if after.snapshot.epoch == holding.snapshot.epoch:
                for app, was in holding.snapshot.apps.items():
                    assert after.snapshot.apps[app].revision >= was.revision
                assert after.snapshot.cursor >= holding.snapshot.cursor
        for app, now in after.snapshot.apps.items():
            first = seen.setdefault((after.snapshot.epoch, app, now.revision), now)
            assert replace(first, last_good=None) == replace(now, last_good=None)
        for app, now in after.apps.items():
            assert after.release(app, now.digest).app == app
        holding = after


def test_two_servers_behind_one_address_never_make_a_client_flap() -> None:
    stale, fresh = served(7, "1.0.0"), served(8, "2.0.0")
    holding = held(stale)
    history = []
    for arrived in [stale, fresh, stale, stale, fresh, stale]:
        holding = held(_merged(arrived, holding), holding)
        history.append(holding.apps["bot"].revision)
    assert history == [7, 8, 8, 8, 8, 8]
