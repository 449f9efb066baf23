"""What a client says of itself, and when it has acknowledged a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from promptops.core.errors import Invalid
from promptops.core.heartbeat import Beat, State, compare
from promptops.core.model import Deployment, Kind, ReleaseRef

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEAT = Beat(
    id="0" * 32,
    channel="prod",
    name="web-1:4711",
    sdk="promptops/0.1.0 python/3.11.7",
    state=State.READY,
    lineage="one",
    epoch=1,
    revisions={"bot": 7, "faq": 2},
)


def deployment(app: str, revision: int, channel: str = "prod") -> Deployment:
    return Deployment(
        app=app,
        channel=channel,
        revision=revision,
        kind=Kind.ROLLBACK,
        stable=ReleaseRef(version="0.1.0", digest="sha256:" + "0" * 64),
        before=None,
        restores=None,
        actor="Ada",
        reason="",
        at=NOW,
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "0" * 31}, "id"),
        ({"id": "G" * 32}, "id"),
        ({"id": "0" * 32 + "\n"}, "id"),
        ({"channel": "Prod"}, "channel"),
        ({"channel": "../prod"}, "channel"),
        ({"name": "x" * 201}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"sdk": "\x1b[2J"}, "sdk"),
        ({"lineage": "x" * 201}, "lineage"),
        ({"epoch": -1}, "epoch"),
        ({"epoch": 2**53}, "epoch"),
        ({"revisions": {"bot": -1}}, "revisions"),
        ({"revisions": {"bot": 2**53}}, "revisions"),
        ({"revisions": {"Bot": 1}}, "revisions"),
        ({"revisions": {f"app-{n}": 1 for n in range(2001)}}, "revisions"),
        ({"cannot_load": {f"app-{n}": "" for n in range(2001)}}, "cannot_load"),
        ({"cannot_load": {"bot": "two\nlines"}}, "reason"),
        ({"cannot_load": {"bot": "x" * 201}}, "reason"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object], says: str) -> None:
    with pytest.raises(Invalid, match=says):
        replace(BEAT, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "asked", "acknowledged"),
    [
        ({}, [deployment("bot", 7)], True),
        ({}, [deployment("bot", 6)], True),  # a later one than was asked for
        ({}, [deployment("bot", 8)], False),
        ({}, [deployment("bot", 7), deployment("faq", 3)], False),  # all of them, or it is not done
        ({}, [deployment("other", 3)], True),  # an app it does not follow
        ({}, [deployment("bot", 8, "staging")], True),  # a channel it does not follow
        ({"revisions": {}}, [deployment("bot", 8)], True),  # serves nothing
        ({"lineage": "two"}, [deployment("bot", 7)], False),  # counts differently
        ({"epoch": 2}, [deployment("bot", 7)], False),
        ({"lineage": "two"}, [deployment("other", 7)], True),
        ({"state": State.STALE}, [deployment("bot", 7)], True),  # what it serves counts, not how it feels
        ({}, [], True),
    ],
)
def test_a_client_has_acknowledged_what_it_serves(
    change: dict[str, object], asked: list[Deployment], acknowledged: bool
) -> None:
    beat = replace(BEAT, **change)  # type: ignore[arg-type]
    client = compare(beat, NOW, live={}, lineage="one", epoch=1)
    assert client.acknowledged(asked) is acknowledged


def test_behind_are_the_apps_it_serves_at_an_older_revision() -> None:
    live = {("prod", "bot"): 7, ("prod", "faq"): 3, ("prod", "other"): 9, ("staging", "bot"): 12}
    assert compare(BEAT, NOW, live=live, lineage="one", epoch=1).behind == ("faq",)
    assert compare(BEAT, NOW, live={}, lineage="one", epoch=1).behind == ()
    elsewhere = compare(BEAT, NOW, live=live, lineage="one", epoch=2)
    assert (elsewhere.comparable, elsewhere.behind) == (False, ("bot", "faq"))
