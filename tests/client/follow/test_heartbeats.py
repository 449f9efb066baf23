"""A heartbeat stays below what a server reads, however many apps a process cannot load."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from promptops.client.follow.heartbeats import _question
from promptops.core.asked import Passed
from promptops.wire.heartbeat import MAX_BYTES, beat_from_json
from tests.core.test_heartbeat import BEAT


@pytest.mark.parametrize(
    ("apps", "reason"), [(0, ""), (3, "why"), (600, "x" * 200), (600, "é" * 200), (600, "😀" * 200)]
)
def test_reasons_are_shortened_until_a_heartbeat_is_read(apps: int, reason: str) -> None:
    beat = replace(BEAT, cannot_load={f"app-{number}": reason for number in range(apps)})
    body = _question(beat).body
    assert len(body) <= MAX_BYTES
    read = beat_from_json(json.loads(body), BEAT.channel)
    assert read.cannot_load.keys() == beat.cannot_load.keys()
    assert all(reason.startswith(said) and bool(said) == bool(reason) for said in read.cannot_load.values())
    assert replace(read, cannot_load={}) == replace(beat, cannot_load={})


def test_what_a_client_asks_for_is_left_out_first() -> None:
    asks = {"bot/answer": Passed(always=tuple(f"é{number}" + "é" * 100 for number in range(60)))}
    beat = replace(BEAT, asks=asks, cannot_load={f"app-{number}": "x" * 20 for number in range(1200)})
    read = beat_from_json(json.loads(_question(beat).body), BEAT.channel)
    assert (read.asks, read.cannot_load) == (None, beat.cannot_load)
    few = replace(beat, cannot_load={})  # below the bound together
    assert beat_from_json(json.loads(_question(few).body), BEAT.channel) == few
