"""Cases that a run left to an earlier one: which answers then stand for them, and each way to gain by that, closed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptops.core.errors import Invalid
from promptops.core.evidence.case_table import Arm, Case, CaseTable, RowOutcome
from promptops.core.evidence.run import expected, planned
from promptops.core.evidence.table_bytes import decode_table, encode_table
from promptops.core.gate.anchor import choose_anchor
from promptops.core.gate.reading import read_gate
from promptops.core.suite.suite import SuiteKind
from promptops.core.verdict import Outcome
from tests.gate.world import NOW, E, F, Made, P, World, cases, named, prompt, release, run, suite_of

PASS, FAIL, INCONCLUSIVE, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.ERROR
Answers = Sequence[Sequence[RowOutcome | None]]

REQUIRED: dict[str, Any] = {"required": {"agree": "2 of 3"}, "evidence": {"by": ["ci"]}, "hosts": ["api.example.com"]}
BAR: dict[str, Any] = {"bar": {"suite": "golden", "at_least": "60%"}}
REQUEST = "0123456789abcdef"
COUNT = 16
GOOD: Answers = [[P, P, P]] * COUNT
TODAY = NOW - timedelta(hours=1)


def days(count: float) -> Any:
    return NOW - timedelta(days=count)


def plan(*, reused: bool = False, of: Sequence[int] | None = None, count: int = COUNT, **more: Any) -> list[Case]:
    """The cases of a prompt that did not change, of which all or some are left to earlier runs."""
    settings = {"unchanged": True, "request": REQUEST, **more}
    found = [replace(case, **settings) for case in cases("golden", "answer", count)]
    places = set(of if of is not None else range(count)) if reused else set()
    return [replace(case, reused=place in places) for place, case in enumerate(found)]


SUITE = suite_of(plan(), name="golden", kind=SuiteKind.REQUIRED, repeats=3)
LIVE = release("1.0.0", prompt("answer", "text", "local/m-2026-01-01"), suites=[SUITE])
NEW = release("2.0.0", prompt("answer", "text", "local/m-2026-01-01"), prompt("other", "new"), suites=[SUITE])


def measured(answers: Answers = GOOD, *, at: Any, name: str = "earlier", of: Any = LIVE, **more: Any) -> Made:
    """A run of an earlier release, whose prompt is the same."""
    return run(of, more.pop("cases", plan()), {Arm.CANDIDATE: answers}, at=at, name=name, suites=[SUITE], **more)


def leaning(name: str = "leaning", *, at: Any = TODAY, candidate: Any = NEW, **more: Any) -> Made:
    """A run of the candidate that left all its cases out, or those that the plan says."""
    asked = more.pop("cases", None) or plan(reused=True)
    answers = more.pop("answers", [[] for _ in asked])
    others = {Arm.LIVE: more.pop("live", LIVE)}
    more = {"hosts": (), **more}
    return run(candidate, asked, {Arm.CANDIDATE: answers}, others=others, suites=[SUITE], at=at, name=name, **more)


def world(*made: Made, **more: Any) -> World:
    return World(candidate=more.pop("candidate", NEW), live=(LIVE,), made=made, more=more)


def spoilt(answers: Answers, *places: int, to: Sequence[RowOutcome | None] = (F, F, F)) -> Answers:
    return [to if place in places else each for place, each in enumerate(answers)]


# --- what is left out, and what stands for it ---------------------------------------------------------


def test_an_earlier_run_stands_for_the_cases_that_were_left_out() -> None:
    made = world(measured(at=days(3)), leaning())
    for gate in (REQUIRED, BAR):
        assert made.only(gate).outcome is PASS, gate
        assert made.only(gate).evidence == tuple(each.run.id for each in made.made)
    assert "no earlier run that counts asked the same" in world(leaning()).only(REQUIRED).reason
    assert world(measured(at=days(3))).only(REQUIRED).outcome is INCONCLUSIVE, "a release has a run of its own"


def test_a_run_expects_no_row_of_what_it_left_out_and_of_a_compared_case_nothing_is_left_out() -> None:
    made = leaning(cases=plan(reused=True, of=range(1, COUNT)), answers=[[P, P, P]] + [[]] * (COUNT - 1))
    assert list(expected(made.run)) == [(0, Arm.CANDIDATE, repeat) for repeat in (1, 2, 3)]
    for wrong in ({"unchanged": False}, {"request": ""}, {"request": "f" * 17}):
        with pytest.raises(Invalid, match="only an unchanged case"):
            replace(plan(reused=True)[0], **wrong)
    table = CaseTable(cases=tuple(plan(reused=True)))
    assert decode_table(encode_table(table)) == table
    assert planned(made.run.suites, made.run.arms, encode_table(table)).cases == table.cases


# --- attacks: none gives a better verdict than a run of one's own ---------------------------------------


def test_the_newest_run_stands_and_not_the_best_one() -> None:
    good, bad = measured(at=days(4), name="good"), measured(spoilt(GOOD, 7), at=days(3), name="bad")
    assert world(good, bad, leaning()).only(REQUIRED).outcome is FAIL
    reason = world(good, bad, leaning()).only(REQUIRED).reason
    assert reason == "case-7 fail"


def test_a_bad_run_that_is_left_open_is_not_passed_over() -> None:
    good = measured(at=days(4), name="good")
    bad = measured(spoilt(GOOD, 7, to=[F, None, None]), at=days(3), name="bad", complete=False)
    assert world(good, bad, leaning()).ask(REQUIRED).outcome is not PASS
    never = measured(at=days(3), name="never", closed=False)
    assert world(good, never, leaning()).ask(REQUIRED).outcome is not PASS


def test_a_later_run_changes_what_all_answers_say_and_not_which_stand() -> None:
    good = measured(at=days(4), name="good")
    flaky = measured(spoilt(GOOD, 7, to=[P, F, F]), at=NOW, name="later")
    assert world(good, flaky, leaning()).only(REQUIRED).outcome is PASS, "4 of all 6"
    broken = measured(spoilt(GOOD, 7), at=NOW, name="later")
    assert world(good, broken, leaning()).only(REQUIRED).outcome is FAIL, "3 of all 6"


def test_failing_cases_have_no_second_chance_of_their_own() -> None:
    first = measured(spoilt(GOOD, 7, to=[P, F, F]), at=days(3))
    rest = [place for place in range(COUNT) if place != 7]
    again = leaning(
        cases=plan(reused=True, of=rest), answers=[[P, P, P] if place == 7 else [] for place in range(COUNT)],
        hosts=("api.example.com",),
    )  # fmt: skip
    said = world(first, again).only(REQUIRED)
    assert said.outcome is INCONCLUSIVE and "asked others again" in said.reason
    grown = measured([*GOOD[:7], *GOOD[8:]], at=days(3), cases=[*plan()[:7], *plan()[8:]])
    assert world(grown, again).only(REQUIRED).outcome is PASS, "a new case is asked, and the others are not"
    flagged = replace(again, run=replace(again.run, at=days(1)))
    assert not world(first, flagged, leaning()).ask(REQUIRED).opens, "nor by way of another run"
    unsure = measured(spoilt(GOOD, 7, to=[P, P, E]), at=days(3))
    assert world(unsure, again).only(REQUIRED).outcome is PASS, "so is one that has no answer"


def test_a_run_of_the_failing_cases_alone_is_nothing_to_lean_on() -> None:
    first = measured(spoilt(GOOD, 7), at=days(4))
    retried = measured([[P, P, P]], at=days(3), name="retried", cases=[plan()[7]])
    more = measured([[P, P, P]] * 3, at=days(2), name="again", cases=plan()[6:9])
    for made in (world(first, retried, leaning()), world(first, retried, more, leaning())):
        assert made.only(REQUIRED).outcome is INCONCLUSIVE
        assert "only a part" in made.only(REQUIRED).reason
    whole = measured(at=days(1), name="whole")
    assert world(first, retried, whole, leaning()).only(REQUIRED).outcome is PASS, "6 of all 9 by a run of all cases"
    assert world(first, whole, leaning()).only(REQUIRED).outcome is FAIL, "3 of all 6"


def test_a_suite_that_grew_is_leaned_on_again() -> None:
    small = measured(GOOD[1:], at=days(5), cases=plan()[1:])
    grown = leaning("grown", at=days(3), candidate=LIVE, cases=plan(reused=True, of=range(1, COUNT)),
                    answers=[[P, P, P], *([] for _ in range(COUNT - 1))], hosts=("api.example.com",))  # fmt: skip
    assert world(small, grown, leaning()).only(REQUIRED).outcome is PASS


def test_a_row_is_as_old_as_its_measurement_however_often_it_is_leaned_on() -> None:
    chain = [leaning(f"lean {age}", at=days(age), candidate=LIVE) for age in (12, 8, 4, 1)]
    assert world(measured(at=days(13)), *chain, leaning()).only(REQUIRED).outcome is PASS
    for gate in (REQUIRED, BAR):
        said = world(measured(at=days(15)), *chain, leaning()).only(gate)
        assert said.outcome is INCONCLUSIVE and "older than the policy takes" in said.reason


def test_an_answer_counts_once_however_often_it_is_leaned_on() -> None:
    flaky = spoilt(GOOD, 7, to=[P, P, F])
    worse = spoilt(GOOD, 7, to=[P, F, F])
    first, second = measured(flaky, at=days(5), name="one"), measured(worse, at=days(4), name="two")
    newest = measured(flaky, at=days(3), name="three")
    chain = [leaning(f"lean {age}", at=days(age), candidate=LIVE) for age in (2.5, 2, 1)]
    alone = world(first, second, newest, leaning()).only(REQUIRED)
    many = world(first, second, newest, *chain, leaning()).only(REQUIRED)
    assert (alone.outcome, alone.got) == (many.outcome, many.got) == (FAIL, f"{COUNT - 1} of {COUNT} cases pass")


def test_leaning_spends_no_look_and_gains_none() -> None:
    runs = [measured(at=days(9 - number), name=f"run {number}") for number in range(3)]
    chain = [leaning(f"lean {age}", at=days(age), candidate=LIVE) for age in (2, 1)]
    assert world(*runs, *chain, leaning()).only(BAR).outcome is PASS
    fourth = measured(at=days(3), name="run 4")
    assert "4 runs looked at this content" in world(*runs, fourth, *chain, leaning()).only(BAR).reason


@pytest.mark.parametrize(
    "spoil",
    [
        {"token_name": "intern"},
        {"hosts": ("proxy.example.net",)},
        {"cases": plan(request="fedcba9876543210")},
        {"cases": plan(request="")},
        {"cases": [replace(case, digest=named(f"judged otherwise {case.id}")) for case in plan()]},
        {"of": release("1.0.0", prompt("answer", "another text"), suites=[SUITE])},
        {"at": NOW},
    ],
    ids=["by", "host", "request", "unknown request", "checks or judge", "content", "later"],
)
def test_a_run_that_does_not_count_or_asked_something_else_stands_for_nothing(spoil: dict[str, Any]) -> None:
    said = world(measured(**{"at": days(3), **spoil}), leaning()).only(REQUIRED)
    assert said.outcome is INCONCLUSIVE and "no earlier run that counts asked the same" in said.reason


def test_of_a_prompt_that_changed_nothing_is_left_out() -> None:
    old = release("0.9.0", prompt("answer", "old text"), suites=[SUITE])
    said = world(measured(at=days(3)), leaning(live=old)).only(REQUIRED)
    assert said.outcome is INCONCLUSIVE and "a prompt that changed" in said.reason
    floats = replace(NEW, prompts=(prompt("answer", "text", "openai/gpt-4o"),))
    assert (
        "what their model stands for" in world(measured(at=days(3)), leaning(), candidate=floats).only(REQUIRED).reason
    )


def test_too_few_repeats_stand_for_nothing_more() -> None:
    once = run(
        LIVE, plan(), {Arm.CANDIDATE: [[P]] * COUNT}, suites=[replace(SUITE, repeats=1)], at=days(3), name="once"
    )
    assert world(once, leaning()).only(REQUIRED).reason == "its cases were asked 1 times, not 3"


# --- cost, latency, anchor ----------------------------------------------------------------------------


def test_nothing_becomes_cheaper_by_not_being_called() -> None:
    def dear(case: int, arm: Arm) -> dict[str, Any]:
        return {"cost_usd": 0.01, "latency_ms": 900.0}

    def cheap(case: int, arm: Arm) -> dict[str, Any]:
        return {"cost_usd": 0.001, "latency_ms": 10.0}

    small = suite_of(cases("small", "other", COUNT), name="small", repeats=3)
    asked = [*plan(reused=True), *cases("small", "other", COUNT)]
    answers: list[Any] = [[] for _ in range(COUNT)] + list(GOOD)
    own = run(NEW, asked, {Arm.CANDIDATE: answers}, others={Arm.LIVE: LIVE}, suites=[SUITE, small], at=TODAY,
              name="own", detail=cheap)  # fmt: skip
    made = world(measured(at=days(3), detail=dear), own)
    said = made.only({"cost": {"per_call_usd": 0.005}})
    assert said.outcome is FAIL and said.got == "a call costs $0.0055"
    assert all(row.case >= COUNT for row in own.rows), "the run itself brings neither a cost nor a latency of them"
    gone = world(own).only({"cost": {"per_call_usd": 0.005}})
    assert gone.outcome is INCONCLUSIVE


def test_a_run_of_a_part_hides_no_cost_of_the_rest() -> None:
    small = suite_of(cases("small", "answer", COUNT), name="small")
    whole = run(NEW, plan(), {Arm.CANDIDATE: GOOD}, suites=[SUITE], at=days(2), name="whole",
                detail=lambda case, arm: {"cost_usd": 0.01})  # fmt: skip
    part = run(NEW, cases("small", "answer", COUNT), {Arm.CANDIDATE: [[P]] * COUNT}, suites=[small], at=TODAY,
               name="part", detail=lambda case, arm: {"cost_usd": 0.001})  # fmt: skip
    assert world(whole, part).only({"cost": {"per_call_usd": 0.002}}).outcome is FAIL


def test_a_release_that_leaned_on_an_earlier_run_is_as_good_an_anchor() -> None:
    gate = read_gate({"not_worse": {"margin": "5%", "anchor": "best of 180d", "suites": ["golden"]}}, "bot")
    better = world(measured(spoilt(GOOD, 1, 2, 3), at=days(5), of=LIVE), leaning())
    found = choose_anchor(better.given(), gate, [NEW])
    assert found is NEW


# --- laws -----------------------------------------------------------------------------------------------

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def histories(draw: st.DrawFn) -> list[Answers]:
    """Runs of one content, oldest first; flaky cases, errors, and rows that are missing."""
    generator = random.Random(draw(st.integers(0, 2**32)))
    failing, errors = draw(st.sampled_from([0.0, 0.02, 0.1, 0.4])), draw(st.sampled_from([0.0, 0.01, 0.1]))

    def one() -> RowOutcome | None:
        drawn = generator.random()
        return None if drawn < errors / 3 else E if drawn < errors else F if drawn < errors + failing else P

    return [[[one() for _ in range(3)] for _ in range(COUNT)] for _ in range(draw(st.integers(1, 3)))]


def runs_of(history: list[Answers], *, newest: Any = LIVE) -> list[Made]:
    """The runs of an earlier release, the newest one perhaps of another."""
    made = []
    for number, answers in enumerate(history):
        last = number == len(history) - 1
        complete = all(row is not None for rows in answers for row in rows)
        made.append(
            measured(answers, at=days(9 - number), name=f"run {number}", of=newest if last else LIVE, complete=complete)
        )
    return made


@FEW
@given(histories())
def test_leaning_on_a_run_says_just_what_a_run_of_ones_own_with_its_answers_says(history: list[Answers]) -> None:
    for gate in (REQUIRED, BAR, {**BAR, "evidence": {"max_errors": "20%"}}):
        own = world(*runs_of(history, newest=NEW)).only(gate)
        leaned = world(*runs_of(history), leaning()).only(gate)
        assert (leaned.outcome, leaned.got, leaned.reason) == (own.outcome, own.got, own.reason)


@FEW
@given(histories(), st.integers(0, COUNT - 1), st.integers(0, 2), st.sampled_from([F, E, None]))
def test_no_worse_row_of_an_earlier_run_helps_one_that_leans_on_it(
    history: list[Answers], place: int, repeat: int, change: RowOutcome | None
) -> None:
    worse: list[Any] = [[list(rows) for rows in answers] for answers in history]
    for answers in worse:
        if answers[place][repeat] is P:
            answers[place][repeat] = change
    for gate in (REQUIRED, BAR):
        if not world(*runs_of(history), leaning()).ask(gate).opens:
            assert not world(*runs_of(worse), leaning()).ask(gate).opens


@FEW
@given(histories(), st.sets(st.integers(0, COUNT - 1)))
def test_no_choice_of_what_is_left_out_opens_what_leaving_out_by_the_rule_does_not(
    history: list[Answers], chosen: set[int]
) -> None:
    """Who may choose sees the answers first: here all that is asked again passes."""
    if any(row is None or row is E for answers in history for rows in answers for row in rows):
        history = [[[P if row in (None, E) else row for row in rows] for rows in answers] for answers in history]
    answers: Answers = [[] if place in chosen else [P, P, P] for place in range(COUNT)]
    asked = plan(reused=True, of=sorted(chosen))
    picked = leaning(cases=asked, answers=answers, hosts=("api.example.com",))
    if 0 < len(chosen) < COUNT:
        assert not world(*runs_of(history), picked).ask(REQUIRED).opens


@FEW
@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_the_evidence_changes_nothing(history: list[Answers], shuffler: random.Random) -> None:
    from promptops.core.gate.gate import judge

    ordered = world(*runs_of(history), leaning()).given()
    count = len(history) + 1
    shuffled = replace(
        ordered,
        runs=tuple(shuffler.sample(ordered.runs, count)),
        evidence=tuple(shuffler.sample(ordered.evidence, count)),
    )
    for gate in (REQUIRED, BAR):
        assert judge(shuffled, gate) == judge(ordered, gate)


# --- what only another run could decide -------------------------------------------------------------------


def test_a_check_says_whether_it_lacks_a_run_of_which_suite_and_against_what() -> None:
    sample = suite_of(cases("answer", "answer", COUNT))
    new = release("2.0.0", prompt("answer", "new"), suites=[sample, SUITE])
    old = release("1.0.0", prompt("answer", "old"), suites=[sample, SUITE])
    newer = release("1.1.0", prompt("answer", "newer"), suites=[sample, SUITE])
    asked = [*cases("answer", "answer", COUNT), *cases("golden", "answer", COUNT)]
    once = [[P]] * COUNT
    both = {Arm.CANDIDATE: [*once, *GOOD], Arm.LIVE: [*once, *GOOD]}
    made = run(new, asked, both, others={Arm.LIVE: old}, at=days(2), name="both")
    gate = {**REQUIRED, "not_worse": {"margin": "20%"}, "bar": {"suite": "answer", "at_least": "20%"}}

    def lacking(against: Any, *made: Made) -> list[tuple[str, str, str]]:
        checks = World(candidate=new, live=(against,), made=made).ask(gate).checks
        assert all(check.suite_digest for check in checks)
        return [(check.name, check.suite_digest, check.against) for check in checks if check.lacks_run]

    assert lacking(old, made) == []
    assert lacking(newer, made) == [("not_worse", sample.digest, newer.digest)]
    assert len(lacking(old)) == 3
    few = run(
        new, asked, {**both, Arm.CANDIDATE: [*([[F]] * COUNT), *GOOD]}, others={Arm.LIVE: old}, at=days(2), name="bad"
    )
    assert lacking(old, few) == [], "a verdict that another run would only roll again lacks none"
    open_run = run(new, asked, {Arm.CANDIDATE: []}, others={Arm.LIVE: old}, at=TODAY, name="open", closed=False)
    assert lacking(old, open_run) == [], "nor one whose run is under way"


def test_the_growth_of_the_cost_is_that_against_what_is_live_now() -> None:
    def priced(case: int, arm: Arm) -> dict[str, Any]:
        return {"cost_usd": 0.002 if arm is Arm.CANDIDATE else 0.001}

    sample = suite_of(cases("answer", "answer", COUNT))
    new, old, newer = (
        release(name, prompt("answer", text), suites=[sample])
        for name, text in (("2.0.0", "new"), ("1.0.0", "old"), ("1.1.0", "newer"))
    )
    once: Answers = [[P]] * COUNT
    outcomes = {Arm.CANDIDATE: once, Arm.LIVE: once}
    asked = cases("answer", "answer", COUNT)
    made = run(new, asked, outcomes, others={Arm.LIVE: old}, at=days(2), name="old", detail=priced)
    gate = {"cost": {"growth": 2.5}}
    assert World(candidate=new, live=(old,), made=(made,)).only(gate).outcome is PASS
    said = World(candidate=new, live=(newer,), made=(made,)).only(gate)
    assert (said.outcome, said.lacks_run, said.against) == (INCONCLUSIVE, True, newer.digest)
