"""The traffic of an app from its sample: keys a day, how many come back, and what they show. Beside what was drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from promptops.core.canary.foresight import KeysSeen
from promptops.core.canary.traffic import KeyOfDay, Scored, traffic_of

TODAY = 8
ALL = 1 << 30


def keys(
    users: int, comes: float, bad: float = 0.0, *, days: int = 7, counts: bool = True, seed: int = 1
) -> Iterator[KeyOfDay]:
    """Users of whom each comes on a day with this probability, and is bad at error with that one."""
    drawn = random.Random(seed)
    names = [f"{drawn.getrandbits(64):016x}" for _ in range(users)]
    for day in range(TODAY - days, TODAY):
        for name in names:
            if drawn.random() < comes:
                badly = frozenset(["error"] if drawn.random() < bad else [])
                yield KeyOfDay(day, name, counts, frozenset(["error"]), badly)


def seen(
    given: list[KeyOfDay], *, most: int = ALL, guardrails: tuple[str, ...] = ("error",), **more: object
) -> KeysSeen:
    counts = {day: sum(key.day == day for key in given) for day in range(TODAY + 1)}
    ordered = sorted(given, key=lambda key: key.unit)
    kept = [key for day in counts for key in [key for key in ordered if key.day == day][:most]]
    return traffic_of(kept, counts, guardrails, today=TODAY, most=most, **more).keys  # type: ignore[arg-type]


@pytest.mark.parametrize(("users", "comes"), [(9_000, 0.05), (3_000, 0.3), (1_000, 1.0)])
def test_keys_that_come_back_are_not_counted_again(users: int, comes: float) -> None:
    found = seen(list(keys(users, comes, 0.02)))
    week = users * (1 - (1 - comes) ** 7)
    assert found.a_day == pytest.approx(users * comes, rel=0.1)
    assert found.of("error").keys.within(7) == pytest.approx(week, rel=0.05)
    assert found.bad["error"] == pytest.approx(0.02, rel=0.3)
    bad = users * (1 - (1 - comes * 0.02) ** 7)
    assert found.of("error").share(7) * week == pytest.approx(bad, rel=0.3)


def test_of_the_smallest_ids_of_each_day_the_same_follows() -> None:
    given = list(keys(4_000, 0.4, 0.05))
    every, some = seen(given), seen(given, most=800)
    assert some.again == pytest.approx(every.again, rel=0.1)
    assert some.bad["error"] == pytest.approx(every.bad["error"], rel=0.25)


def test_keys_of_other_releases_are_traffic_and_say_nothing_of_rates() -> None:
    mine = list(keys(500, 1.0, 0.02, days=2))
    others = list(keys(500, 1.0, 1.0, days=5, counts=False, seed=2))
    moved = [KeyOfDay(key.day - 2, key.unit, key.counts, key.could, key.bad) for key in others]
    found = seen([*moved, *mine])
    assert found.a_day == 500
    assert found.bad["error"] < 0.05


def test_the_present_day_counts_only_where_no_other_is_known() -> None:
    today = [KeyOfDay(TODAY, key.unit, True, key.could, key.bad) for key in keys(100, 1.0, days=1)]
    counts = {TODAY: 100}
    alone = traffic_of(today, counts, ["error"], today=TODAY, most=ALL)
    assert (alone.days, alone.keys.a_day) == (0, 100)
    both = traffic_of([*today, *keys(300, 1.0, days=2)], {**counts, 6: 300, 7: 300}, ["error"], today=TODAY, most=ALL)
    assert (both.days, both.keys.a_day) == (2, 300)
    assert traffic_of([], {}, ["error"], today=TODAY, most=ALL).keys.a_day == 0


def test_a_guardrail_that_no_key_could_show_has_no_keys() -> None:
    found = seen(list(keys(100, 1.0)), guardrails=("error", "schema", "slow"))
    assert found.of("schema").keys.a_day == 0
    assert found.of("slow").keys.a_day == 100
    assert found.bad["slow"] == 0.02


def test_a_key_that_two_revisions_served_is_one() -> None:
    one = KeyOfDay(7, "a" * 16, False, frozenset(), frozenset())
    other = KeyOfDay(7, "a" * 16, True, frozenset(["error"]), frozenset(["error"]))
    found = traffic_of([one, other], {7: 1}, ["error"], today=TODAY, most=ALL).keys
    assert (found.a_day, found.bad, found.able) == (1, {"error": 1.0}, {"error": 1.0})


def test_keys_of_a_score_are_as_many_as_its_calls_at_most() -> None:
    given = list(keys(400, 1.0, days=4))
    low = frozenset((key.day, key.unit) for key in given if int(key.unit, 16) % 100 == 0)
    scored = {"score:helpful": Scored(calls=160, bad=low)}  # 40 a day
    found = seen(given, guardrails=("error", "score:helpful"), scores=scored).of("score:helpful")
    assert found.keys.a_day == pytest.approx(40)
    assert found.bad == pytest.approx(len(low) / 160)
    nothing = seen(given, guardrails=("score:helpful",), scores={"score:helpful": Scored(calls=0)})
    assert nothing.of("score:helpful").keys.a_day == 0
