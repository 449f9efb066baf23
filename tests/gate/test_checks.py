"""The other checks: required suites, bars, latency, cost, judges, people, freezes, other systems, waivers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from promptops.core.evidence.case_table import Arm
from promptops.core.evidence.evidence import Evidence
from promptops.core.evidence.run import Source
from promptops.core.gate.given import Waived
from promptops.core.models.ends import Ending
from promptops.core.suite.suite import SuiteKind
from promptops.core.verdict import Outcome
from tests.gate.world import NOW, E, F, Made, P, World, cases, compared, named, prompt, release, run, suite_of, worse

PASS, FAIL, INCONCLUSIVE, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.ERROR
RULE: dict[str, Any] = {"required": {"agree": "2 of 3", "regressions": 0}}


def required(*runs: list[list[Any]], live: list[list[Any]] | None = None) -> World:
    """Runs of a required suite of a few cases, a day apart, the newest last."""
    plan = cases("golden", "answer", len(runs[0]))
    suite = suite_of(plan, name="golden", kind=SuiteKind.REQUIRED, repeats=len(runs[0][0]))
    new = release("2.0.0", prompt("answer", "new"), suites=[suite])
    old = release("1.0.0", prompt("answer", "old"), suites=[suite])
    made: list[Made] = []
    for number, candidate in enumerate(runs):
        outcomes = {Arm.CANDIDATE: candidate, **({Arm.LIVE: live} if live else {})}
        at = NOW - timedelta(days=len(runs) - number)
        made.append(run(new, plan, outcomes, others={Arm.LIVE: old} if live else {}, at=at, name=f"run {number}"))
    return World(candidate=new, live=(old,), made=tuple(made))


# --- required -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "outcome"),
    [
        ([[[P, P, F], [P, P, P]]], PASS),
        ([[[P, F, F], [P, P, P]]], FAIL),
        ([[[P, P, E], [P, P, P]]], PASS),  # 2 of 3 pass, whatever the third would have been
        ([[[P, F, E], [P, P, P]]], ERROR),  # the error decides, and is one of six answers
        ([[[F, F, E], [P, P, P]]], FAIL),
        ([[[P, P, None], [P, P, P]]], PASS),  # a missing answer is a failure
        ([[[P, F, None], [P, P, P]]], ERROR),
        ([[[P, P, None], [P, P, P]], [[P, P, F], [P, P, P]]], PASS),  # 4 of all 6
        ([[[P, None, None], [P, P, P]], [[P, P, F], [P, P, P]]], INCONCLUSIVE),  # in the share of all too
        ([[[F, F, F], [P, P, P]], [[P, P, P], [P, P, P]]], FAIL),  # 3 of all 6: not the lucky run
        ([[[P, F, F], [P, P, P]], [[P, P, P], [P, P, P]]], PASS),  # 4 of all 6
        ([[[E, E, E], [E, E, E]], [[P, P, P], [P, P, P]]], PASS),  # one outage poisons nothing
        ([[[P, P, P], [P, P, P]], [[F, P, F], [P, P, P]]], FAIL),  # the newest run decides as well
    ],
)
def test_required(runs: list[list[list[Any]]], outcome: Outcome) -> None:
    assert required(*runs).only(RULE).outcome is outcome


def test_required_says_no_more_than_it_shows() -> None:
    said = required([[P, P, P]] * 14).only(RULE)
    assert said.reason == "these 14 cases pass, which says nothing of others"
    assert (said.got, said.asked) == ("14 of 14 cases pass", "every case passes in 2 of 3 repeats")


def test_a_regression_is_named() -> None:
    world = required([[F, F, F], [F, F, F], [P, P, P]], live=[[P, P, P], [F, F, F], [P, P, P]])
    assert world.only(RULE).reason == "case-0, case-1 fail; case-0 pass on live"


def test_repeats_are_fixed_beforehand() -> None:
    assert required([[P, P]] * 3).only(RULE).reason == "its cases were asked 2 times, not 3"
    assert required([[P] * 5] * 3).only(RULE).outcome is PASS


def test_a_required_suite_may_grow_but_not_shrink_in_silence() -> None:
    world = required([[P, P, P]] * 3)
    plan = cases("golden", "answer", 4)
    small = suite_of(plan[:2], name="golden", kind=SuiteKind.REQUIRED, repeats=3)
    assert replace(world, live=(replace(world.live[0], suites=(small,)),)).only(RULE).outcome is PASS
    large = suite_of(plan, name="golden", kind=SuiteKind.REQUIRED, repeats=3)
    shrunk = replace(world, live=(replace(world.live[0], suites=(large,)),))
    assert "0 cases are new or changed, 1 are gone" in shrunk.only(RULE).reason
    assert shrunk.approved(f"suite:{world.candidate.suites[0].digest}").only(RULE).outcome is PASS
    lowered = replace(world, candidate=replace(world.candidate, suites=(replace(large, kind=SuiteKind.SAMPLE),)))
    assert [one.name for one in lowered.ask(RULE).checks] == ["required", "suites"]


def test_an_app_without_a_required_suite_does_not_pass_for_nothing() -> None:
    assert compared(*worse(10, 0)).only(RULE).reason == "the app has no suite of the kind required"
    assert compared(*worse(10, 0)).only({"required": {"suites": ["x"]}}).reason == "the app has no suite x"
    named_suite = {"required": {"agree": "1 of 1", "suites": ["answer"]}}
    assert compared(*worse(10, 0)).only(named_suite).outcome is PASS


# --- bar ------------------------------------------------------------------------------------------

BAR: dict[str, Any] = {"bar": {"suite": "answer", "at_least": "90%"}}


@pytest.mark.parametrize(
    ("count", "lost", "outcome"),
    [(33, 0, INCONCLUSIVE), (34, 0, PASS), (200, 8, PASS), (200, 15, INCONCLUSIVE), (200, 40, FAIL)],
)
def test_a_bar(count: int, lost: int, outcome: Outcome) -> None:
    said = compared(*worse(count, lost)).only(BAR)
    assert said.outcome is outcome
    missing = {33: (1, "Add 1 cases"), 200: (828, "Add 828 cases")} if outcome is INCONCLUSIVE else {}
    if count in missing:
        assert (said.cases_missing, said.hint.split(":")[0].split(" to ")[0]) == missing[count]


def test_more_cases_do_not_show_a_bar_that_the_answers_are_below() -> None:
    said = compared(*worse(200, 24)).only(BAR)
    assert (said.outcome, said.cases_missing, said.hint) == (INCONCLUSIVE, 0, "Change the prompt.")


def test_repeats_are_not_independent_answers_for_a_bar() -> None:
    always = [[P, P, P]] * 48 + [[F, F, F]] * 2
    assert compared(always, always).only(BAR).outcome is INCONCLUSIVE  # 144 of 150, if they were
    assert compared([[P] * 3] * 50, [[P] * 3] * 50).only(BAR).outcome is PASS
    assert compared([[P] * 3] * 49, [[P] * 3] * 49).only(BAR).outcome is INCONCLUSIVE


def test_a_bar_counts_clusters_and_errors_against_it() -> None:
    plan = [replace(case, cluster=f"c{n // 10}") for n, case in enumerate(cases("answer", "answer", 100))]
    assert compared(*worse(100, 0), plan).only(BAR).outcome is INCONCLUSIVE
    candidate, live = worse(100, 0)
    assert compared([[E]] * 5 + candidate[5:], live).only(BAR).outcome is ERROR
    assert compared([[E]] * 5 + candidate[5:], live).only({**BAR, "evidence": {"max_errors": "9%"}}).outcome is not PASS


def test_a_bar_counts_similar_cases_as_clusters_unless_a_person_approves_of_the_suite() -> None:
    plan = [replace(case, cluster=f"~{n // 10}") for n, case in enumerate(cases("answer", "answer", 100))]
    world = compared(*worse(100, 0), plan, of_suite={"independent": True})
    suite = world.candidate.suites[0].digest
    assert world.only(BAR).outcome is INCONCLUSIVE
    assert "until a person approves of the suite" in world.only(BAR).reason
    assert world.approved(f"suite:{suite}").only(BAR).outcome is PASS


def test_a_bar_of_a_suite_that_is_not_there() -> None:
    gate = {"bar": [{"suite": "answer", "at_least": "50%"}, {"suite": "none", "at_least": "50%"}]}
    outcomes = [one.outcome for one in compared(*worse(100, 0)).ask(gate).checks]
    assert outcomes == [PASS, INCONCLUSIVE]


# --- latency and cost -----------------------------------------------------------------------------


def timed(count: int, slow: int, **more: Any) -> World:
    def detail(case: int, arm: Arm) -> dict[str, Any]:
        cost = 0.001 if arm is Arm.LIVE else 0.002
        return {"latency_ms": 2000.0 if case < slow else 500.0, "cost_usd": cost, **more}

    return compared(*worse(count, 0), detail=detail)


@pytest.mark.parametrize(
    ("count", "slow", "outcome"),
    [(68, 0, INCONCLUSIVE), (69, 0, PASS), (200, 4, PASS), (200, 6, INCONCLUSIVE), (200, 30, FAIL)],
)
def test_latency(count: int, slow: int, outcome: Outcome) -> None:
    said = timed(count, slow).only({"latency": {"p95_ms": 1000}})
    assert said.outcome is outcome
    if count == 68:
        assert (said.cases_missing, said.cases_least) == (1, 69)


def test_a_reused_or_replayed_answer_brings_no_latency() -> None:
    gate = {"latency": {"p95_ms": 1000}, "evidence": {"sources": ["run", "replay"]}}
    assert timed(100, 0, reused=True).only(gate).outcome is INCONCLUSIVE
    replayed = timed(100, 0)
    made = replace(replayed.made[0], run=replace(replayed.made[0].run, source=Source.REPLAY))
    assert "a recorded answer brings no new latency" in replace(replayed, made=(made,)).only(gate).reason


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ({"per_call_usd": 0.002}, PASS),
        ({"per_call_usd": 0.0019}, FAIL),
        ({"monthly_usd": 600, "calls_a_day": 10_000}, PASS),
        ({"monthly_usd": 599, "calls_a_day": 10_000}, FAIL),
        ({"growth": 2}, PASS),
        ({"growth": 1.9}, FAIL),
    ],
)
def test_cost(rule: dict[str, Any], outcome: Outcome) -> None:
    assert timed(50, 0).only({"cost": rule}).outcome is outcome


@pytest.mark.parametrize(("growth", "outcome"), [(2, PASS), (1.9, FAIL)])
def test_growth_is_that_of_a_prompt_that_has_a_new_name(growth: float, outcome: Outcome) -> None:
    """Its run asks live's prompt under the new name, as `eval` does by the policy's `renames`."""
    world = timed(50, 0)
    old = replace(world.live[0], prompts=(prompt("reply", "old"),))
    renamed = replace(world, live=(old,))
    gate = {"cost": {"growth": growth}, "renames": {"reply": "answer"}}
    assert renamed.only(gate).outcome is outcome
    unsaid = renamed.only({"cost": {"growth": growth}})
    assert unsaid.outcome is INCONCLUSIVE, "without its old name nothing says what it cost"
    other = replace(old, prompts=(prompt("reply", "older"),))
    assert replace(world, live=(other,)).only(gate).reason == "no run of it measured what answer costs on live"


def test_an_unknown_price_is_not_zero() -> None:
    said = compared(*worse(50, 0)).only({"cost": {"per_call_usd": 1}})
    assert (said.outcome, said.reason) == (INCONCLUSIVE, "the price of an answer of its newest run is not known")
    short = timed(50, 0)
    cut = replace(short, made=(short.made[0].with_rows(lambda rows: rows[:-1]),))
    assert cut.only({"cost": {"per_call_usd": 1}}).outcome is INCONCLUSIVE


# --- people, freezes, other systems ---------------------------------------------------------------


def test_approvals() -> None:
    gate = {"approvals": {"count": 1}}
    world = compared(*worse(10, 0))
    assert world.only(gate).outcome is INCONCLUSIVE
    assert world.approved("release").only(gate).outcome is PASS
    claimed = world.approved("release", proven=False)
    assert claimed.only(gate).reason == "0 of 1 people approved; ada@example.org is claimed and not proven"
    assert claimed.only({"approvals": {"proven": False}}).outcome is PASS
    assert world.approved("release", "release").only({"approvals": {"count": 2}}).outcome is INCONCLUSIVE
    assert world.approved("anchor").only(gate).outcome is INCONCLUSIVE


@pytest.mark.parametrize(
    ("day", "outcome"),
    [
        (datetime(2026, 12, 22, 23, 59, tzinfo=UTC), PASS),
        (datetime(2026, 12, 23, tzinfo=UTC), FAIL),
        (datetime(2027, 1, 2, 23, 59, tzinfo=UTC), FAIL),
        (datetime(2027, 1, 3, tzinfo=UTC), PASS),
    ],
)
def test_a_freeze_ends_with_its_last_day(day: datetime, outcome: Outcome) -> None:
    gate = {"freeze": [{"from": "2026-12-23", "to": "2027-01-02"}]}
    assert compared(*worse(10, 0)).but(now=day).only(gate).outcome is outcome


@pytest.mark.parametrize(
    ("day", "outcome"),
    [
        (datetime(2026, 12, 14, 23, 59, tzinfo=UTC), PASS),
        (datetime(2026, 12, 15, tzinfo=UTC), FAIL),
        (datetime(2027, 3, 1, tzinfo=UTC), FAIL),
    ],
)
def test_no_model_of_a_release_ends_within_the_time(day: datetime, outcome: Outcome) -> None:
    world = compared(*worse(10, 0))
    ends = (Ending(model="openai/gpt-1", ends=date(2027, 1, 14), successor="gpt-2", source="https://e.org"),)
    ending = replace(world, candidate=replace(world.candidate, ends=ends)).but(now=day)
    check = ending.only({"model_ends": {"within": "30d"}})
    assert check.outcome is outcome
    assert outcome is PASS or check.reason.startswith("openai/gpt-1 end")
    assert world.but(now=day).only({"model_ends": {"within": "30d"}}).outcome is PASS


def external(verdict: Outcome, **more: Any) -> Evidence:
    world = compared(*worse(10, 0))
    given: dict[str, Any] = {
        "id": f"external-{verdict.value}",
        "app": "bot",
        "digest": world.candidate.digest,
        "source": Source.EXTERNAL,
        "actor": "red team",
        "at": NOW - timedelta(days=1),
        "check": "red-team",
        "verdict": verdict,
        "token_name": "red-team",
    }
    return Evidence(**{**given, **more})


@pytest.mark.parametrize(
    ("pieces", "outcome"),
    [
        ([], INCONCLUSIVE),
        ([external(PASS)], PASS),
        ([external(FAIL)], FAIL),
        ([external(PASS), external(FAIL, at=NOW)], FAIL),
        ([external(FAIL), external(PASS, at=NOW)], PASS),
        ([external(PASS, token_name="intern")], INCONCLUSIVE),
        ([external(PASS, token_name="intern", person="Red-Team")], PASS),
        ([external(PASS, at=NOW - timedelta(days=31))], INCONCLUSIVE),
        ([external(PASS, expires_at=NOW)], INCONCLUSIVE),
        ([external(PASS, digest=named("other"))], INCONCLUSIVE),
        ([external(PASS, check="lawyer")], INCONCLUSIVE),
    ],
)
def test_verdicts_of_other_systems(pieces: list[Evidence], outcome: Outcome) -> None:
    gate = {"external": {"red-team": {"by": ["red-team"], "max_age": "30d"}}}
    said = compared(*worse(10, 0)).but(evidence=pieces).only(gate)
    assert (said.name, said.outcome) == ("red-team", outcome)


# --- waivers and modes ----------------------------------------------------------------------------


def waived(check: str, days: int = 3, begun: int = 1) -> Waived:
    at = NOW - timedelta(days=begun)
    return Waived(check=check, person="ada@example.org", at=at, expires_at=at + timedelta(days=days))


def test_a_waiver_lets_only_one_check_pass_and_ends() -> None:
    gate = {"latency": {"p95_ms": 1000}, "not_worse": {"margin": "5%"}}
    world = timed(150, 60)
    assert world.ask(gate).outcome is FAIL
    verdict = world.but(waivers=(waived("latency"),)).ask(gate)
    assert verdict.outcome is PASS
    assert verdict.checks[1].waived_until == NOW + timedelta(days=2)
    assert verdict.checks[1].reason == "waived by ada@example.org: fail: it is slower"
    for wrong in (waived("latency", days=1), waived("latency", days=8), waived("cost"), waived("latency", begun=-1)):
        assert world.but(waivers=(wrong,)).ask(gate).outcome is FAIL


def test_what_a_policy_does_not_list_cannot_be_waived() -> None:
    world = compared(*worse(150, 60)).but(waivers=(waived("not_worse"),))
    gate = {"not_worse": {"margin": "5%"}}
    assert world.ask(gate).outcome is FAIL
    assert world.ask({**gate, "waivers": {"may": ["not_worse"]}}).outcome is PASS


def test_a_gate_that_warns_lets_through_and_says_what_is_wrong() -> None:
    verdict = compared(*worse(150, 60)).ask({"not_worse": {"margin": "5%"}, "mode": "warn"})
    assert verdict.opens and verdict.outcome is FAIL
    assert not compared(*worse(150, 60)).ask({"not_worse": {"margin": "5%"}}).opens
