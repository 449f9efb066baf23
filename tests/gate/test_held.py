"""Suites whose cases are held: the registry has their digest, and the plans of runs have the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from promptops.core.evidence.case_table import Arm, Case
from promptops.core.evidence.run import SuiteRef
from promptops.core.suite.suite import SuiteKind, held_digest
from promptops.core.verdict import Outcome
from tests.gate import test_reuse as reuse
from tests.gate.world import NOW, F, World, cases, named, prompt, release, run, same, suite_of

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
MARGIN = {"not_worse": {"margin": "5%"}}
OLD = cases("answer", "answer", 100)
NEW = tuple(replace(case, id=f"new-{n}", key=named(f"new {n}"), digest=named(f"new {n}")) for n, case in enumerate(OLD))


def held(plan: Sequence[Case], **more: Any) -> SuiteRef:
    """A suite of held cases, as a release has it."""
    digest = held_digest(case.digest for case in plan)
    return replace(suite_of(plan, **more), digest=named(f"held {digest}"), cases=(), held=digest)


def judged(suite: SuiteRef, before: SuiteRef, plan: Sequence[Case], candidate: Any = None) -> World:
    """A prompt that changed, with a run that put these cases to it and to live."""
    new = release("2.0.0", prompt("answer", "new"), suites=[suite])
    old = release("1.0.0", prompt("answer", "old"), suites=[before])
    rows = {Arm.CANDIDATE: candidate or same(len(plan)), Arm.LIVE: same(len(plan))}
    return World(candidate=new, live=(old,), made=(run(new, plan, rows, others={Arm.LIVE: old}),))


def test_a_run_with_the_held_cases_counts_and_one_with_others_does_not() -> None:
    suite = held(OLD)
    assert judged(suite, suite, OLD).only(MARGIN).outcome is PASS
    for plan in (OLD[:-1], NEW, (*OLD, NEW[0])):
        verdict = judged(suite, suite, plan).only(MARGIN)
        assert (verdict.outcome, verdict.reason) == (INCONCLUSIVE, "its run had other cases than the suite answer has")
    assert judged(suite, suite, OLD, [[F]] * 30 + same(70)).only(MARGIN).outcome is FAIL


def test_held_cases_that_are_others_need_a_person() -> None:
    for suite, before, plan in (
        (held(NEW), held(OLD), NEW),
        (held(OLD), suite_of(OLD), OLD),
        (suite_of(OLD), held(OLD), OLD),
    ):
        moved = judged(suite, before, plan)
        verdict = moved.only(MARGIN)
        assert verdict.outcome is INCONCLUSIVE
        assert "its held cases, its checks or its repeats are others" in verdict.reason
        assert moved.approved(f"suite:{suite.digest}").only(MARGIN).outcome is PASS


def test_a_release_has_to_hold_on_the_held_cases_that_live_was_judged_with() -> None:
    grown = (*OLD, *(replace(case, prompt="answer") for case in NEW), *cases("answer", "answer", 300)[100:])
    before, suite = held(OLD), held(grown)
    lost = [[F]] * 4 + same(len(grown) - 4)  # too many of 100, and few of 400
    world = judged(suite, before, grown, lost).approved(f"suite:{suite.digest}")
    assert world.only(MARGIN).outcome is PASS, "no run says which cases live was judged with"
    live = world.live[0]
    first = run(live, OLD, {Arm.CANDIDATE: same(100)}, at=NOW - timedelta(days=9), name="live")
    outcomes = [check.outcome for check in replace(world, made=(first, *world.made)).ask(MARGIN).checks]
    assert outcomes == [PASS, INCONCLUSIVE]


def test_a_required_suite_of_held_cases() -> None:
    gate = {"required": {"agree": "1 of 1"}}
    suite = held(OLD, kind=SuiteKind.REQUIRED)
    assert judged(suite, suite, OLD).only(gate).outcome is PASS
    assert judged(suite, suite, OLD, [[F], *same(99)]).only(gate).outcome is FAIL
    assert judged(suite, suite, OLD[1:]).only(gate).outcome is INCONCLUSIVE
    other = held(NEW, kind=SuiteKind.REQUIRED)
    assert "held cases" in judged(other, suite, NEW).only(gate).reason


def test_no_earlier_answer_stands_for_a_held_case() -> None:
    suite = replace(reuse.SUITE, cases=(), held=held_digest(case.digest for case in reuse.plan()), digest=named("held"))
    earlier, own = reuse.measured(at=reuse.days(3)), reuse.leaning()
    for of_suite, outcome in ((reuse.SUITE, PASS), (suite, INCONCLUSIVE)):
        made = [replace(each, run=replace(each.run, suites=(replace(of_suite, cases=()),))) for each in (earlier, own)]
        new, live = (replace(each, suites=(of_suite,)) for each in (reuse.NEW, reuse.LIVE))
        asked = World(candidate=new, live=(live,), made=tuple(made))
        assert asked.only({"required": {"agree": "2 of 3"}}).outcome is outcome
