"""Every point of every operation: SIGKILL there, look, ask again with the same key, look again.

The first, undisturbed run counts the points and shows what the operation does. A killed one must have done all of it or
nothing, and all of it if it acknowledged anything; asked again, once or twice, it has done it once.

The process is killed at every point, and what each death left is captured, to the last byte and ref. Many deaths leave
the same: all those before the first effect, for one. What comes after a death (fsck, asking again, the repair) opens
all of it anew, knows nothing but what was left, and is asked with the same key, words and time after every death. So
where two deaths left the same and had acknowledged the same, what comes after is the same, and it is done once: its
verdict counts for each of these deaths. Where a git outlived its writer there is more than what was left, and such a
death is always judged by itself, at once.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from tests.harness.faults.children import Ended, Say, run
from tests.harness.faults.health import examine, mend
from tests.harness.faults.points import Seen, kill_at, unwatch, watch
from tests.harness.faults.remains import remains
from tests.harness.faults.report import Row
from tests.harness.faults.scenarios import PREPARE, SCENARIOS, Scenario
from tests.harness.faults.state import State, different, state
from tests.harness.faults.troubles import adopting
from tests.harness.faults.worlds import World, Worlds, begin

_SEED = 20260301
_COUNTS = 5


def rows(worlds: Worlds, *, most: int | None = None, only: Collection[str] = ()) -> Iterator[Row]:
    """A row for each operation; ``most`` bounds the points of each, drawn by lot with a fixed seed."""
    with worlds.copied(worlds.template("base", begin)) as world:
        # What a process imports late or asks once in its life is done here, so that all children are alike.
        mend(Row(part="", what="", database=""), "", world)
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
    if scenario.ref and not any(ref.startswith(f"{scenario.ref} ") for ref in after["refs"]):
        row.wrong("no fault at all", f"{scenario.ref} is not made")
    judge = _Judge(scenario=scenario, before=before, after=after)
    for point in _chosen(labels, most, brief=scenario.brief):
        where = f"point {point} of {len(labels)}, {labels[point - 1]}"
        with worlds.copied(template, second=scenario.second) as world, adopting() as outlived:
            ended = _do(world, scenario, kill_at(point))
            row.rounds += 1
            row.kills += ended.killed
            row.acks += bool(ended.said)
            if not ended.killed and not _is_sometimes_absent(row, worlds, scenario, template, point):
                row.wrong(where, f"not killed there, but ended with {ended.code}")
            alive = outlived()
            worlds.settle(world)
            row.add(judge.alone(where, world, ended) if alive else judge(where, world, ended))
    return row


def _is_sometimes_absent(row: Row, worlds: Worlds, scenario: Scenario, template: World, point: int) -> bool:
    """Whether an undisturbed run has fewer points than this one's number: how often git's pipes are read and its
    processes asked after depends on the moment. Then it was the run to its end that is judged.
    """
    for _ in range(_COUNTS):
        with worlds.copied(template, second=scenario.second) as world:
            if len(_count(row, world, scenario)) < point:
                return True
    return False


def _chosen(labels: Sequence[str], most: int | None, *, brief: bool) -> list[int]:
    """All points; or this many of them by lot, besides those around a commit and the last one. If ``brief``, it is half
    as many, and as many of those around a commit.
    """
    points = list(range(1, len(labels) + 1))
    if most is None or len(points) <= most:
        return points
    lot = random.Random(_SEED)
    commits = [point for point in points if "commit" in labels[point - 1]]
    if brief and most > 1:
        most //= 2
        commits = lot.sample(commits, min(len(commits), most))
    always = {*commits, len(points)}
    drawn = lot.sample(points, most)
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


@dataclass(kw_only=True)
class _Judge:
    """What must be after a death. ``known`` are the verdicts on what deaths left and had acknowledged."""

    scenario: Scenario
    before: State
    after: State
    known: dict[str, Row] = field(default_factory=dict)

    def __call__(self, where: str, world: World, ended: Ended) -> Row:
        """The verdict on what a death left, worked out where nothing equal was left before."""
        key = repr((remains(world), ended.said))
        if key in self.known:
            return replace(self.known[key], states=0)
        return self.known.setdefault(key, self.alone(where, world, ended))

    def alone(self, where: str, world: World, ended: Ended) -> Row:
        """The verdict on one death, whatever others were like."""
        found = Row(part="", what="", database="", states=1)
        examine(found, where, world)
        self._all_or_nothing(found, where, world, ended)
        for time in ("again", "a third time"):
            answer = _do(world, self.scenario)
            if answer.code or (ended.said and answer.said[:1] != ended.said[:1]):
                found.wrong(where, f"asked {time}: {answer.code} {answer.said}")
        if (now := self.scenario.same(state(world))) != self.after:
            found.wrong(where, f"asked again, not done once: {different(now, self.after)}")
        mend(found, where, world)
        return found

    def _all_or_nothing(self, found: Row, where: str, world: World, ended: Ended) -> None:
        before, now, after = map(self.scenario.whole, (self.before, self.scenario.same(state(world)), self.after))
        if ended.said and now != after:
            found.gone(where, different(now, after))
        elif now not in (before, after):
            found.wrong(where, f"half done: {different(now, before)}")
