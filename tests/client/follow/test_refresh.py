"""How a replica is brought up to date, without any I/O: the test answers, and the clock is a number."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from promptops import State
from promptops.client.follow.refresh import INTERNAL, Asking, Refreshed, advance, get_version
from promptops.client.settings import references_of
from promptops.client.sources.source import (
    Ask,
    AskContents,
    AskSnapshot,
    Failed,
    Question,
    SourceAnswer,
    SourcePlace,
)
from promptops.core.asked import Passed
from promptops.wire.snapshot import encode
from tests.client import made
from tests.client.simulation import DOWN, FIRST, SECOND, Simulation


def test_the_first_place_is_asked_and_the_next_one_where_it_does_not_answer() -> None:
    world = Simulation(places=(FIRST, SECOND), served={SECOND: made.served(1, "1.0.0")})
    refreshed = world.poll()
    assert refreshed is not None
    assert refreshed.place == SECOND
    assert [ask.place for ask in world.asked] == [FIRST, SECOND, SECOND]
    world.served[FIRST] = made.served(2, "2.0.0")
    world.seconds += 60
    refreshed = world.poll()
    assert refreshed is not None
    assert refreshed.place == FIRST


def test_a_place_that_hangs_leaves_the_next_one_its_share_of_the_time() -> None:
    world = Simulation(places=(FIRST, SECOND), served={SECOND: made.served(1, "1.0.0")})
    world.poll(timeout=4.0)
    assert world.asked[0].deadline == 1_002.0
    assert world.asked[1].deadline == 1_004.0


@pytest.mark.parametrize(("lineage", "version"), [("one", "0.5.0"), ("two", "1.0.0")])
def test_an_override_of_another_registry_ends_with_the_first_answer_not_with_the_next_look_at_the_files(
    tmp_path: Path, lineage: str, version: str
) -> None:
    made.lay_override(tmp_path, "0.5.0", lineage=lineage)
    world = Simulation(
        served={FIRST: made.served(1, "1.0.0")}, told={"override": str(tmp_path)}, today=datetime.now(UTC)
    )
    world.follower.begin()
    assert world.replica.view.resolve("bot/answer").version == "0.5.0"  # of whatever registry: none was reached yet
    world.poll()
    assert world.replica.view.resolve("bot/answer").version == version


def test_what_was_fetched_is_there_for_the_next_try() -> None:
    apps = {f"app{n}": made.pointer(1, made.release(f"app{n}", "1.0.0")) for n in range(10)}
    # A plain web server: one file for each release, and each takes a second of the three there are.
    world = Simulation(served={FIRST: made.snapshot(apps)}, api=False, takes=1.0)
    polls = 0
    while world.replica.held is None or len(world.replica.held.apps) < 10:
        world.poll(timeout=3.5)
        world.seconds += 60
        polls += 1
        assert polls < 10
    assert world.kinds().count("AskContents") < 16
    fetched = [ask.what.digests for ask in world.asked if isinstance(ask.what, AskContents)]
    assert all(len(digests) == 1 for digests in fetched)


def test_a_server_is_asked_for_many_releases_at_once() -> None:
    apps = {f"app{n}": made.pointer(1, made.release(f"app{n}", "1.0.0")) for n in range(120)}
    world = Simulation(served={FIRST: made.snapshot(apps)})
    world.poll()
    fetched = [len(ask.what.digests) for ask in world.asked if isinstance(ask.what, AskContents)]
    assert fetched == [50, 50, 20]


def test_releases_that_are_left_out_of_an_answer_are_asked_for_again() -> None:
    apps = {f"app{n}": made.pointer(1, made.release(f"app{n}", "1.0.0")) for n in range(4)}
    world = Simulation(served={FIRST: made.snapshot(apps)})
    held_back = {pointer.digest for pointer in list(apps.values())[:2]}
    world.without = set(held_back)
    asking = world.follower.poll(world.seconds + 5)
    assert asking is not None
    step = advance(asking, None)
    while isinstance(step, Ask):
        world.asked.append(step)
        step = advance(asking, world.answer(step.place, step.what))
        if world.kinds().count("AskContents") == 1:
            world.without = set()
    assert step.trouble is None
    assert world.kinds() == ["AskSnapshot", "AskContents", "AskContents"]


def test_a_release_that_is_nowhere_keeps_its_app_as_it_was_and_is_asked_for_again() -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")})
    world.poll()
    missing = made.served(2, "2.0.0")
    world.without = {missing.apps["bot"].digest}
    world.served[FIRST] = missing
    for _ in range(3):
        world.seconds += 60
        assert world.poll() == Refreshed(place=FIRST)
        assert list(world.replica.cannot_load) == ["bot"]
        assert world.replica.view.resolve("bot/answer").version == "1.0.0"
    assert world.replica.contact.rejected == {"missing": 1}
    assert world.kinds()[2:] == ["AskSnapshot", "AskContents"] * 3
    world.without = set()
    world.seconds += 60
    world.poll()
    assert world.replica.cannot_load == {}
    assert world.replica.view.resolve("bot/answer").version == "2.0.0"


def test_what_is_held_is_asked_for_by_its_digest() -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")})
    world.poll()
    world.seconds += 60
    assert world.poll() == Refreshed(place=FIRST)
    assert world.kinds() == ["AskSnapshot", "AskContents", "AskSnapshot"]
    last = world.asked[-1].what
    assert isinstance(last, AskSnapshot)
    assert last.etag == f'"{encode(made.served(1, "1.0.0"))[1]}"'


def test_an_event_is_followed_without_a_question_and_the_next_poll_finds_nothing_new() -> None:
    old, new = made.release("bot", "1.0.0"), made.release("bot", "1.1.0")
    world = Simulation(served={FIRST: made.snapshot({"bot": made.pointer(1, new, last_good=old)}, cursor=1)})
    world.poll()
    count = len(world.asked)
    after = made.snapshot({"bot": made.pointer(2, old)}, cursor=2)
    told = encode(made.event(after.apps, cursor=2))[0]
    world.replica.news.take_changes()
    world.event(FIRST, told)
    assert [change.version for change in world.replica.news.take_changes()] == ["1.0.0"]
    assert world.replica.news.take_changes() == ()
    assert len(world.asked) == count
    world.served[FIRST] = after
    world.seconds += 60
    assert world.poll() == Refreshed(place=FIRST)
    assert len(world.asked) == count + 1


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"schema":"promptops.event/1"}'])
def test_an_event_that_is_none_is_counted(data: bytes) -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")})
    world.poll()
    refreshed = world.event(FIRST, data)
    assert refreshed.rejected
    assert world.replica.contact.rejected == {"content": 1}


# --- states, by a clock that the test moves --------------------------------------------------------


def test_an_error_of_our_own_is_a_failed_attempt_like_any_other() -> None:
    class Confused(Simulation):
        def answer(self, place: SourcePlace, what: Question) -> SourceAnswer | Failed:
            return replace(super().answer(place, what), body=None)  # type: ignore[arg-type]

    world = Confused(served={FIRST: made.served(1, "1.0.0")})
    refreshed = world.poll()
    assert refreshed is not None
    assert refreshed.trouble is not None
    assert refreshed.trouble.reason == INTERNAL
    assert world.replica.contact.failing
    assert "while following" in world.replica.contact.problem
    assert world.replica.schedule.failures == 1


def test_the_state_follows_contact_and_age() -> None:
    world = Simulation()
    states = [world.replica.state]
    world.poll()
    states.append(world.replica.state)
    world.served[FIRST] = made.served(1, "1.0.0")
    world.seconds += 60
    world.poll()
    states.append(world.replica.state)
    world.served[FIRST] = DOWN
    world.seconds += 60
    world.poll()
    states.append(world.replica.state)
    assert world.replica.contact.problem == "https://first: nobody is there"
    world.seconds += 31
    states.append(world.replica.state)
    world.served[FIRST] = made.served(1, "1.0.0")
    world.poll()
    states.append(world.replica.state)
    assert states == [State.COLD, State.COLD, State.READY, State.DISCONNECTED, State.STALE, State.READY]


def test_what_is_served_says_where_it_is_from_and_how_old_it_is() -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")})
    world.poll()
    told = [_told(world)]
    world.served[FIRST] = DOWN
    world.seconds += 60
    world.poll()
    told.append(_told(world))
    world.seconds += 31
    world.follower.tend()
    told.append(_told(world))
    world.served[FIRST] = made.served(1, "1.0.0")
    world.poll()
    told.append(_told(world))
    assert told == [("server", "STATIC"), ("cache", "CACHED"), ("cache", "STALE"), ("server", "STATIC")]


def _told(world: Simulation) -> tuple[str, str]:
    prompt = world.replica.view.resolve("bot/answer")
    return str(prompt.source), str(prompt.reason)


@pytest.mark.parametrize("years", [-10, 10])
def test_a_wall_clock_that_jumps_changes_nothing(years: int) -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")}, told={"heartbeat": False})
    world.poll()
    pause = world.follower.pause()
    world.today += timedelta(days=365 * years)
    world.follower.tend()
    assert world.follower.pause() == pause
    assert world.replica.state is State.READY
    world.seconds += pause
    assert world.poll() == Refreshed(place=FIRST)


def test_after_a_suspension_there_is_one_poll_and_it_goes_on() -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")})
    world.poll()
    world.seconds += 7 * 86_400
    states = [world.replica.state]
    assert world.poll() is not None
    assert world.poll() is None
    assert [*states, world.replica.state] == [State.STALE, State.READY]


def test_a_server_that_is_overloaded_is_left_alone_for_up_to_ten_minutes() -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")})
    world.poll()
    world.served[FIRST] = Failed(reason="status-429", message="too many", retry_after=3600)
    world.seconds += 60
    world.poll()
    assert world.follower.pause() == 600


# --- what is said -----------------------------------------------------------------------------------


def test_a_trouble_is_logged_once_until_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "promptops.client")
    world = Simulation(served={FIRST: made.served(1, "1.0.0")})
    world.poll()
    for _ in range(2):
        world.served[FIRST] = DOWN
        for _ in range(5):
            world.seconds += 600
            world.poll()
        world.served[FIRST] = made.served(1, "1.0.0")
        world.seconds += 600
        world.poll()
    assert [record.event for record in caplog.records if record.event == "refresh-failed"] == ["refresh-failed"] * 2  # type: ignore[attr-defined]


def test_a_heartbeat_tells_of_what_follows_the_channel() -> None:
    apps = {name: made.pointer(number, made.release(name, "1.0.0")) for number, name in enumerate("abc", 1)}
    world = Simulation(served={FIRST: made.snapshot(apps)}, told={"fixed": references_of("b@0.9.0", "VERSION")})
    assert world.follower.beat() is None
    world.poll()
    beat = world.follower.beat()
    assert beat is not None
    assert beat.revisions == {"a": 1, "c": 3}
    assert world.follower.beat() is None
    world.seconds += 36
    assert world.follower.beat() is not None


@pytest.mark.parametrize("told", [{"heartbeat": False}, {}])
def test_no_heartbeat_goes_where_nobody_hears_it(told: Mapping[str, object]) -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")}, told=told, api=bool(told))
    world.poll()
    assert world.follower.beat() is None


def test_a_version_comes_from_the_first_place_that_has_it() -> None:
    world = Simulation(places=(FIRST, SECOND), served={SECOND: made.served(1, "1.0.0")})
    (wanted,) = references_of("bot@0.5.0", "")
    refreshed = world.drive(get_version(world.replica, wanted, world.seconds + 5))
    assert refreshed.trouble is not None
    world.poll()
    assert world.drive(get_version(world.replica, wanted, world.seconds + 5)).place == SECOND
    assert world.replica.view.release("bot", version="0.5.0").version == "0.5.0"


def test_a_step_that_fails_in_a_way_nobody_thought_of_ends_the_refresh_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")})
    refreshed = world.drive(_broken())
    assert refreshed.trouble is not None
    assert refreshed.trouble.reason == "internal"
    assert caplog.records


def _broken() -> Asking:
    yield Ask(place=FIRST, what=AskSnapshot(channel="prod"), deadline=2_000.0)
    raise ZeroDivisionError("nobody thought of it")


def test_after_a_change_everybody_follows_before_anybody_tells_the_server() -> None:
    world = Simulation(served={FIRST: made.served(1, "1.0.0")})
    world.poll()
    assert world.follower.beat() is not None
    world.served[FIRST] = made.served(2, "1.1.0")
    world.seconds += 60
    world.follower.beat()
    world.poll()
    assert world.follower.beat() is None
    assert 0 < world.follower.pause() <= 0.25
    world.seconds += 0.25
    told = world.follower.beat()
    assert told is not None
    assert told.revisions == {"bot": 2}


def test_a_heartbeat_says_what_is_asked_for_as_soon_as_that_is_new() -> None:
    apps = {"bot": made.pointer(1, made.release("bot", "1.0.0")), "faq": made.pointer(1, made.release("faq", "1.0.0"))}
    world = Simulation(served={FIRST: made.snapshot(apps)})
    world.poll()
    first = world.follower.beat()
    assert first is not None and first.asks == {}
    world.replica.view.resolve("bot/answer").render(question="a secret")
    world.follower.tend()
    assert 0 < world.follower.pause() <= 0.25
    world.seconds += 0.25
    second = world.follower.beat()
    assert second is not None and second.asks == {"bot/answer": Passed(always=("question",))}
    world.follower.tend()
    assert world.follower.pause() > 1, "nothing is new"


def test_what_was_asked_for_outlives_the_release_and_has_nothing_of_apps_that_do_not_follow() -> None:
    apps = {name: made.pointer(1, made.release(name, "1.0.0")) for name in ("bot", "faq")}
    fixed = references_of("faq@1.0.0", "VERSION")
    told = {"fixed": fixed, "required": {"bot/summary": ("text",), "bot/answer": ("question",)}}
    apps["bot"] = made.pointer(1, made.release("bot", "1.0.0", {"answer": "{{question}}", "summary": "{{text}}"}))
    world = Simulation(served={FIRST: made.snapshot(apps)}, told=told)
    world.poll()
    for name in ("bot/answer", "faq/answer"):
        world.replica.view.resolve(name).render(question="why")
    more = made.release("bot", "1.1.0", {"answer": "{{question}} {{name}}", "summary": "{{text}}"})
    world.served[FIRST] = made.snapshot({**apps, "bot": made.pointer(2, more)})
    world.seconds += 60
    world.poll()
    assert world.replica.served_of("bot") == "1.0.0", "it lacks what is required"
    words = made.release("bot", "1.2.0", {"answer": "{{question}}!", "summary": "{{text}}!"})
    world.served[FIRST] = made.snapshot({**apps, "bot": made.pointer(3, words)})
    world.seconds += 60
    world.poll()
    assert world.replica.served_of("bot") == "1.2.0"
    beat = world.follower.beat()
    assert beat is not None
    assert beat.asks == {"bot/answer": Passed(always=("question",)), "bot/summary": Passed(always=("text",))}
