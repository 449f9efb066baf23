"""Ways to get a bad release through with several runs or several contents; each is judged by the gate itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from promptops.core.evidence.case_table import Arm, Case, RowOutcome
from promptops.core.evidence.content import share_of
from promptops.core.suite.suite import SuiteKind
from tests.gate.world import NOW, F, Made, P, World, cases, compared, named, prompt, release, run, suite_of
from tests.harness.calibrate.draw import GATE, MARGIN, N, Random, Rows, differing, drawn, noisy, share
from tests.harness.calibrate.line import Line


def again(world: World, candidate: Rows, live: Rows, name: str, **more: Any) -> World:
    """Adds a run of the same pair of contents, an hour later."""
    of = more.pop("of", world.candidate)
    plan: Sequence[Case] = more.pop("plan", world.made[0].run.cases)
    outcomes = {Arm.CANDIDATE: candidate, Arm.LIVE: live}
    at = world.made[-1].run.at + timedelta(hours=1)
    made = run(of, plan, outcomes, others={Arm.LIVE: world.live[0]}, name=name, at=at, **more)
    return replace(world, candidate=of, made=(*world.made, made))


def reruns(random: Random, tries: int) -> Iterator[Line]:
    def passes(loss: float, blank: bool = False) -> bool:
        own, other = noisy(random, N, loss)
        world = compared(drawn(random, own), drawn(random, other))
        for number in range(5):
            if world.ask(GATE).opens:
                return True
            of = world.candidate
            if blank:
                of = replace(
                    of, digest=named(f"blank {number}"), prompts=(prompt("answer", "new" + " " * (number + 1)),)
                )
            world = again(world, drawn(random, own), drawn(random, other), f"run {number}", of=of)
        return world.ask(GATE).opens

    yield Line(
        world="run again until it is green, six runs",
        measured=share(tries, lambda: passes(MARGIN)),
        bound=0.05,
        tries=tries,
        without=0.198,
    )
    yield Line(
        world="blanks: six runs, each of the prompt with one more blank",
        measured=share(tries // 2, lambda: passes(MARGIN, True)),
        bound=0.05,
        tries=tries // 2,
        without=0.198,
    )


def stopped(random: Random, tries: int) -> Iterator[Line]:
    """Runs that look bad after a fifth are closed, with the rows reported so far, and started again."""

    def passes() -> bool:
        own, other = noisy(random, N, MARGIN)
        world: World | None = None
        for number in range(10):
            candidate, live = drawn(random, own), drawn(random, other)
            part = N // 5
            lost = sum(one == [F] for one in candidate[:part]) - sum(one == [F] for one in live[:part])
            stop = lost > 0 and number < 9
            if stop:
                candidate, live = (rows[:part] + [[None]] * (N - part) for rows in (candidate, live))
            if world is None:
                world = compared(candidate, live, complete=not stop)
            else:
                world = again(world, candidate, live, f"run {number}", complete=not stop)
            if not stop:
                break
        assert world is not None
        return world.ask({**GATE, "evidence": {"max_errors": "50%"}}).opens

    yield Line(
        world="stopped runs: started again until the first fifth looks good",
        measured=share(tries, passes),
        bound=0.05,
        tries=tries,
        without=0.22,
    )


def edited(random: Random, tries: int) -> Iterator[Line]:
    gate = {**GATE, "evidence": {"max_errors": "50%"}}

    def passes() -> bool:
        candidate, live = (drawn(random, one) for one in noisy(random, N, MARGIN))
        kept: Rows = [[None] if row == [F] else row for row in candidate]
        return compared(kept, live, complete=False).ask(gate).opens

    yield Line(
        world="edited runs: lost rows are never reported",
        measured=share(tries, passes),
        bound=0.03,
        tries=tries,
        without=0.76,
    )


def grown(random: Random, tries: int) -> Iterator[Line]:
    plan = cases("answer", "answer", 460)
    suite, old_suite = suite_of(plan), suite_of(plan[:60])

    def passes() -> bool:
        candidate, live = differing(random, 60, 0.15, 0.19)
        world = compared(candidate + [[P]] * 400, live + [[P]] * 400, plan)
        world = replace(world, live=(replace(world.live[0], suites=(old_suite,)),))
        return world.approved(f"suite:{suite.digest}").ask(GATE).opens

    yield Line(
        world="grown suites: 60 cases 15 points worse, 400 easy new ones, approved",
        measured=share(tries, passes),
        bound=0.03,
        tries=tries,
        without=0.85,
    )


def on_days(random: Random, tries: int) -> Iterator[Line]:
    """``days: 2``: halves on two days, and a bad one asked again; and models whose quality moves from day to day."""
    plan = cases("answer", "answer", N)
    content = prompt("answer", "new").content

    def asked(days: int, shift: float, again: bool) -> bool:
        """Runs of the shares of each day; with ``again``, one that looks bad is begun once more, up to five times."""
        world = replace(compared([[P]] * N, [[P]] * N, plan), made=())
        day = 0
        for due in range(days):
            places = [n for n, case in enumerate(plan) if share_of(case.id, content, days) == due]
            for number in range(5 if again else 1):
                loss = MARGIN + random.normal(0, shift)
                candidate, live = differing(random, len(places), loss, max(0.1, abs(loss)))
                world, day = dated(world, places, candidate, live, day), day + 1
                if sum(one == [F] for one in candidate) <= sum(one == [F] for one in live) or number == 4:
                    break
            if world.ask({**GATE, "days": days}).opens:
                return True
        return False

    def dated(world: World, places: Sequence[int], candidate: Rows, live: Rows, day: int) -> World:
        outcomes = {Arm.CANDIDATE: candidate, Arm.LIVE: live}
        part = [plan[n] for n in places]
        at = NOW - timedelta(days=12 - day)
        made = run(world.candidate, part, outcomes, others={Arm.LIVE: world.live[0]}, name=f"day {day}", at=at)
        return replace(world, made=(*world.made, made))

    yield Line(
        world="two days: a half that looks bad is begun again, up to five times each",
        measured=share(tries, lambda: asked(2, 0.0, again=True)),
        bound=0.05,
        tries=tries,
    )
    for days in (1, 2):
        yield Line(
            world=f"not closed: models whose quality moves by 3 points from day to day, measured on {days} day(s)",
            measured=share(tries, lambda days=days: asked(days, 0.03, again=False)),  # type: ignore[misc]
            bound=0.12 if days == 1 else 0.1,
            tries=tries,
        )


def many(random: Random, tries: int) -> Iterator[Line]:
    """Up to 12 contents, each worse by the margin, until one of them passes."""

    def passes(gate: dict[str, Any], contents: int) -> bool:
        made: tuple[Made, ...] = ()
        for number in range(contents):
            candidate, live = differing(random, N, MARGIN, 0.1)
            world = compared(candidate, live)
            suites = world.candidate.suites
            new = release(f"2.0.{number}", prompt("answer", f"new {number}"), suites=suites)
            at = NOW - timedelta(hours=contents - number)
            outcomes = {Arm.CANDIDATE: candidate, Arm.LIVE: live}
            made = (
                *made,
                run(new, world.made[0].run.cases, outcomes, others={Arm.LIVE: world.live[0]}, at=at, name=f"{number}"),
            )
            if World(candidate=new, live=world.live, made=made).ask(gate).opens:
                return True
        return False

    few = tries // 4
    yield Line(
        world="many candidates: one of 12 contents, 5 tries",
        measured=share(few, lambda: passes(GATE, 12)),
        bound=1 - 0.97**5,
        tries=few,
        without=0.33,
    )
    shared = {**GATE, "tries_level": "shared"}
    yield Line(
        world="many candidates: one of 12 contents, a level shared by tries",
        measured=share(few, lambda: passes(shared, 12)),
        bound=0.05,
        tries=few,
        without=0.33,
    )


def required(random: Random, tries: int) -> Iterator[Line]:
    plan = cases("golden", "answer", 1)
    suite = suite_of(plan, name="golden", kind=SuiteKind.REQUIRED, repeats=3)
    new = release("2.0.0", prompt("answer", "new"), suites=[suite])

    def passes(rate: float, runs: int) -> bool:
        made: tuple[Made, ...] = ()
        for number in range(runs):
            rows: list[list[RowOutcome]] = [[P if random.random() < rate else F for _ in range(3)]]
            at = NOW - timedelta(hours=runs - number)
            made = (*made, run(new, plan, {Arm.CANDIDATE: rows}, at=at, name=str(number)))
            if World(candidate=new, live=(), made=made).ask({"required": {"agree": "2 of 3"}}).opens:
                return True
        return False

    yield Line(
        world="required, 2 of 3: a case that passes 30 % of the time, best of five runs",
        measured=share(tries, lambda: passes(0.3, 5)),
        bound=0.25,
        tries=tries,
        without=0.71,
    )


WORLDS = (reruns, stopped, edited, grown, many, required, on_days)
