"""Apps that are put away, get another name, and come back; channels that are removed: on both databases."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.core.advice import Action, Advice
from promptops.core.deployment_parts import Kind
from promptops.core.errors import (
    AppArchived,
    AppNotFound,
    CanaryInProgress,
    ChannelInUse,
    ChannelNotFound,
    Invalid,
    KeyReused,
    PromptopsError,
    StillServed,
)
from promptops.core.model import Policy
from promptops.operations.archive import Archived, ArchiveRequest, UnarchiveRequest, archive, unarchive
from promptops.operations.queries import status
from promptops.operations.remove_channel import RemoveChannelRequest, remove_channel
from promptops.operations.retire import RetireRequest, retire
from promptops.store import Registry
from promptops.store.checks.checks import check_store
from tests.support import factory
from tests.support.factory import ACTOR, content, go_back, go_live, key, live_version, make_release, minutes

BACK = Advice(Action.UNARCHIVE_APP, app="bot", reason="…")


def put_away(registry: Registry, app: str = "bot", *, minute: float = 10, **more: Any) -> Archived:
    request = ArchiveRequest(app=app, **{"reason": "the desk closed", "key": key(), **more})
    return archive(registry, request, actor=ACTOR, now=minutes(minute))


def bring_back(registry: Registry, app: str = "bot", *, minute: float = 20) -> Archived:
    request = UnarchiveRequest(app=app, reason="it is open again", key=key())
    return unarchive(registry, request, actor=ACTOR, now=minutes(minute))


def take_off(registry: Registry, channel: str = "prod", app: str = "bot", *, minute: float = 5) -> None:
    request = RetireRequest(app=app, channel=channel, reason="over", keep=True, key=key())
    retire(registry, request, actor=ACTOR, now=minutes(minute))


def remove(registry: Registry, channel: str, *, minute: float = 10, **more: Any) -> Any:
    request = RemoveChannelRequest(channel=channel, **{"reason": "the fair is over", "key": key(), **more})
    return remove_channel(registry, request, actor=ACTOR, now=minutes(minute))


@pytest.fixture
def live(registry: Registry) -> Registry:
    """`bot` 0.1.0 and then 0.1.1 live on prod, nothing on dev."""
    factory.make_channels(registry, dev=Policy(), prod=Policy())
    for place, made in enumerate(factory.make_releases(registry, count=2)):
        go_live(registry, f"bot@{made.version}", now=minutes(place))
    return registry


@pytest.fixture
def gone(live: Registry) -> Registry:
    """`bot` is off everywhere, and archived."""
    take_off(live)
    put_away(live)
    return live


# --- archive -------------------------------------------------------------------------------------------


def test_what_is_live_is_not_archived_and_the_refusal_names_where_to_take_it_off(live: Registry) -> None:
    go_live(live, "bot@0.1.0", "dev", now=minutes(2))
    with pytest.raises(StillServed, match="bot is live on dev, prod") as refused:
        put_away(live)
    assert refused.value.advice == tuple(
        Advice(Action.RETIRE, app="bot", channel=channel, reason="…") for channel in ("dev", "prod")
    )
    request = ArchiveRequest(app="bot", reason="over", key=key())
    with pytest.raises(StillServed) as hidden:
        archive(live, request, actor=ACTOR, now=minutes(3), sees=lambda channel: channel == "prod")
    assert "dev" not in f"{hidden.value.message} {hidden.value.hint}"
    for channel in ("dev", "prod"):
        take_off(live, channel)
    assert put_away(live).changed
    assert check_store(live) == ()


@pytest.mark.parametrize("way", ["release", "promote", "rollback", "rollback --to", "canary"])
def test_an_archived_app_gets_no_release_and_goes_live_nowhere(gone: Registry, way: str) -> None:
    with pytest.raises(
        AppArchived, match=r"bot is archived, by Ada .*: the desk closed; nothing was changed"
    ) as refused:
        if way == "release":
            make_release(gone, content("bot", "new {{name}}"))
        elif way == "promote":
            go_live(gone, "bot@0.1.1", now=minutes(12))
        elif way == "rollback":
            go_back(gone, "bot", now=minutes(12))
        elif way == "rollback --to":
            go_back(gone, "bot", to="0.1.0", now=minutes(12))
        else:
            go_live(gone, "bot@0.1.1", "dev", now=minutes(12))
    assert refused.value.advice == (BACK,)
    assert live_version(gone) == ""


def test_it_comes_back_as_it_was(gone: Registry) -> None:
    assert bring_back(gone).archived is False
    assert go_back(gone, "bot", now=minutes(21)).served[0].version == "0.1.1"
    assert make_release(gone, content("bot", "new {{name}}")).version == "0.1.2"
    assert not bring_back(gone, minute=22).changed
    take_off(gone, minute=23)
    assert put_away(gone, minute=24).changed, "and goes again"
    assert check_store(gone) == ()


def test_a_rollback_of_every_app_leaves_an_archived_one_as_it_is(gone: Registry) -> None:
    for place in range(2):
        made = make_release(gone, content("faq", f"take {place} {{{{name}}}}"))
        go_live(gone, f"faq@{made.version}", now=minutes(11 + place))
    done = go_back(gone, every=True, now=minutes(15))
    assert [(each.app, each.version) for each in done.deployments] == [("faq", "0.1.0")]


def test_status_names_it_no_more_among_what_could_go_live(gone: Registry) -> None:
    make_release(gone, content("faq"))
    assert status(gone, channel="dev").idle == ("faq",)
    assert status(gone).standings == ()
    assert [each.deployment.app for each in status(gone, apps=["bot"]).standings] == ["bot"], "it can be asked for"
    bring_back(gone)
    assert [each.deployment.app for each in status(gone).standings] == ["bot"]
    assert status(gone, channel="dev").idle == ("bot", "faq")


def test_one_key_archives_once(live: Registry) -> None:
    take_off(live)
    one = key()
    assert put_away(live, key=one) == put_away(live, key=one, minute=11)
    assert not put_away(live, minute=12).changed
    with pytest.raises(KeyReused):
        put_away(live, key=one, successor="faq")


def test_a_retry_gets_the_first_answer_after_the_app_came_back(live: Registry) -> None:
    one, other = key(), key()
    first = put_away(live, key=one, successor="help-desk")
    already = put_away(live, key=other, successor="help-desk", minute=11)
    bring_back(live)
    assert put_away(live, key=one, successor="help-desk", minute=21) == first
    assert put_away(live, key=other, successor="help-desk", minute=21) == already
    assert not bring_back(live, minute=22).archived, "and a retry changes nothing"


@pytest.mark.parametrize(
    ("more", "error"),
    [({"app": "gone"}, AppNotFound), ({"reason": " "}, Invalid), ({"successor": "Not A Name"}, Invalid)],
)
def test_what_cannot_be_archived(live: Registry, more: dict[str, Any], error: type[PromptopsError]) -> None:
    with pytest.raises(error):
        put_away(live, **{"app": "bot", **more})


# --- rename --------------------------------------------------------------------------------------------


def test_a_renamed_app_is_served_until_it_is_retired_and_says_its_new_name(live: Registry) -> None:
    assert put_away(live, successor="help-desk").successor == "help-desk"
    assert live_version(live) == "0.1.1"
    for attempt in (
        lambda: make_release(live, content("bot", "new {{name}}")),
        lambda: go_live(live, "bot@0.1.0", "dev", now=minutes(12)),
    ):
        with pytest.raises(AppArchived, match="bot was renamed to help-desk") as refused:
            attempt()
        assert "Work with help-desk" in refused.value.hint
    assert go_back(live, "bot", now=minutes(13)).served[0].version == "0.1.0", "what is live can be rolled back"
    made = make_release(live, content("help-desk"), version="0.1.1")
    go_live(live, f"help-desk@{made.version}", now=minutes(14))
    take_off(live, minute=15)
    assert (live_version(live), live_version(live, "help-desk")) == ("", "0.1.1")
    assert check_store(live) == ()
    bring_back(live)
    assert go_live(live, "bot@0.1.0", now=minutes(21)).served[0].version == "0.1.0", "a rename can be undone"


def test_names_do_not_go_in_a_circle(live: Registry) -> None:
    make_release(live, content("help-desk"))
    put_away(live, successor="help-desk")
    with pytest.raises(AppArchived, match="bot was renamed to help-desk"):
        put_away(live, "help-desk", successor="bot")
    with pytest.raises(Invalid, match="bot has this name already"):
        put_away(live, successor="bot")


def test_a_canary_ends_before_its_app_gets_another_name(live: Registry) -> None:
    trial = make_release(live, content("bot", "new {{name}}"))
    factory.by_hand(live, kind=Kind.CANARY, canary=factory.canary_of(trial), now=minutes(5))
    with pytest.raises(CanaryInProgress):
        put_away(live, successor="help-desk")


# --- channels ------------------------------------------------------------------------------------------


def test_a_channel_is_removed_where_nothing_is_live_and_comes_back_by_applying_it(live: Registry) -> None:
    go_live(live, "bot@0.1.0", "dev", now=minutes(2))
    with pytest.raises(ChannelInUse, match="bot is live on dev") as refused:
        remove(live, "dev")
    assert refused.value.advice == (Advice(Action.RETIRE, app="bot", channel="dev", reason="…"),)
    take_off(live, "dev")
    assert remove(live, "dev").version == 1
    assert status(live).channels == ("prod",)
    assert [each.deployment.channel for each in status(live).standings] == ["prod"]
    for attempt in (
        lambda: go_live(live, "bot@0.1.0", "dev", now=minutes(12)),
        lambda: go_back(live, "bot", channel="dev", now=minutes(12)),
        lambda: remove(live, "dev", minute=12),
    ):
        with pytest.raises(
            ChannelNotFound, match=r"the channel 'dev' was removed by Ada .*: the fair is over"
        ) as found:
            attempt()
        assert found.value.advice == (Advice(Action.APPLY_CHANNELS),)
    assert check_store(live) == ()
    factory.make_channels(live, dev=Policy(), prod=Policy())
    with live.read() as reader:
        assert reader.channel("dev").version == 2
    assert go_back(live, "bot", channel="dev", now=minutes(13)).served[0].version == "0.1.0", "its log is the old one"
    assert check_store(live) == ()


def test_a_channel_from_which_another_takes_is_not_removed(live: Registry) -> None:
    factory.make_channels(live, dev=Policy(), next=Policy(promote_from=("dev",)))
    with pytest.raises(ChannelInUse, match="next takes releases that were live on dev"):
        remove(live, "dev")
    remove(live, "next")
    remove(live, "dev")


def test_one_key_removes_once_and_a_reason_is_needed(live: Registry) -> None:
    one = key()
    first = remove(live, "dev", key=one)
    assert remove(live, "dev", key=one, minute=11) == first
    with pytest.raises(Invalid):
        remove(live, "prod", reason=" ")
    with pytest.raises(ChannelNotFound):
        remove(live, "nowhere")
