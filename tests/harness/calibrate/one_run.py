"""Ways to get a bad release through with one run; each release is judged by the gate itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from promptops.core.evidence.case_table import Arm
from tests.gate.world import E, F, P, cases, compared
from tests.harness.calibrate.draw import GATE, MARGIN, N, Random, Rows, answers, differing, drawn, noisy, share
from tests.harness.calibrate.line import Line


def repeated(random: Random, tries: int) -> Iterator[Line]:
    def passes() -> bool:
        candidate, live = noisy(random, N, MARGIN)
        return compared(drawn(random, candidate, 3), drawn(random, live, 3)).ask(GATE).opens

    yield Line(world="repeated: 3 answers a case", measured=share(tries, passes), bound=0.03, tries=tries)


def graded(random: Random, tries: int) -> Iterator[Line]:
    gate = {"not_worse": {"margin": "5%", "measure": "score"}}
    rate = (MARGIN + 0.02) / 0.92  # 0.9 is lost, and 0.02 gained by the rest: worse by the margin on average

    def passes() -> bool:
        lost = random.random(N) < rate
        candidate = [[0.0] if gone else [0.92] for gone in lost.tolist()]
        return compared(candidate, [[0.9]] * N).ask(gate).opens

    yield Line(
        world="graded: total losses of a few, tiny gains of the rest",
        measured=share(tries, passes),
        bound=0.03,
        tries=tries,
        without=0.103,
    )


def clustered(random: Random, tries: int) -> Iterator[Line]:
    def passes(size: int, mark: str, *, said: bool = False, believed: bool = False) -> bool:
        families = N // size
        kind = random.choice([-1, 1, 0], families, p=[0.075, 0.025, 0.9]).repeat(size)
        plan = [replace(case, cluster=f"{mark}{n // size}") for n, case in enumerate(cases("answer", "answer", N))]
        world = compared(answers(kind != -1), answers(kind != 1), plan, of_suite={"independent": said})
        return (world.approved(f"suite:{world.candidate.suites[0].digest}") if believed else world).ask(GATE).opens

    def whole() -> bool:
        """Many single cases, and some conversations of 20 cases, half of which are lost as a whole."""
        sizes = [20 if big else 1 for big in (random.random(60) < 0.1).tolist()]
        lost = [size > 1 and bool(random.random() < 0.0725) for size in sizes]
        plan = [
            replace(case, cluster=f"c{place}")
            for place, case in zip(
                np.repeat(range(60), sizes).tolist(), cases("answer", "answer", sum(sizes)), strict=True
            )
        ]
        return compared(answers(~np.repeat(lost, sizes)), answers(np.ones(sum(sizes), bool)), plan).ask(GATE).opens

    for size, mark, name, without in (
        (10, "~", "similar cases: families of ten generated variants", 0.30),
        (10, "c", "clustered: ten cases a conversation", 0.36),
    ):
        measured = share(tries, lambda size=size, mark=mark: passes(size, mark))  # type: ignore[misc]
        yield Line(world=name, measured=measured, bound=0.03, tries=tries, without=without)
    yield Line(world="clustered: a few conversations all lost", measured=share(tries, whole), bound=0.03, tries=tries)
    for believed, name, bound in (
        (False, "similar cases: families of ten, which the suite alone calls independent", 0.03),
        (True, "not closed: families of ten, which the suite and a person call independent", 0.45),
    ):
        measured = share(tries, lambda believed=believed: passes(10, "~", said=True, believed=believed))  # type: ignore[misc]
        yield Line(world=name, measured=measured, bound=bound, tries=tries)


def diluted(random: Random, tries: int) -> Iterator[Line]:
    plan = [replace(case, unchanged=n >= 40) for n, case in enumerate(cases("answer", "answer", 500))]

    def passes() -> bool:
        candidate, live = differing(random, 40, 0.15, 0.2)
        same: Rows = [[P]] * 460
        return compared(candidate + same, live + same, plan).ask(GATE).opens

    yield Line(
        world="40 changed cases, 15 points worse, among 460 unchanged ones",
        measured=share(tries, passes),
        bound=0.03,
        tries=tries,
        without=0.999,
    )


def errors(random: Random, tries: int) -> Iterator[Line]:
    gate = {**GATE, "evidence": {"max_errors": "20%"}}

    def passes() -> bool:
        candidate, live = differing(random, N, 0.08, 0.12)
        hidden = [[E] if row == [F] and random.random() < 0.5 else row for row in candidate]
        return compared(hidden, live).ask(gate).opens

    def outage() -> bool:
        candidate, live = differing(random, N, MARGIN, 0.1)
        return compared([[E] if random.random() < 0.1 else row for row in candidate], live).ask(gate).opens

    yield Line(
        world="outages: errors hide half of the failures, 8 points worse",
        measured=share(tries, passes),
        bound=0.03,
        tries=tries,
        without=0.12,
    )
    yield Line(world="outages: one answer in ten is an error", measured=share(tries, outage), bound=0.03, tries=tries)


def timeouts(random: Random, tries: int) -> Iterator[Line]:
    def passes() -> bool:
        hangs = random.random(N) < 0.2

        def detail(case: int, arm: Arm) -> dict[str, Any]:
            return {"first_attempt_failed": arm is Arm.CANDIDATE and bool(hangs[case])}

        return compared([[P]] * N, [[P]] * N, detail=detail).ask(GATE).opens

    yield Line(
        world="timeouts: the candidate hangs in a fifth of its first attempts",
        measured=share(tries // 4, passes),
        bound=0.03,
        tries=tries // 4,
        without=1.0,
    )


def bars(random: Random, tries: int) -> Iterator[Line]:
    gate = {"bar": {"suite": "answer", "at_least": "90%"}}

    def passes() -> bool:
        always = random.random(150) < 0.9
        rows = answers(np.repeat(always[:, None], 3, axis=1))
        return compared(rows, rows).ask(gate).opens

    yield Line(
        world="bar: 3 repeats of cases that always or never pass, truly at the bar",
        measured=share(tries, passes),
        bound=0.03,
        tries=tries,
        without=0.109,
    )


WORLDS = (repeated, graded, clustered, diluted, errors, timeouts, bars)
