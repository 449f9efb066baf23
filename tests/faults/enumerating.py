"""Every point of every operation: SIGKILL there, look, ask again with the same key, look again.

The first, undisturbed run counts the points and shows what the operation does. A killed one must have done all of it or
nothing, and all of it if it acknowledged anything; asked again, once or twice, it has done it once.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence

from tests.faults.children import Ended, Say, run
from tests.faults.health import examine, mend
from tests.faults.points import Seen, kill_at, unwatch, watch
from tests.faults.report import Row
from tests.faults.scenarios import PREPARE, SCENARIOS, Scenario
from tests.faults.state import State, different, locks, state
from tests.faults.worlds import World, Worlds

_SEED = 20260301


def rows(worlds: Worlds, *, most: int | None = None, only: Collection[str] = ()) -> Iterator[Row]:
    """A row for each operation; ``most`` bounds the points of each, drawn by lot with a fixed seed.

    An operation that talks to git passes some points more or fewer each time: its last ones may not come, and it ends.
    """
    for scenario in SCENARIOS:
        if not only or scenario.name in only:
            yield _enumerate(worlds, scenario, most)


def _enumerate(worlds: Worlds, scenario: Scenario, most: int | None) -> Row:
    row = Row(part="every point", what=scenario.name, database=worlds.databases.name)
    template = worlds.template(scenario.begin, PREPARE[scenario.begin])
    before = scenario.same(state(template))
    with worlds.copied(template, second=scenario.second) as world:
        labels = _count(row, world, scenario)
        worlds.settle(world)
        after = scenario.same(state(world))
    known: dict[str, bool] = {}
    for point in _chosen(labels, most):
        where = f"point {point} of {len(labels)}, {labels[point - 1]}"
        with worlds.copied(template, second=scenario.second) as world:
            ended = _do(world, scenario, kill_at(point))
            _judge(row, where, worlds, world, scenario, ended, (before, after), known)
    return row


def _chosen(labels: Sequence[str], most: int | None) -> list[int]:
    """All points; or this many of them by lot, besides those around a commit and the last one."""
    points = list(range(1, len(labels) + 1))
    if most is None or len(points) <= most:
        return points
    always = {point for point in points if "commit" in labels[point - 1] or point == len(points)}
    drawn = random.Random(_SEED).sample(points, most)
    return sorted(always.union(drawn)) if most > 1 else drawn


def _count(row: Row, world: World, scenario: Scenario) -> list[str]:
    labels: list[str] = []
    with_labels = run(lambda say: _watched(world, scenario, say, labels.append, told=labels))
    if with_labels.code:
        row.wrong("no fault at all", "the operation fails")
    return [str(label) for label in with_labels.said[1:]]


def _do(world: World, scenario: Scenario, seen: Seen | None = None) -> Ended:
    return run(lambda say: _watched(world, scenario, say, seen))


def _watched(world: World, scenario: Scenario, say: Say, seen: Seen | None, told: Sequence[str] = ()) -> None:
    if seen is not None:
        watch(seen)
    scenario.change(world, say)
    unwatch()
    for label in told:
        say(label)


def _judge(
    row: Row,
    where: str,
    worlds: Worlds,
    world: World,
    scenario: Scenario,
    ended: Ended,
    states: tuple[State, State],
    known: dict[str, bool],
) -> None:
    """What must be after one death. ``known`` are the states that fsck has looked at already, and what it said."""
    before, after = states
    row.rounds += 1
    row.kills += ended.killed
    row.acks += bool(ended.said)
    if ended.code and not ended.killed:
        row.wrong(where, f"ended with {ended.code}")
    worlds.settle(world)
    if (key := repr((state(world), locks(world)))) in known:
        row.pending += known[key]
    else:
        known[key] = examine(row, where, world)
    found = scenario.whole(scenario.same(state(world)))
    if ended.said and found != scenario.whole(after):
        row.gone(where, different(found, scenario.whole(after)))
    elif found not in (scenario.whole(before), scenario.whole(after)):
        row.wrong(where, f"half done: {different(found, scenario.whole(before))}")
    for time in ("again", "a third time"):
        answer = _do(world, scenario)
        if answer.code or (ended.said and answer.said[:1] != ended.said[:1]):
            row.wrong(where, f"asked {time}: {answer.code} {answer.said}")
    if (found := scenario.same(state(world))) != after:
        row.wrong(where, f"asked again, not done once: {different(found, after)}")
    if (key := "mended" + repr((state(world), locks(world)))) not in known:
        mend(row, where, world)
        known[key] = False
