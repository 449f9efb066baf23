"""`not_worse`: what it takes to show that a release is not worse, and each way round it that is closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from promptops.core.advice import advice_in
from promptops.core.evidence.case_table import Arm
from promptops.core.evidence.run import Source
from promptops.core.gate.verdict import CheckVerdict
from promptops.core.verdict import Outcome
from tests.gate.world import (
    NOW,
    E,
    F,
    P,
    World,
    cases,
    compared,
    named,
    prompt,
    release,
    run,
    same,
    suite_of,
    worse,
)

MARGIN = {"not_worse": {"margin": "5%"}}
PASS, FAIL, INCONCLUSIVE, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.ERROR


def verdict(world: World, **gate: Any) -> CheckVerdict:
    return world.only({**MARGIN, **gate})


# --- what a run shows -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "lost", "gained", "outcome"),
    [(86, 0, 0, INCONCLUSIVE), (87, 0, 0, PASS), (247, 7, 7, PASS), (247, 10, 5, INCONCLUSIVE), (200, 30, 0, FAIL)],
)
def test_single_runs(count: int, lost: int, gained: int, outcome: Outcome) -> None:
    assert verdict(compared(*worse(count, lost, gained))).outcome is outcome


def test_a_verdict_says_what_it_could_not_have_seen() -> None:
    said = verdict(compared(*worse(15, 0)))
    assert (said.outcome, said.cases_missing, said.cases_least) == (INCONCLUSIVE, 72, 87)
    assert said.smallest_seen == pytest.approx(0.241, abs=5e-4)
    assert said.got == "0 of 15 cases lost, 0 gained"
    assert said.asked == "not worse than live by 5.0%, with a false pass in 3.0% at most"
    assert said.hint == "Add 72 cases to the suite. Another run of the same 15 cases cannot pass: it would need 119."
    assert verdict(compared(*worse(100, 3, 3))).cases_missing == 147  # 247 at the 6 % disagreement seen


@pytest.mark.parametrize(("looks", "outcome"), [(3, INCONCLUSIVE), (1, PASS)])
def test_the_first_of_several_looks_has_a_part_of_the_level(looks: int, outcome: Outcome) -> None:
    assert verdict(compared(*worse(80, 0)), looks=looks).outcome is outcome


def test_repeats_and_scores_are_compared_by_bets() -> None:
    assert verdict(compared([[P] * 3] * 102, [[P] * 3] * 102)).outcome is INCONCLUSIVE
    assert verdict(compared([[P] * 3] * 103, [[P] * 3] * 103)).outcome is PASS
    scores = {"not_worse": {"margin": "5%", "measure": "score"}}
    assert compared([[0.9]] * 150, [[0.9]] * 150).only(scores).outcome is PASS
    assert compared([[0.6]] * 150, [[0.9]] * 150).only(scores).outcome is FAIL
    assert compared([[0.6]] * 150, [[0.9]] * 150).only(MARGIN).outcome is PASS  # both pass


def test_clusters_count_once() -> None:
    plan = [replace(case, cluster=f"c{n // 10}") for n, case in enumerate(cases("answer", "answer", 200))]
    assert verdict(compared(same(200), same(200))).outcome is PASS
    assert verdict(compared(same(200), same(200), plan)).outcome is INCONCLUSIVE
    alike = [replace(case, cluster=f"~{n // 10}") for n, case in enumerate(plan)]
    assert verdict(compared(same(200), same(200), alike)).outcome is INCONCLUSIVE


def test_similar_cases_are_clusters_unless_a_person_approves_of_a_suite_that_says_otherwise() -> None:
    plan = [replace(case, cluster=f"~{n // 10}") for n, case in enumerate(cases("answer", "answer", 200))]
    said = compared(same(200), same(200), plan, of_suite={"independent": True})
    suite = said.candidate.suites[0].digest
    unheard = verdict(said)
    assert (unheard.outcome, unheard.got) == (INCONCLUSIVE, "+0.0 points over 200 cases in 20 clusters")
    assert "count as clusters until a person approves of the suite" in unheard.reason
    assert [advice.arguments["suite"] for advice in advice_in(unheard.hint) if "suite" in advice.arguments] == [suite]
    assert verdict(said.approved("release")).outcome is INCONCLUSIVE
    assert verdict(said.approved(f"suite:{suite}", proven=False)).outcome is INCONCLUSIVE
    heard = verdict(said.approved(f"suite:{suite}"))
    assert (heard.outcome, heard.got) == (PASS, "0 of 200 cases lost, 0 gained")
    silent = compared(same(200), same(200), plan)
    assert verdict(silent.approved(f"suite:{silent.candidate.suites[0].digest}")).outcome is INCONCLUSIVE


def test_clusters_that_cases_name_are_clusters_whatever_the_suite_says() -> None:
    for name in ("c{}", "~~{}"):  # as `cluster: ~0` of a suite is recorded
        plan = [replace(case, cluster=name.format(n // 10)) for n, case in enumerate(cases("answer", "answer", 200))]
        world = compared(same(200), same(200), plan, of_suite={"independent": True})
        assert verdict(world.approved(f"suite:{world.candidate.suites[0].digest}")).outcome is INCONCLUSIVE


def test_unchanged_cases_dilute_nothing() -> None:
    plan = [replace(case, unchanged=n >= 40) for n, case in enumerate(cases("answer", "answer", 500))]
    candidate, live = worse(500, 0)
    assert verdict(compared(candidate, live, plan)).outcome is INCONCLUSIVE
    assert verdict(compared(candidate, live, plan)).got == "0 of 40 cases lost, 0 gained"
    every = [replace(case, unchanged=True) for case in plan]
    assert "none shows the change" in verdict(compared(candidate, live, every)).reason


# --- errors, and what is missing ------------------------------------------------------------------


def test_errors_count_against_a_pass_and_for_it_against_a_fail() -> None:
    candidate, live = worse(200, 0)
    assert verdict(compared([[E], [E], *candidate[2:]], live)).outcome is PASS  # as two losses
    assert verdict(compared([[E]] * 6 + candidate[6:], live), evidence={"max_errors": "5%"}).outcome is INCONCLUSIVE
    assert verdict(compared([[E]] * 6 + candidate[6:], live)).outcome is ERROR
    candidate, live = worse(150, 25)
    errored = [[E]] * 25 + candidate[25:]
    assert verdict(compared(candidate, live)).outcome is FAIL
    assert verdict(compared(errored, live), evidence={"max_errors": "50%"}).outcome is INCONCLUSIVE


def test_the_errors_of_live_are_passes() -> None:
    candidate, live = worse(150, 0)
    gains = [[E]] * 3 + live[3:]
    assert verdict(compared([[F]] * 3 + candidate[3:], gains)).got == "3 of 150 cases lost, 0 gained"


def test_what_was_not_reported_is_missing() -> None:
    candidate, live = worse(150, 0)
    short = compared([*[[None]] * 3, *candidate[3:]], live, complete=False)
    assert verdict(short).got == "3 of 150 cases lost, 0 gained"
    never = compared(candidate, live, closed=False)
    assert verdict(never).outcome is ERROR
    assert "150 of 150 answers" in verdict(never).reason
    just_now = compared(candidate, live, closed=False, at=NOW - timedelta(hours=23))
    assert (verdict(just_now).outcome, verdict(just_now).reason[:23]) == (INCONCLUSIVE, "a run is under way sinc")


def test_a_candidate_that_hangs_is_not_hidden_by_a_second_attempt() -> None:
    candidate, live = worse(200, 0)

    def hangs(case: int, arm: Arm) -> dict[str, Any]:
        return {"first_attempt_failed": arm is Arm.CANDIDATE and case % 5 == 0}

    said = verdict(compared(candidate, live, detail=hangs))
    assert said.outcome is INCONCLUSIVE and "time out more often" in said.reason
    both = compared(candidate, live, detail=lambda case, arm: {"first_attempt_failed": case % 5 == 0})
    assert verdict(both).outcome is PASS


# --- looks, pools and tries -----------------------------------------------------------------------


def again(world: World, candidate: Any, live: Any, name: str, **more: Any) -> World:
    """Adds a run of the same pair, an hour after those before, of another release with the same contents."""
    new = more.pop("of", world.candidate)
    at = more.pop("at", world.made[-1].run.at + timedelta(hours=1))
    plan = more.pop("plan", None) or world.made[0].run.cases
    made = run(
        new,
        plan,
        {Arm.CANDIDATE: candidate, Arm.LIVE: live},
        others={Arm.LIVE: world.live[0]},
        name=name,
        at=at,
        **more,
    )
    return replace(world, made=(*world.made, made))


def test_runs_are_pooled_and_each_is_a_look() -> None:
    bad, fine = worse(150, 12), worse(150, 0)
    first = compared(*bad)
    second = again(first, *fine, "second")
    assert verdict(first).outcome is INCONCLUSIVE
    assert verdict(compared(*fine)).outcome is PASS
    assert verdict(second).outcome is INCONCLUSIVE
    assert verdict(second).got == "-4.0 points over 150 cases"
    assert "false pass in 1.5% at most" in verdict(second).asked
    assert verdict(replace(second, made=second.made[::-1])) == verdict(second)


def test_after_the_last_look_a_person_decides() -> None:
    world = compared(*worse(150, 12))
    for name in ("second", "third", "fourth"):
        world = again(world, *worse(150, 0), name)
    assert "4 runs looked at this content" in verdict(world).reason
    assert verdict(world).outcome is INCONCLUSIVE


def test_a_blank_opens_no_new_look() -> None:
    first = compared(*worse(150, 12))
    blank = replace(first.candidate, digest=named("blank"), prompts=(prompt("answer", "new "),))
    assert blank.prompts[0].content == first.candidate.prompts[0].content
    world = replace(again(first, *worse(150, 0), "second", of=blank), candidate=blank)
    assert "false pass in 1.5% at most" in verdict(world).asked
    assert verdict(replace(first, candidate=blank)).reason == "no run of bot@2.0.0 has the suite answer"


def test_a_suite_under_another_digest_opens_no_new_look() -> None:
    first = compared(*worse(150, 12))
    plan = [
        replace(case, id=f"other-{case.id}", digest=named(f"{n} changed"))
        for n, case in enumerate(cases("answer", "answer", 150))
    ]
    suite = suite_of(plan)
    candidate = replace(first.candidate, suites=(suite,))
    world = replace(again(first, *worse(150, 0), "second", of=candidate, plan=plan), candidate=candidate)
    assert "not the one that live was judged with: 150 cases are new or changed" in verdict(world).reason
    approved = world.approved(f"suite:{suite.digest}")
    assert "false pass in 1.5% at most" in verdict(approved).asked


def test_a_run_that_does_not_count_spends_no_look() -> None:
    fine = compared(*worse(150, 0))
    for more in (
        {"token_name": "intern"},
        {"hosts": ("proxy.example.com",)},
        {"source": Source.REPLAY},
        {"purpose": "drift"},
    ):
        world = again(fine, *worse(150, 20), "second", **more)
        assert verdict(world, evidence={"by": ["ci"]}, hosts=["api.example.com"]).outcome is PASS
    plan = cases("calls:prod/answer", "answer", 150)
    calls = again(fine, *worse(150, 20), "second", plan=plan, suites=[suite_of(plan, "calls:prod/answer")])
    assert verdict(calls).outcome is PASS, "who starts it chooses the calls"
    own = replace(calls, made=calls.made[1:])
    assert "it asked captured calls" in verdict(own).reason + own.only({"cost": {"growth": 2}}).reason
    closed = again(fine, [[None]] * 150, [[None]] * 150, "second", complete=False)
    assert verdict(closed).outcome is PASS
    assert (
        verdict(again(fine, [[P], *[[None]] * 149], [[None]] * 150, "second", complete=False)).outcome is INCONCLUSIVE
    )


def test_many_contents_against_one_live_need_a_person() -> None:
    world = compared(*worse(150, 0))
    for number in range(5):
        other = release(f"1.0.{number}", prompt("answer", f"try {number}"), suites=world.candidate.suites)
        at = NOW - timedelta(days=10 + number)
        world = again(world, *worse(150, 20), f"try {number}", of=other, at=at)
    assert "it is content 6 against live within 30 days" in verdict(world).reason
    assert verdict(world.approved("tries")).outcome is PASS
    assert "6 contents were judged against live in 30 days" in verdict(world.approved("tries")).reason
    assert verdict(world, tries=6).outcome is PASS
    assert verdict(world.but(now=NOW + timedelta(days=17)), evidence={"max_age": "30d"}).outcome is PASS
    assert "at most" in verdict(world.approved("tries"), tries_level="shared").asked
    assert verdict(world.approved("tries"), tries_level="shared").outcome is INCONCLUSIVE


def test_half_the_cases_on_each_of_two_days() -> None:
    plan = cases("answer", "answer", 150)
    whole = compared(*worse(150, 0))
    halves = replace(whole, made=())
    for name, half, days in (("a", plan[:75], 2), ("b", plan[75:], 1)):
        made = run(
            whole.candidate,
            half,
            {Arm.CANDIDATE: same(75), Arm.LIVE: same(75)},
            others={Arm.LIVE: whole.live[0]},
            name=name,
            at=NOW - timedelta(days=days),
        )
        halves = replace(halves, made=(*halves.made, made))
    assert verdict(whole, days=2).reason == "it was measured on 1 days, and the policy asks for 2"
    assert verdict(halves, days=2).outcome is PASS
    assert verdict(halves).reason == "its run had other cases than the suite answer has"
    other_model = replace(whole.candidate, prompts=(replace(whole.candidate.prompts[0], model="other"),))
    assert "measured on one day" in verdict(replace(whole, candidate=other_model)).reason


# --- suites move in the open ----------------------------------------------------------------------


def test_a_grown_suite_has_to_hold_on_the_old_cases_too() -> None:
    plan = cases("answer", "answer", 460)
    old_suite = suite_of(plan[:60])
    world = compared([[F]] * 9 + [[P]] * 451, [[P]] * 460, plan)
    world = replace(world, live=(replace(world.live[0], suites=(old_suite,)),))
    assert "400 cases are new or changed, 0 are gone" in verdict(world).reason
    approved = world.approved(f"suite:{world.candidate.suites[0].digest}")
    outcomes = [one.outcome for one in approved.ask(MARGIN).checks]
    assert outcomes == [PASS, FAIL] or outcomes == [PASS, INCONCLUSIVE]
    claimed = world.approved(f"suite:{world.candidate.suites[0].digest}", proven=False)
    assert verdict(claimed).outcome is INCONCLUSIVE
    by_claims = {**MARGIN, "approvals": {"count": 1, "proven": False}}
    assert [one.outcome for one in claimed.ask(by_claims).checks][:1] == [PASS]


def test_a_suite_that_is_gone_needs_a_person() -> None:
    world = compared(*worse(150, 0))
    golden = suite_of(cases("golden", "answer", 10), name="golden")
    world = replace(world, live=(replace(world.live[0], suites=(*world.live[0].suites, golden)),))
    checks = world.ask(MARGIN).checks
    assert [(one.name, one.outcome) for one in checks] == [("not_worse", PASS), ("suites", INCONCLUSIVE)]
    assert world.approved(f"suite:{golden.digest}").ask(MARGIN).outcome is PASS


# --- what is compared with what -------------------------------------------------------------------


def test_each_changed_prompt_is_judged_by_itself() -> None:
    both = [*cases("answer", "answer", 150), *cases("triage", "triage", 150)]
    suites = [suite_of(both[:150]), suite_of(both[150:], name="triage")]
    new = release("2.0.0", prompt("answer", "new"), prompt("triage", "new"), suites=suites)
    old = release("1.0.0", prompt("answer", "old"), prompt("triage", "old"), suites=suites)
    candidate = [[F]] * 25 + [[P]] * 275
    made = run(new, both, {Arm.CANDIDATE: candidate, Arm.LIVE: same(300)}, others={Arm.LIVE: old})
    world = World(candidate=new, live=(old,), made=(made,))
    said = world.ask(MARGIN).checks
    assert [(one.prompt, one.outcome) for one in said] == [("answer", FAIL), ("triage", PASS)]
    unchanged = replace(old, prompts=(old.prompts[0], new.prompts[1]))
    assert [one.prompt for one in replace(world, live=(unchanged,)).ask(MARGIN).checks] == ["answer"]
    assert replace(world, live=(new,)).only(MARGIN).got == "no prompt changed"


def test_after_a_rollback_the_release_before_counts_too() -> None:
    world = compared(*worse(150, 0))
    before = release("1.5.0", prompt("answer", "before"), suites=world.candidate.suites)
    both = replace(world, live=(*world.live, before))
    said = both.ask(MARGIN).checks
    assert [one.outcome for one in said] == [PASS, INCONCLUSIVE]
    assert said[1].reason == "its runs did not put answer to the release before live"


def test_a_prompt_under_another_name_is_not_new() -> None:
    world = compared(*worse(150, 0))
    renamed = replace(world.live[0], prompts=(prompt("old-answer", "old"),))
    moved = replace(world, live=(renamed,))
    said = moved.ask(MARGIN).checks
    assert said[0].reason == "the prompt old-answer is gone and answer is new: it may be the same under another name"
    assert moved.ask({**MARGIN, "renames": {"old-answer": "answer"}}).outcome is PASS
    assert moved.approved("rename:old-answer>answer").ask(MARGIN).outcome is INCONCLUSIVE  # then nothing covers it


def test_a_rename_of_long_ago_covers_no_new_prompt() -> None:
    world = compared(*worse(150, 0))
    more = prompt("extra", "extra")
    added = replace(world, candidate=replace(world.candidate, prompts=(*world.candidate.prompts, more)))
    for renames in ({}, {"gone-long-ago": "extra"}):
        said = added.ask({**MARGIN, "renames": renames}).checks
        assert [(one.prompt, one.outcome) for one in said] == [("answer", PASS), ("extra", INCONCLUSIVE)]


def test_a_first_release_needs_another_check() -> None:
    world = replace(compared(*worse(150, 0)), live=())
    assert world.ask(MARGIN).outcome is INCONCLUSIVE
    bar = {**MARGIN, "bar": {"suite": "answer", "at_least": "90%"}}
    assert world.ask(bar).outcome is PASS


def test_a_prompt_without_a_suite() -> None:
    world = compared(*worse(150, 0))
    bare = replace(world, candidate=replace(world.candidate, suites=()), live=(replace(world.live[0], suites=()),))
    assert verdict(bare).reason == "no suite has cases for the changed prompt answer"
