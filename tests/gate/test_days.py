"""`days: 2`: the cases of a comparison in two halves on two days, by a rule that no one chooses, as one look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptops.core.advice import Action, advice_in
from promptops.core.evidence.case_table import Arm, Case
from promptops.core.evidence.content import share_of
from promptops.core.gate.gate import judge
from promptops.core.gate.looks import Looks, looks_of
from promptops.core.gate.pools import Universe, parts_of
from promptops.core.gate.records import records_of
from promptops.core.gate.settings import EvidenceRule
from promptops.core.gate.verdict import CheckVerdict
from promptops.core.verdict import Outcome
from tests.gate.test_laws import CHANGES, OUTCOME, spoiled
from tests.gate.world import NOW, E, F, Made, World, cases, compared, named, run, same, worse

COUNT = 100
GATE: dict[str, Any] = {"not_worse": {"margin": "5%"}, "days": 2}
CONTENT = named("new")
PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
"""Of NOW, which is noon, so a day ago is yesterday."""


def half(share: int, plan: Sequence[Case] | None = None, days: int = 2) -> list[Case]:
    return [case for case in plan or cases("answer", "answer", COUNT) if share_of(case.id, CONTENT, days) == share]


def empty(count: int = COUNT) -> World:
    """The release and live, before any run."""
    return replace(compared(*worse(count, 0)), made=())


def asked(world: World, plan: Sequence[Case], days_ago: float, lost: int = 0, name: str = "", **more: Any) -> World:
    """Adds a run of these cases, of which so many are lost."""
    outcomes = {Arm.CANDIDATE: [[F]] * lost + same(len(plan) - lost), Arm.LIVE: same(len(plan))}
    at = more.pop("at", NOW - timedelta(days=days_ago))
    made = run(
        world.candidate, plan, more.pop("outcomes", outcomes), others={Arm.LIVE: world.live[0]}, at=at,
        name=name or f"{days_ago} {len(world.made)}", **more,
    )  # fmt: skip
    return replace(world, made=(*world.made, made))


def verdict(world: World, **gate: Any) -> CheckVerdict:
    return world.only({**GATE, **gate})


# --- the rule -------------------------------------------------------------------------------------


def test_each_case_has_one_share_that_follows_from_its_id_and_the_content() -> None:
    for days in (2, 3):
        shares = [half(share, cases("answer", "answer", 3000), days) for share in range(days)]
        assert sum(map(len, shares)) == 3000
        assert all(abs(len(each) - 3000 / days) < 150 for each in shares)
    assert share_of("case-1", CONTENT, 1) == 0
    assert len({share_of("case-1", named(f"content {n}"), 2) for n in range(20)}) == 2


def test_two_halves_on_two_days_are_one_look() -> None:
    world = asked(asked(empty(), half(0), 2), half(1), 1)
    said = verdict(world)
    assert (said.outcome, said.got) == (PASS, "0 of 100 cases lost, 0 gained")
    assert "a false pass in 3.0% at most" in said.asked, "a second look would have 1.5 %"
    assert len(said.evidence) == 2
    assert verdict(asked(asked(empty(), half(1), 2), half(0), 1)).outcome is PASS, "in either order"
    assert verdict(asked(asked(empty(), half(0), 2, lost=20), half(1), 1)).outcome is FAIL


@pytest.mark.parametrize("first", [0, 1])
def test_one_half_alone_is_inconclusive_and_says_what_to_do_when(first: int) -> None:
    today = asked(empty(), half(first), 0.1)
    said = verdict(today)
    assert said.outcome is INCONCLUSIVE and said.lacks_run
    assert said.reason == "one half of its cases was asked, on 2026-12-01, and the policy spreads them over 2 days"
    assert said.hint.startswith("The rest is due from 2026-12-02, 00:00 UTC: ")
    assert [advice.action for advice in advice_in(said.hint)] == [Action.EVALUATE, Action.OPTION]
    assert verdict(today.but(now=NOW + timedelta(days=1))).hint.startswith("The rest is due: ")
    bad = asked(empty(), half(first), 1, lost=len(half(first)))
    assert verdict(bad).outcome is INCONCLUSIVE, "a half says nothing by itself, for better or worse"


def test_a_day_is_a_day_in_utc() -> None:
    midnight = datetime(2026, 12, 1, tzinfo=NOW.tzinfo)
    before, after = midnight - timedelta(minutes=1), midnight + timedelta(minutes=1)
    assert verdict(asked(asked(empty(), half(0), 0, at=before), half(1), 0, at=after)).outcome is PASS
    at_once = asked(asked(empty(), half(0), 0, at=after), half(1), 0, at=after + timedelta(hours=2))
    said = verdict(at_once)
    assert said.outcome is INCONCLUSIVE and "one half" in said.reason, "a half of the same day begins another look"


def test_without_days_a_run_has_all_cases() -> None:
    halves = asked(asked(empty(), half(0), 2), half(1), 1)
    assert verdict(halves, days=1).reason == "its run had other cases than the suite answer has"
    whole = asked(empty(), cases("answer", "answer", COUNT), 1)
    assert verdict(whole, days=1).outcome is PASS
    assert verdict(whole).reason == "it was measured on 1 days, and the policy asks for 2"


def test_three_days() -> None:
    world = empty()
    for share in range(3):
        world = asked(world, half(share, days=3), 3 - share)
        said = verdict(world, days=3)
        assert said.outcome is (PASS if share == 2 else INCONCLUSIVE)
    early = verdict(replace(world, made=world.made[:2]), days=3)
    assert "2 of 3 parts of its cases were asked, on 2026-11-28 and 2026-11-29" in early.reason


# --- ways round it --------------------------------------------------------------------------------


def test_a_bad_half_that_is_asked_again_has_spent_the_look() -> None:
    bad = asked(empty(), half(0), 3, lost=9)
    again = asked(bad, half(0), 2)
    assert "one half" in verdict(again).reason
    said = verdict(asked(again, half(1), 1))
    assert said.outcome is INCONCLUSIVE and "1.5% at most" in said.asked and said.got.startswith("-4.5 points")
    assert verdict(asked(again, half(1), 1), looks=1).reason.startswith("runs of 2 looks looked at this content")


@pytest.mark.parametrize("stopped", [True, False])
def test_a_half_that_was_stopped_because_it_looked_bad_has_spent_the_look(stopped: bool) -> None:
    few = len(half(0))
    rows = {Arm.CANDIDATE: [[F]] * 5 + [[None]] * (few - 5), Arm.LIVE: same(5) + [[None]] * (few - 5)}
    bad = asked(empty(), half(0), 3, outcomes=rows, complete=False, closed=not stopped)
    said = verdict(asked(asked(bad, half(0), 2), half(1), 1))
    assert said.outcome is INCONCLUSIVE and "1.5% at most" in said.asked


def test_halves_that_a_person_chose_are_no_halves() -> None:
    plan = cases("answer", "answer", COUNT)
    chosen = asked(asked(empty(), plan[:50], 2), plan[50:], 1)
    assert "1.5% at most" in verdict(chosen).asked, "each is a look"
    part = asked(asked(empty(), half(0), 2), half(1)[:20], 1)
    assert verdict(part).outcome is INCONCLUSIVE
    rest = asked(part, half(1)[20:], 0.1)
    assert "one half" in verdict(rest).reason, "the rest of a half begins another look"


def test_a_half_is_not_completed_after_it_is_too_old() -> None:
    old = asked(asked(empty(), half(0), 16), half(1), 1)
    assert "one half of its cases was asked, on 2026-11-30" in verdict(old).reason
    assert verdict(old, evidence={"max_age": "20d"}).outcome is PASS
    assert verdict(asked(old, half(0), 0.1)).got.startswith("+0.0 points"), "as a second look"


def test_a_half_under_way_or_full_of_errors_is_waited_for() -> None:
    begun = asked(empty(), half(0), 0.9, closed=False)
    world = asked(begun, half(1), 0.1)
    assert "is under way" in verdict(world).reason
    few = len(half(0))
    rows = {Arm.CANDIDATE: [[E]] * 5 + same(few - 5), Arm.LIVE: same(few)}
    assert verdict(asked(asked(empty(), half(0), 2, outcomes=rows), half(1), 1)).outcome is Outcome.ERROR


# --- the other checks -----------------------------------------------------------------------------


def detailed(case: int, arm: Arm) -> dict[str, Any]:
    return {"latency_ms": 100.0 + case, "cost_usd": 0.001 if arm is Arm.LIVE else 0.0015}


CALLS: dict[str, dict[str, Any]] = {
    "bar": {"bar": {"suite": "answer", "at_least": "95%"}},
    "latency": {"latency": {"p95_ms": 1000}},
    "cost": {"cost": {"growth": 2}},
}


@pytest.mark.parametrize("check", CALLS)
def test_the_other_checks_of_the_suite_read_both_halves(check: str) -> None:
    first = asked(empty(), half(0), 2, detail=detailed)
    both = asked(first, half(1), 1, detail=detailed)
    gate = {**GATE, **CALLS[check]}
    said = {one.name: one for one in both.ask(gate).checks}
    assert said[check].outcome is PASS, said[check]
    if check == "bar":
        assert "100.0% of 100 cases" in said[check].got and "3.0% at most" in said[check].asked
    if check == "latency":
        assert said[check].got == "0 of 100 cases took longer"
    for unfinished in (first, asked(both, half(0), 0.1, detail=detailed)):
        waiting = {one.name: one for one in unfinished.ask(gate).checks}[check]
        assert check == "cost" or (waiting.outcome is INCONCLUSIVE and "one half of its cases" in waiting.reason)


def test_a_dear_half_counts_for_the_cost_of_both() -> None:
    dear = asked(empty(), half(0), 2, detail=lambda case, arm: {"cost_usd": 0.01})
    both = asked(dear, half(1), 1, detail=lambda case, arm: {"cost_usd": 0.001})
    gate = {**GATE, "cost": {"per_call_usd": 0.002}}
    assert {one.name: one.outcome for one in both.ask(gate).checks} == {"not_worse": PASS, "cost": FAIL}


# --- what is due ----------------------------------------------------------------------------------


def looks(world: World, days: int = 2) -> Looks:
    universe = Universe(cases("answer", "answer", COUNT))
    prompt = world.candidate.prompts[0]
    records = records_of(world.given(), EvidenceRule()).counted
    parts = parts_of(records, universe, "answer", prompt, world.live[0].prompts[0].content)
    return looks_of(parts, universe, prompt.content, days, timedelta(days=14))


def test_two_parts_of_three_on_one_day_are_a_look_by_themselves() -> None:
    first = asked(empty(), half(0, days=3), 3)
    assert looks(asked(first, half(1, days=3), 2), 3).count == 1
    assert looks(asked(first, [*half(1, days=3), *half(2, days=3)], 2), 3).count == 2


def test_what_is_due_follows_from_the_runs() -> None:
    def due(world: World) -> int | None:
        return looks(world).due(date(2026, 12, 1))

    assert due(empty()) == 0
    assert due(asked(empty(), half(0), 1)) == 1
    assert due(asked(empty(), half(1), 1)) == 0
    assert due(asked(empty(), half(0), 0.1)) is None
    assert due(asked(asked(empty(), half(0), 2), half(1), 1)) == 0
    assert due(asked(asked(empty(), half(0), 1), half(1), 0.1)) == 0, "another look begins when it likes"


# --- laws -----------------------------------------------------------------------------------------

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROWS = st.lists(OUTCOME, min_size=COUNT, max_size=COUNT).map(lambda drawn: [[one] for one in drawn])
WIDE: dict[str, Any] = {"not_worse": {"margin": "20%"}, "days": 2}


def drawn(candidate: Any, live: Any, schedule: Sequence[tuple[int, int]]) -> World:
    """Runs of halves: of each its share, and how many days ago."""
    world = empty()
    for number, (share, ago) in enumerate(sorted(schedule, key=lambda each: -each[1])):
        places = [n for n, case in enumerate(cases("answer", "answer", COUNT)) if case in half(share)]
        rows = {Arm.CANDIDATE: [candidate[n] for n in places], Arm.LIVE: [live[n] for n in places]}
        world = asked(world, half(share), ago, outcomes=rows, name=f"run {number}")
    return world


SCHEDULES = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), min_size=1, max_size=4)


@FEW
@given(ROWS, ROWS, SCHEDULES, st.sets(st.integers(0, COUNT - 1), min_size=1, max_size=6), st.sampled_from(CHANGES))
def test_no_worse_row_of_a_half_ever_opens_a_gate(
    candidate: Any, live: Any, schedule: Any, places: set[int], change: str
) -> None:
    before = drawn(candidate, live, schedule)
    for number in range(len(before.made)):
        made: list[Made] = list(before.made)
        made[number] = spoiled(made[number], places, change)
        if not before.ask(WIDE).opens:
            assert not replace(before, made=tuple(made)).ask(WIDE).opens


@FEW
@given(ROWS, ROWS, SCHEDULES, st.randoms(use_true_random=False))
def test_halves_in_any_order_give_the_same_verdict(candidate: Any, live: Any, schedule: Any, shuffler: Any) -> None:
    ordered = drawn(candidate, live, schedule).given()
    count = len(ordered.runs)
    shuffled = replace(
        ordered,
        runs=tuple(shuffler.sample(ordered.runs, count)),
        evidence=tuple(shuffler.sample(ordered.evidence, count)),
    )
    assert judge(shuffled, WIDE) == judge(ordered, WIDE)
