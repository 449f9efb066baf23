"""The anchor: besides live, the best release of a period must not be undercut, so that no small losses add up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from promptops.core.evidence.case_table import Arm
from promptops.core.gate.anchor import choose_anchor
from promptops.core.gate.reading import read_gate
from promptops.core.verdict import Outcome
from tests.gate.world import NOW, F, cases, compared, prompt, release, run, same, suite_of, worse

MARGIN = {"not_worse": {"margin": "5%"}}
ANCHORED = {"not_worse": {"margin": "5%", "anchor": "best of 180d"}}
PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


def test_the_anchor_is_a_third_arm() -> None:
    world = compared(*worse(150, 0))
    best = release("1.5.0", prompt("answer", "best"))
    anchored = world.but(anchor=best)
    assert [one.outcome for one in anchored.ask(ANCHORED).checks] == [PASS, INCONCLUSIVE]
    assert anchored.approved("anchor").ask(ANCHORED).outcome is PASS
    assert anchored.ask(MARGIN).outcome is PASS
    made = run(
        world.candidate,
        world.made[0].run.cases,
        {Arm.CANDIDATE: [[F]] * 25 + same(125), Arm.LIVE: [[F]] * 25 + same(125), Arm.ANCHOR: same(150)},
        others={Arm.LIVE: world.live[0], Arm.ANCHOR: best},
    )
    assert [one.outcome for one in replace(anchored, made=(made,)).ask(ANCHORED).checks] == [PASS, FAIL]


@pytest.mark.parametrize(("lost", "outcome"), [(0, PASS), (25, FAIL)])
def test_what_is_as_in_live_is_compared_with_an_anchor_that_differs(lost: int, outcome: Outcome) -> None:
    world = compared(*worse(150, 0))
    best = release("1.5.0", prompt("answer", "best"))
    plan = [replace(case, unchanged=True) for case in world.made[0].run.cases]
    live = replace(world.live[0], prompts=world.candidate.prompts)
    rows = {Arm.CANDIDATE: [[F]] * lost + same(150 - lost), Arm.ANCHOR: same(150)}
    made = run(world.candidate, plan, rows, others={Arm.LIVE: live, Arm.ANCHOR: best})
    said = replace(world, made=(made,), live=(live,)).but(anchor=best).only(ANCHORED)
    assert (said.outcome, said.got) == (outcome, f"{lost} of 150 cases lost, 0 gained")


def test_cases_that_are_as_in_the_anchor_dilute_nothing() -> None:
    world = compared(*worse(500, 0))
    best = release("1.5.0", prompt("answer", "best"))
    plan = [replace(case, as_anchor=n >= 40) for n, case in enumerate(world.made[0].run.cases)]
    rows = dict.fromkeys((Arm.CANDIDATE, Arm.LIVE, Arm.ANCHOR), same(500))
    made = run(world.candidate, plan, rows, others={Arm.LIVE: world.live[0], Arm.ANCHOR: best})
    live, anchor = replace(world, made=(made,)).but(anchor=best).ask(ANCHORED).checks
    assert (live.outcome, live.got) == (PASS, "0 of 500 cases lost, 0 gained")
    assert (anchor.outcome, anchor.got) == (INCONCLUSIVE, "0 of 40 cases lost, 0 gained")


def test_the_anchor_is_the_release_that_is_shown_to_be_best() -> None:
    world = compared(*worse(150, 0))
    made, past = [], []
    for name, count, failed in (("1.3.0", 150, 15), ("1.2.0", 150, 6), ("1.1.0", 20, 0)):
        plan = cases("answer", "answer", count)
        suite = suite_of(plan)
        stable = release(name, prompt("answer", name), suites=[suite])
        rows = [[F]] * failed + same(count - failed)
        made.append(run(stable, plan, {Arm.CANDIDATE: rows}, name=name, at=NOW - timedelta(days=100)))
        past.append(stable)
    never = release("1.0.0", prompt("answer", "unmeasured"))
    given = replace(world, made=tuple(made)).given()
    settings = read_gate(ANCHORED)
    best = choose_anchor(given, settings, [*past, never])
    assert best is not None and best.version == "1.2.0"  # 96 % of 150 is shown to be more than 100 % of 20
    assert choose_anchor(given, settings, [never]) is None
    assert choose_anchor(given, read_gate({"required": {}}), past) is None
