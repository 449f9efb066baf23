"""There are two ways to hear of a change, and they may overtake each other."""

from __future__ import annotations

from dataclasses import replace

from promptops import State
from promptops.client.follow.refresh import Refreshed, advance, get_version
from promptops.client.settings import references_of
from promptops.client.sources.source import (
    Ask,
    SourceAnswer,
)
from promptops.wire.snapshot import encode
from tests.client import made
from tests.client.simulation import FIRST, Simulation


def test_an_answer_that_an_event_overtook_is_no_trouble() -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")})
    world.poll()
    world.seconds += 60
    asking = world.follower.poll(world.seconds + 5)
    assert asking is not None
    ask = advance(asking, None)
    assert isinstance(ask, Ask)
    late = SourceAnswer(body=encode(made.served(2, "2.0.0"))[0], etag='"late"', api=True)
    newest = made.served(3, "3.0.0")
    world.event(FIRST, encode(replace(newest, partial=True))[0])
    step = advance(asking, late)
    while isinstance(step, Ask):
        step = advance(asking, world.answer(step.place, step.what))
    assert step == Refreshed(place=FIRST)
    assert world.replica.view.resolve("bot/answer").version == "3.0.0"
    assert (world.replica.contact.rejected, world.replica.state) == ({}, State.READY)
    assert world.replica.contact.etag(FIRST, world.replica.held) == f'"{encode(newest)[1]}"'


def test_an_event_that_an_answer_overtook_is_no_trouble() -> None:
    world = Simulation(served={FIRST: made.served(3, "3.0.0")})
    world.poll()
    late = encode(replace(made.served(2, "2.0.0"), partial=True))[0]
    assert world.event(FIRST, late) == Refreshed(place=FIRST)
    assert world.replica.view.resolve("bot/answer").version == "3.0.0"
    assert world.replica.contact.rejected == {}


def test_an_answer_that_goes_back_and_that_nothing_overtook_is_refused() -> None:
    world = Simulation(served={FIRST: made.served(3, "3.0.0")})
    world.poll()
    world.seconds += 60
    world.served[FIRST] = made.served(2, "2.0.0")
    refreshed = world.poll()
    assert refreshed is not None
    assert refreshed.rejected
    assert world.replica.contact.rejected == {"revision": 1}


def test_a_version_that_was_fetched_meanwhile_overtakes_nothing() -> None:
    world = Simulation(served={FIRST: made.served(3, "3.0.0")})
    world.poll()
    world.seconds += 60
    asking = world.follower.poll(world.seconds + 5)
    assert asking is not None
    assert isinstance(advance(asking, None), Ask)
    (wanted,) = references_of("bot@0.5.0", "")
    assert world.drive(get_version(world.replica, wanted, world.seconds + 5)).trouble is None
    refreshed = advance(asking, SourceAnswer(body=encode(made.served(2, "2.0.0"))[0], api=True))
    assert isinstance(refreshed, Refreshed)
    assert refreshed.rejected
