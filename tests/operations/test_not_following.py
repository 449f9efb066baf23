"""A promotion names the live clients that would keep the release before, and goes through all the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from promptops.core.heartbeat import Beat, NotFollowing, State
from promptops.core.model import Content, Policy
from promptops.operations.heartbeats import record_beats
from promptops.operations.promote_all import PromoteAllRequest, promote_all
from promptops.store import Registry
from tests.support.factory import ACTOR, content, go_live, key, live_version, make_channels, make_release, minutes

NOW = minutes(10)


def beat(name: str, *understands: str, apps: tuple[str, ...] = ("bot",), channel: str = "prod") -> Beat:
    return Beat(
        id=f"{len(name):032x}",
        channel=channel,
        name=name,
        sdk="promptops/0.3.0",
        state=State.READY,
        lineage="one",
        epoch=1,
        revisions=dict.fromkeys(apps, 1),
        understands=understands,
    )


def needing(*features: str, app: str = "bot") -> Content:
    return replace(content(app, "Needs {{name}}"), requires=features)


@pytest.fixture
def fleet(registry: Registry) -> Registry:
    """`bot` is live, and four clients are: an old one, two newer ones, and one of another app; one more is silent."""
    make_channels(registry)
    make_release(registry)
    go_live(registry, "bot@0.1.0")
    old, some = beat("old"), beat("some", "budget", "off")
    every, other = beat("every", "budget", "cascade"), beat("another app", apps=("faq",))
    record_beats(registry, [old, some, every, other], NOW - timedelta(seconds=80))
    record_beats(registry, [beat("silent client")], NOW - timedelta(seconds=100))
    make_release(registry, needing("budget", "cascade"), version="0.2.0")
    return registry


@pytest.mark.parametrize("dry_run", [True, False])
def test_live_clients_of_the_app_that_lack_a_feature_are_named(fleet: Registry, dry_run: bool) -> None:
    done = go_live(fleet, "bot@0.2.0", now=NOW, dry_run=dry_run)
    assert done.not_following == (
        NotFollowing(client="old", lacks=("budget", "cascade")),
        NotFollowing(client="some", lacks=("cascade",)),
    )
    assert live_version(fleet) == ("0.1.0" if dry_run else "0.2.0")


def test_a_release_that_needs_nothing_is_followed_by_all(fleet: Registry) -> None:
    make_release(fleet, content(text="plain {{name}}"), version="0.3.0")
    assert go_live(fleet, "bot@0.3.0", now=NOW).not_following == ()


def test_where_an_app_was_not_live_every_client_of_the_channel_may_follow_it(fleet: Registry) -> None:
    make_release(fleet, needing("off", app="new"))
    done = go_live(fleet, "new@0.1.0", now=NOW)
    assert [client.client for client in done.not_following] == ["another app", "every", "old"]


def test_of_several_apps_a_client_lacks_what_those_need_that_it_follows(fleet: Registry) -> None:
    make_channels(fleet, prod=Policy(), staging=Policy())
    make_release(fleet, content("faq"))
    go_live(fleet, "faq@0.1.0")
    make_release(fleet, needing("off", app="faq"), version="0.2.0")
    record_beats(fleet, [beat("one of both apps", apps=("bot", "faq"))], NOW)
    for release in ("bot@0.2.0", "faq@0.2.0"):
        go_live(fleet, release, "staging")
    request = PromoteAllRequest(channel="prod", source="staging", key=key(), every=True)
    assert promote_all(fleet, request, actor=ACTOR, now=NOW).not_following == (
        NotFollowing(client="another app", lacks=("off",)),
        NotFollowing(client="old", lacks=("budget", "cascade")),
        NotFollowing(client="one of both apps", lacks=("budget", "cascade", "off")),
        NotFollowing(client="some", lacks=("cascade",)),
    )
