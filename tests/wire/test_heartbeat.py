"""Heartbeats and clients on their way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.asked import Asked
from promptops.core.errors import Invalid
from promptops.core.heartbeat import Beat, LiveClient, State
from promptops.wire.heartbeat import beat_from_json, beat_to_json, client_from_json, client_to_json
from tests.core.test_asked import ASKED
from tests.core.test_heartbeat import BEAT, NOW

PRINTABLE = st.text(max_size=40).filter(str.isprintable)
NUMBERS = st.integers(0, 2**53 - 1)
BEATS = st.builds(
    Beat,
    id=st.integers(0, 2**128 - 1).map("{:032x}".format),
    channel=st.sampled_from(["prod", "staging"]),
    name=PRINTABLE,
    sdk=PRINTABLE,
    state=st.sampled_from(State),
    lineage=PRINTABLE,
    epoch=NUMBERS,
    revisions=st.dictionaries(st.sampled_from(["bot", "faq", "a.b-c"]), NUMBERS),
    cannot_load=st.dictionaries(st.sampled_from(["bot", "faq"]), PRINTABLE),
    leaving=st.booleans(),
)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1)).map(lambda each: each.replace(tzinfo=UTC))  # noqa: DTZ001


@given(BEATS, st.none() | ASKED)
def test_a_heartbeat_comes_back_as_it_was(beat: Beat, asks: Asked | None) -> None:
    beat = replace(beat, asks=asks)
    document = json.loads(json.dumps(beat_to_json(beat)))
    assert "channel" not in document
    assert beat_from_json(document, beat.channel) == beat


@given(BEATS, MOMENTS, st.booleans(), st.lists(st.sampled_from(["bot", "faq"])))
def test_a_client_comes_back_as_it_was(beat: Beat, seen_at: datetime, comparable: bool, behind: list[str]) -> None:
    client = LiveClient(beat=beat, seen_at=seen_at, comparable=comparable, behind=tuple(behind))
    document = json.loads(json.dumps(client_to_json(client)))
    assert client_from_json(document) == client
    assert client_from_json(document | {"of_the_future": 1}) == client


@given(BEATS)
def test_a_newer_client_adds_extensions(beat: Beat) -> None:
    assert beat_from_json({**beat_to_json(beat), "extensions": {"of": ["the", {"future": 1}]}}, beat.channel) == beat


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": "promptops.heartbeat/2"}, "not a heartbeat"),
        ({"schema": ...}, "not a heartbeat"),
        ({"channel": "prod"}, "unknown key 'channel'"),
        ({"understands": "off"}, "understands is a list of texts"),
        ({"understands": [1]}, "understands is a list of texts"),
        ({"understands": ["off", "budget"]}, "understands are at most 50 features, in order"),
        ({"id": 7}, "id is not text"),
        ({"id": ...}, "id is not text"),
        ({"id": "x"}, "32 lower-case hex digits"),
        ({"name": None}, "name is not text"),
        ({"name": "x" * 201}, "name is one line"),
        ({"state": "FINE"}, "'FINE' is not a state"),
        ({"state": ["READY"]}, "state is not text"),
        ({"epoch": "1"}, "epoch is not a whole number"),
        ({"epoch": True}, "epoch is not a whole number"),
        ({"epoch": 1.0}, "epoch is not a whole number"),
        ({"epoch": -1}, "whole numbers from 0"),
        ({"revisions": []}, "revisions are an object"),
        ({"revisions": {"bot": None}}, "revision of bot is not a whole number"),
        ({"revisions": {"Bot": 1}}, "by name"),
        ({"cannot_load": []}, "cannot_load"),
        ({"cannot_load": {"bot": 7}}, "bot is not text"),
        ({"cannot_load": {"Bot": "x"}}, "by name"),
        ({"leaving": 1}, "leaving is true or false"),
        ({"extensions": []}, "extensions is not an object"),
    ],
)
def test_what_is_no_heartbeat_is_refused(change: dict[str, Any], says: str) -> None:
    document = {key: value for key, value in (beat_to_json(BEAT) | change).items() if value is not ...}
    with pytest.raises(Invalid, match=says):
        beat_from_json(document, "prod")


@pytest.mark.parametrize("document", [None, [], "x", 7])
def test_what_is_no_object_is_refused(document: Any) -> None:
    with pytest.raises(Invalid):
        beat_from_json(document, "prod")
    with pytest.raises(Invalid):
        client_from_json(document)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"behind": ...}, "behind"),
        ({"behind": "bot"}, "behind"),
        ({"comparable": "yes"}, "compared"),
        ({"seen_at": "yesterday"}, "no time"),
        ({"seen_at": "2026-03-01T12:00:00"}, "no time zone"),
        ({"seen_at": 7}, "seen_at is not text"),
        ({"channel": ...}, "channel is not text"),
        ({"channel": "../prod"}, "not a channel's name"),
    ],
)
def test_what_is_no_client_is_refused(change: dict[str, Any], says: str) -> None:
    client = LiveClient(beat=BEAT, seen_at=NOW, comparable=True, behind=())
    document = {key: value for key, value in (client_to_json(client) | change).items() if value is not ...}
    with pytest.raises(Invalid, match=says):
        client_from_json(document)


@pytest.mark.parametrize("extensions", [{"asks": []}, {"asks": {"no app": {}}}, {"later": 1}, {}])
def test_what_a_newer_client_says_in_another_way_is_ignored(extensions: dict[str, Any]) -> None:
    assert beat_from_json({**beat_to_json(BEAT), "extensions": extensions}, BEAT.channel).asks is None
