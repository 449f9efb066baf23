"""Quarantine, unquarantine and yank, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from promptops.core.advice import Action, Advice
from promptops.core.errors import Invalid, NothingToRollBackTo, NotQuarantined, Quarantined, StillServed, Yanked
from promptops.core.model import Policy
from promptops.core.reference import parse_reference
from promptops.operations.override import OverrideRequest
from promptops.operations.promote import PromoteRequest
from promptops.operations.quarantine import WithholdRequest, quarantine, unquarantine, yank
from promptops.operations.release import ReleaseRequest
from promptops.operations.rollback import RollbackRequest
from promptops.operations.tokens import revoke_token
from promptops.store import Registry
from tests.support.factory import ACTOR, go_back, go_live, key, live_version, make_channels, make_releases, minutes


def request(reference: str, *, channel: str = "", reason: str = "it lies") -> WithholdRequest:
    return WithholdRequest(reference=parse_reference(reference), channel=channel, reason=reason, key=key())


@pytest.fixture
def two(registry: Registry) -> Registry:
    """0.1.0 then 0.1.1 live on prod; 0.1.2 released."""
    make_channels(registry)
    make_releases(registry)
    go_live(registry, "bot@0.1.0")
    go_live(registry, "bot@0.1.1")
    return registry


def test_a_quarantined_release_is_not_promoted_until_it_is_let_go(two: Registry) -> None:
    held = quarantine(two, request("bot@0.1.2", channel="prod"), actor=ACTOR, now=minutes(1))
    assert (held.release.version, held.reason) == ("0.1.2", "it lies")
    with pytest.raises(Quarantined):
        go_live(two, "bot@0.1.2")
    unquarantine(two, request("bot@0.1.2", channel="prod"), actor=ACTOR, now=minutes(2))
    go_live(two, "bot@0.1.2")
    assert live_version(two) == "0.1.2"


def test_a_second_quarantine_keeps_the_first_reason(two: Registry) -> None:
    quarantine(two, request("bot@0.1.2", channel="prod"), actor=ACTOR, now=minutes(1))
    held = quarantine(two, request("bot@0.1.2", channel="prod", reason="another"), actor=ACTOR, now=minutes(2))
    assert held.reason == "it lies"


def test_what_is_served_cannot_be_withheld(two: Registry) -> None:
    for change in (
        lambda: quarantine(two, request("bot@0.1.1", channel="prod"), actor=ACTOR, now=minutes(1)),
        lambda: yank(two, request("bot@0.1.1"), actor=ACTOR, now=minutes(1)),
    ):
        with pytest.raises(StillServed) as caught:
            change()
        assert caught.value.advice == (Advice(Action.ROLLBACK, app="bot", channel="prod"),)


def test_a_refused_yank_names_what_may_be_seen_and_a_way_out(two: Registry) -> None:
    make_channels(two, prod=Policy(), staging=Policy(), canary=Policy())
    for channel in ("staging", "canary"):
        go_live(two, "bot@0.1.1", channel)
    for seen, says, hidden in (
        ({"prod", "staging", "canary"}, "is what canary, prod and staging serve now", ()),
        ({"prod"}, "is what prod and a channel that this token may not see serve now", ("staging", "canary")),
        (set[str](), "is what a channel that this token may not see serves now", ("prod", "staging", "canary")),
    ):
        with pytest.raises(StillServed) as caught:
            yank(two, request("bot@0.1.1"), actor=ACTOR, now=minutes(3), sees=seen.__contains__)
        told = f"{caught.value.message} {caught.value.hint}"
        assert says in told
        assert set(caught.value.channels) == seen
        assert [name for name in hidden if name in told.replace("every channel", "")] == []
        for channel in seen:  # where it is the first release, a rollback has nowhere to go
            back = Advice(Action.ROLLBACK, app="bot", channel=channel)
            off = Advice(Action.RETIRE, app="bot", channel=channel, reason="…")
            assert (back in caught.value.advice, off in caught.value.advice) == (channel == "prod", channel != "prod")
        assert ("Ask the holder of a token for every channel" in told) == bool(hidden)


@pytest.mark.parametrize("text", ["x" * 10_001, "half a character: \ud800", "a\0b"])
def test_a_reason_that_cannot_be_kept_is_refused_by_everything_that_takes_one(two: Registry, text: str) -> None:
    bot: dict[str, Any] = {"channel": "prod", "key": "k", "reason": text}
    fixed = parse_reference("bot@0.1.2")
    for attempt in (
        lambda: PromoteRequest(reference=fixed, **bot),
        lambda: RollbackRequest(apps=("bot",), **bot),
        lambda: WithholdRequest(reference=fixed, **bot),
        lambda: OverrideRequest(reference=fixed, channel="prod", reason=text, lifetime=timedelta(hours=1)),
        lambda: ReleaseRequest(key="k", notes=text * 10),
        lambda: revoke_token(two, "any", reason=text, actor=ACTOR, now=minutes(1)),
    ):
        with pytest.raises(Invalid, match=r"(reason|notes)( has|:)"):
            attempt()


def test_a_rollback_passes_over_what_was_quarantined_or_yanked(two: Registry) -> None:
    go_live(two, "bot@0.1.2")
    yank(two, request("bot@0.1.1"), actor=ACTOR, now=minutes(1))
    assert go_back(two, "bot").served[0].version == "0.1.0"


def test_a_yank_is_for_ever(two: Registry) -> None:
    release = yank(two, request("bot@0.1.0"), actor=ACTOR, now=minutes(1))
    assert release.yank is not None
    assert release.yank.reason == "it lies"
    with pytest.raises(Yanked):
        go_live(two, "bot@0.1.0")
    with pytest.raises(NothingToRollBackTo):
        go_back(two, "bot")
    with pytest.raises(Yanked):
        go_back(two, "bot", to="0.1.0")
    again = yank(two, request("bot@0.1.0", reason="other words"), actor=ACTOR, now=minutes(2))
    assert again.yank == release.yank


def test_letting_go_of_what_is_not_held_names_what_is(two: Registry) -> None:
    go_back(two, "bot")
    with pytest.raises(NotQuarantined) as caught:
        unquarantine(two, request("bot@0.1.2", channel="prod"), actor=ACTOR, now=minutes(1))
    assert "0.1.1" in caught.value.hint


def test_a_reason_and_a_fixed_release_are_asked_for() -> None:
    with pytest.raises(Invalid, match="reason"):
        request("bot@0.1.0", reason="  ")
    with pytest.raises(Invalid, match="which release"):
        request("bot:prod")


def test_every_change_is_in_the_audit_log_with_its_reason(two: Registry) -> None:
    go_back(two, "bot", reason="2 am")
    unquarantine(two, request("bot@0.1.1", channel="prod"), actor=ACTOR, now=minutes(1))
    yank(two, request("bot@0.1.1"), actor=ACTOR, now=minutes(2))
    with two.read() as reader:
        entries = reader.audit(limit=4)
    assert [entry.action for entry in entries] == ["yank", "unquarantine", "quarantine", "rollback"]
    assert entries[3].reason == "2 am"
    assert entries[3].after.startswith("0.1.0 sha256:")
