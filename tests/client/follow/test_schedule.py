"""When to ask again: bounds, breaker, Retry-After, and that no herd forms. Pure, with a clock that is a number."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable

import pytest

from promptops.client.follow.schedule import BREAK_AFTER, Schedule, spread, wait_after

INTERVAL = 30.0


def _schedule(seed: int = 1, interval: float = INTERVAL) -> Schedule:
    return Schedule(interval=interval, now=0.0, dice=random.Random(seed).random)


def test_the_first_poll_is_due_at_once_and_the_second_anywhere_in_the_interval() -> None:
    waits = []
    for seed in range(200):
        schedule = _schedule(seed)
        assert schedule.wait(0.0) == 0.0
        schedule.started(0.0)
        waits.append(schedule.wait(0.0))
    assert 0.0 <= min(waits) < 3.0
    assert 27.0 < max(waits) <= INTERVAL


def test_polls_come_every_interval_give_or_take_a_fifth() -> None:
    waits = [spread(INTERVAL, random.Random(seed).random) for seed in range(500)]
    assert 24.0 <= min(waits) < 25.0
    assert 35.0 < max(waits) <= 36.0


@pytest.mark.parametrize(
    ("failures", "most"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (9, 256.0), (10, 300.0), (99, 300.0)]
)
def test_the_wait_after_a_failure_is_drawn_below_a_limit_that_doubles(failures: int, most: float) -> None:
    waits = [wait_after(failures, random.Random(seed).random) for seed in range(500)]
    assert 0.0 <= min(waits) < most / 20
    assert most * 0.95 < max(waits) <= most


def test_after_five_failures_there_is_one_probe_an_interval() -> None:
    schedule = _schedule()
    for _ in range(BREAK_AFTER - 1):
        schedule.failed(0.0)
        assert not schedule.broken
        assert schedule.wait(0.0) <= 16.0
    schedule.failed(0.0)
    assert schedule.broken
    assert schedule.wait(0.0) <= 1.2 * INTERVAL
    for _ in range(200):
        schedule.failed(0.0)
        assert 24.0 <= schedule.wait(0.0) <= 36.0
    schedule.succeeded(0.0)
    assert not schedule.broken


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(3600, 600, 600), (100, 100, 120), (599, 599, 600), (0, 0, 1), (-5, 0, 1)]
)
def test_a_server_is_heard_up_to_ten_minutes(asked: float, least: float, most: float) -> None:
    for seed in range(100):
        schedule = _schedule(seed)
        schedule.failed(0.0, retry_after=asked)
        assert least <= schedule.wait(0.0) <= most


def test_a_short_retry_after_does_not_shorten_the_wait_of_a_broken_one() -> None:
    schedule = _schedule()
    for _ in range(9):
        schedule.failed(0.0)
    schedule.failed(0.0, retry_after=1)
    assert schedule.wait(0.0) >= 24.0


def test_what_may_have_changed_is_asked_for_now_and_not_later_than_planned() -> None:
    schedule = _schedule()
    schedule.succeeded(100.0)
    schedule.at_once(101.0)
    assert schedule.wait(101.0) == 0.0
    schedule.at_once(200.0)
    assert schedule.wait(101.0) == 0.0


# --- many of them --------------------------------------------------------------------------------

CLIENTS = 500
Up = Callable[[float], bool]


def _polls(up: Up, seconds: float) -> Iterable[float]:
    """The moments at which so many clients poll that started at the same moment."""
    for seed in range(CLIENTS):
        schedule = _schedule(seed)
        first = True
        while (now := schedule.due) < seconds:
            yield now
            if not up(now):
                schedule.failed(now)
            elif first:
                schedule.started(now)
            else:
                schedule.succeeded(now)
            first = False


def _peak(moments: Iterable[float], since: float, until: float) -> float:
    """The most polls in one second of a stretch of time, as a multiple of the mean."""
    seconds = Counter(int(moment) for moment in moments if since <= moment < until)
    mean = sum(seconds.values()) / (until - since)
    return max(seconds.values()) / mean


def test_clients_that_start_together_do_not_poll_together() -> None:
    # The first second is the starts themselves: each process wants its prompts then.
    assert _peak(_polls(lambda now: True, 600.0), 1.0, 600.0) <= 2.0


@pytest.mark.parametrize("outage", [60.0, 120.0, 600.0])
def test_a_server_that_returns_is_not_run_over_and_all_are_back_within_an_interval(outage: float) -> None:
    moments = sorted(_polls(lambda now: not 100.0 <= now < 100.0 + outage, 1000.0))
    back = 100.0 + outage
    assert _peak(moments, back, back + 300.0) <= 2.0


@pytest.mark.parametrize("outage", [20.0, 60.0, 600.0])
def test_every_client_is_back_within_an_interval_and_a_fifth(outage: float) -> None:
    back = 100.0 + outage
    for seed in range(CLIENTS):
        schedule = _schedule(seed)
        while schedule.due < back:
            now = schedule.due
            schedule.failed(now) if now >= 100.0 else schedule.succeeded(now)
        assert schedule.due <= back + 1.2 * INTERVAL


def test_servers_that_never_answered_are_not_run_over_when_they_come_up() -> None:
    assert _peak(_polls(lambda now: now >= 120.0, 600.0), 120.0, 420.0) <= 2.0
