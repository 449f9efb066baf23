"""Judges in a gate: what labels take off a margin, which of them count, and that no wrong one opens it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptops.core.evidence.case_table import Arm
from promptops.core.evidence.evidence import Evidence
from promptops.core.evidence.labels import Label, merged, tally
from promptops.core.evidence.run import Source
from promptops.core.gate.given import GateRelease
from promptops.core.gate.verdict import CheckVerdict
from promptops.core.person import marks_of
from promptops.core.statistics.judges import LEVEL, Labelled, errs_differently, judge_worth, kappa, youden_bounds
from promptops.core.suite.suite import SuiteKind
from promptops.core.verdict import Outcome
from tests.gate.world import (
    NOW,
    P,
    World,
    cases,
    damaged_evidence,
    labels,
    measured,
    named,
    prompt,
    release,
    run,
    suite_of,
)

PASS, FAIL, INCONCLUSIVE, ERROR = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.ERROR
GATE: dict[str, Any] = {"not_worse": {"margin": "5%"}, "judges": {"labels": 100, "youden": 0.4}}
OTHER = Labelled(good=140, good_passed=137, bad=60, bad_failed=57)
OWN = Labelled(good=60, good_passed=59, bad=40, bad_failed=38)
COUNT = 150


def judged(**more: Any) -> World:
    """A run in which nothing differs, of a suite with a judge."""
    plan = [replace(case, judged=True) for case in cases("answer", "answer", COUNT)]
    suite = suite_of(plan, judges="desk", **more)
    new = release("2.0.0", prompt("answer", "new"), suites=[suite])
    old = release("1.0.0", prompt("answer", "old"), suites=[suite])
    made = run(new, plan, {Arm.CANDIDATE: [[P]] * COUNT, Arm.LIVE: [[P]] * COUNT}, others={Arm.LIVE: old})
    return World(candidate=new, live=(old,), made=(made,))


WORLD = judged()
JUDGE = WORLD.candidate.suites[0].judge_digest
RUN = WORLD.made[0].run.id


def with_labels(*pieces: Evidence, world: World = WORLD) -> World:
    return world.but(evidence=pieces)


def usual(own: Labelled = OWN, other: Labelled = OTHER, **more: Any) -> Evidence:
    return measured(JUDGE, [*labels(own, RUN), *labels(other)], **more)


def of_judges(world: World, gate: dict[str, Any] = GATE) -> CheckVerdict:
    """The verdict of the check, and that not_worse passes only with it."""
    verdict = world.ask(gate)
    [own] = [check for check in verdict.checks if check.name == "judges"]
    if not own.passed:
        assert not verdict.opens and all(not check.passed for check in verdict.checks if check.name == "not_worse")
    return own


def test_a_margin_shrinks_by_what_the_judge_misses() -> None:
    said = with_labels(usual()).ask(GATE).checks
    assert [(one.name, one.outcome) for one in said] == [("not_worse", PASS), ("judges", PASS)]
    assert said[0].asked.startswith("not worse than live by 4.0%")
    assert said[1].got == (
        "196 of 200 good and 95 of 100 bad ones seen; of its own answers 59 of 60 good and 38 of 40 bad ones seen"
    )
    unmeasured = with_labels(usual()).ask({"not_worse": {"margin": "5%"}}).checks
    assert "judge not measured" in unmeasured[0].reason


@pytest.mark.parametrize(
    ("other", "own", "outcome", "reason", "hint"),
    [
        (Labelled(), Labelled(), INCONCLUSIVE, "was never measured", "100 labels are missing, 34 of them"),
        (Labelled(), Labelled(good=50, good_passed=50), INCONCLUSIVE, "has 50 labels of 100", "50 labels are missing"),
        (
            OTHER,
            Labelled(good=33, good_passed=33),
            INCONCLUSIVE,
            "has 33 labels of 34 for answers of answer as it is now",
            "1 label is missing, 1 of them of answers of answer as it is now",
        ),
        (
            OTHER,
            Labelled(good=30, good_passed=26, bad=10, bad_failed=7),
            INCONCLUSIVE,
            "too rarely: at least 0.20",
            "label more",
        ),
        (OTHER, Labelled(good=60, good_passed=60, bad=40, bad_failed=4), FAIL, "agrees with people too rarely", ""),
        (Labelled(good=140, good_passed=60, bad=60, bad_failed=20), OWN, FAIL, "agrees with people too rarely", ""),
    ],
)
def test_a_judge_that_is_not_measured_or_wrong_does_not_count(
    other: Labelled, own: Labelled, outcome: Outcome, reason: str, hint: str
) -> None:
    given = [*labels(own, RUN), *labels(other)]
    said = of_judges(with_labels(measured(JUDGE, given)) if given else WORLD)
    assert said.outcome is outcome and reason in said.reason and hint in said.hint
    assert f"label answers of the run {RUN[:8]}" in said.hint and "measure the judges of bot" in said.hint


def test_without_a_run_of_its_own_the_hint_is_to_make_one() -> None:
    said = of_judges(replace(WORLD, made=()))
    assert "Evaluate bot@2.0.0" in said.hint and "label its answers" in said.hint


# --- which labels count ---------------------------------------------------------------------------


def test_a_judge_of_another_digest_never_counts() -> None:
    other = measured(named("another judge"), [*labels(OWN, RUN), *labels(OTHER)])
    assert of_judges(with_labels(other)).reason == "the judge of answer was never measured"
    assert of_judges(with_labels(replace(usual(), app="other"))).outcome is INCONCLUSIVE


@pytest.mark.parametrize(
    ("gate", "spoilt", "reason"),
    [
        ({}, {"replayed": True}, "does not count replay"),
        ({"hosts": ["api.example.com"]}, {"hosts": ("proxy.example.net",)}, "it called proxy.example.net"),
        ({"evidence": {"by": ["ci"]}}, {"token_name": "intern"}, "it was made by intern"),
        ({"judges": {"by": ["eve@example.org"]}}, {}, "it was made by ci"),
    ],
)
def test_labels_are_evidence_and_count_as_the_policy_says(
    gate: dict[str, Any], spoilt: dict[str, Any], reason: str
) -> None:
    policy = {**GATE, **gate}
    said = of_judges(with_labels(usual(**spoilt)), policy)
    assert said.outcome is INCONCLUSIVE and reason in said.reason
    if gate.get("judges"):
        assert of_judges(with_labels(usual(person="eve@example.org")), policy).passed
    elif gate:
        assert of_judges(with_labels(usual()), policy).passed


def test_labels_of_runs_that_do_not_count_are_none() -> None:
    replay = replace(WORLD.made[0], run=replace(WORLD.made[0].run, source=Source.REPLAY))
    said = of_judges(with_labels(usual(), world=replace(WORLD, made=(replay,))))
    assert f"the policy does not count the run {RUN[:8]}" in said.reason
    assert "has 200 labels" not in said.reason and "0 labels of 34" in said.reason


def test_labels_of_who_made_the_release_are_none_unless_the_policy_names_them() -> None:
    world = with_labels(usual()).but(makers=marks_of("Eve <EVE@example.org>"))
    said = of_judges(world)
    assert said.outcome is INCONCLUSIVE and "eve@example.org had a part in the release" in said.reason
    named_ = {**GATE, "judges": {"labels": 100, "youden": 0.4, "by": ["ci", "eve@example.org"]}}
    assert of_judges(world, named_).passed
    assert of_judges(with_labels(usual()).but(makers=marks_of("Ada <ada@example.org>"))).passed


def test_a_judge_that_is_shown_to_err_differently_on_these_answers_does_not_count() -> None:
    fooled = Labelled(good=60, good_passed=58, bad=80, bad_failed=60)
    said = of_judges(with_labels(usual(own=fooled)))
    assert said.outcome is INCONCLUSIVE and "errs in another way on answers of answer as it is now" in said.reason
    assert "60 of 80 bad ones" in said.reason and "57 of 60" in said.reason
    pleased = Labelled(good=140, good_passed=120, bad=60, bad_failed=57)
    assert "errs in another way" in of_judges(with_labels(usual(own=OWN, other=pleased))).reason
    alike = Labelled(good=140, good_passed=137, bad=120, bad_failed=90)
    assert of_judges(with_labels(usual(own=fooled, other=alike))).passed


def test_answers_of_another_content_are_not_its_own() -> None:
    plan = WORLD.made[0].run.cases
    earlier = release("1.9.0", prompt("answer", "nearly new"), suites=WORLD.candidate.suites)
    before = run(earlier, plan, {Arm.CANDIDATE: [[P]] * COUNT}, name="before", at=NOW - timedelta(days=2))
    world = replace(WORLD, made=(before, *WORLD.made))
    said = of_judges(with_labels(measured(JUDGE, [*labels(OWN, before.run.id), *labels(OTHER)]), world=world))
    assert said.outcome is INCONCLUSIVE and "0 labels of 34 for answers of answer as it is now" in said.reason
    blank = release("2.0.1", prompt("answer", "new "), suites=WORLD.candidate.suites)
    again = run(blank, plan, {Arm.CANDIDATE: [[P]] * COUNT}, name="blank", at=NOW - timedelta(days=2))
    same = replace(WORLD, made=(again, *WORLD.made))
    assert of_judges(with_labels(measured(JUDGE, [*labels(OWN, again.run.id), *labels(OTHER)]), world=same)).passed


def test_each_prompt_needs_labels_of_its_own() -> None:
    plan = [
        *(replace(case, judged=True) for case in cases("answer", "answer", COUNT)),
        *(replace(case, judged=True, id=f"{case.id}b") for case in cases("answer", "other", COUNT)),
    ]
    suite = suite_of(plan, judges="desk")

    def made(text: str, version: str, other: str) -> GateRelease:
        return release(version, prompt("answer", text), prompt("other", other), suites=[suite])

    new, old = made("new", "2.0.0", "new too"), made("old", "1.0.0", "old too")
    outcomes = {arm: [[P]] * (2 * COUNT) for arm in (Arm.CANDIDATE, Arm.LIVE)}
    world = World(candidate=new, live=(old,), made=(run(new, plan, outcomes, others={Arm.LIVE: old}),))
    verdict = with_labels(usual(), world=world).ask(GATE)
    said = {(check.name, check.prompt): check.outcome for check in verdict.checks}
    assert said["judges", "answer"] is said["not_worse", "answer"] is PASS
    assert said["judges", "other"] is said["not_worse", "other"] is INCONCLUSIVE
    unchanged = replace(world, live=(made("old", "1.0.0", "new too"),))
    names = [check.prompt for check in with_labels(usual(), world=unchanged).ask(GATE).checks]
    assert names == ["answer", "answer"], "no judge decides about a prompt that did not change"
    required = with_labels(usual(), world=judged(kind=SuiteKind.REQUIRED))
    same = replace(required, live=(replace(required.candidate, digest=named("live")),))
    assert of_judges_only(same) == [("answer", PASS)]
    nothing = replace(WORLD, live=(replace(WORLD.candidate, digest=named("live")),))
    assert of_judges_only(nothing) == [("", PASS)]


def of_judges_only(world: World) -> list[tuple[str, Outcome]]:
    verdict = world.ask({"judges": GATE["judges"]})
    return [(check.prompt, check.outcome) for check in verdict.checks]


def test_a_damaged_table_of_labels_is_an_error() -> None:
    verdict = with_labels(damaged_evidence(usual())).ask(GATE)
    assert [check.outcome for check in verdict.checks] == [ERROR, ERROR]
    assert all("labels" in check.reason for check in verdict.checks)


# --- laws -----------------------------------------------------------------------------------------

FEW = settings(max_examples=60, deadline=None)
ANSWERS = st.lists(
    st.tuples(st.sampled_from([True, True, True, False]), st.sampled_from([True] * 24 + [False])),
    min_size=36,
    max_size=50,
)


def sheet(drawn: list[tuple[bool, bool]]) -> list[Label]:
    """Labels of its own answers: whether each is good, and whether the judge agrees."""
    given = labels(Labelled(good=len(drawn), good_passed=len(drawn)), RUN)
    return [
        replace(label, good=good, passed=good is agrees) for label, (good, agrees) in zip(given, drawn, strict=True)
    ]


CHANGES = ("other verdict of the person", "other verdict of the judge", "skipped", "no verdict", "wrong one more")


@FEW
@given(ANSWERS, st.sets(st.integers(0, 35), min_size=1, max_size=6), st.sampled_from(CHANGES))
def test_no_wrong_label_ever_opens_a_gate(drawn: list[tuple[bool, bool]], places: set[int], change: str) -> None:
    before = sheet(drawn)
    after = list(before)
    for place in places:
        one = after[place]
        if change == "wrong one more":
            after.append(replace(one, case=f"more {place}", good=True, passed=False))
        elif one.good is one.passed:  # a label that agrees no longer does
            after[place] = {
                "other verdict of the person": replace(one, good=not one.good),
                "other verdict of the judge": replace(one, passed=not one.passed),
                "skipped": replace(one, good=None),
                "no verdict": replace(one, passed=None),
            }[change]
    policy = {**GATE, "judges": {"labels": 36, "youden": 0.4}}
    opened, opens = (with_labels(measured(JUDGE, each)).ask(policy).opens for each in (before, after))
    assert opened or not opens, change
    assert youden_bounds(tally(after))[0] <= youden_bounds(tally(before))[0] + 1e-12


@FEW
@given(ANSWERS, st.integers(0, 99))
def test_without_labels_of_this_content_nothing_passes(drawn: list[tuple[bool, bool]], more: int) -> None:
    suites = [replace(label, run="", by="") for label in sheet(drawn)]
    others = labels(Labelled(good=200 + more, good_passed=200, bad=100, bad_failed=100))
    expected = [replace(label, case=f"other {label.case}") for label in others]
    assert not with_labels(measured(JUDGE, [*suites, *expected])).ask(GATE).opens


@FEW
@given(ANSWERS, ANSWERS, st.randoms(use_true_random=False))
def test_the_same_labels_in_any_order_give_the_same_verdict(
    first: list[tuple[bool, bool]], second: list[tuple[bool, bool]], shuffler: Any
) -> None:
    one = measured(JUDGE, sheet(first), at=NOW - timedelta(hours=3))
    pieces = [one, measured(JUDGE, [*sheet(second), *labels(OTHER)], at=NOW - timedelta(hours=2))]
    shuffled = shuffler.sample(pieces, 2)
    assert with_labels(*pieces).ask(GATE) == with_labels(*shuffled).ask(GATE)


def test_nobody_labels_an_answer_or_asks_a_judge_until_it_fits() -> None:
    [one] = labels(Labelled(good=1), RUN)
    assert merged([one, replace(one, passed=True)]) == (one,)
    assert merged([replace(one, good=None), one]) == (one,)
    disputed = merged([one, replace(one, good=False), one])
    assert [label.good for label in disputed] == [None] and tally(disputed).bad_failed == 0
    assert tally(disputed) == Labelled(good=1, skipped=1) and tally(disputed).count == 0


# --- figures --------------------------------------------------------------------------------------


def test_the_figures_of_a_judge() -> None:
    worth = judge_worth(Labelled(good=60, good_passed=54, bad=40, bad_failed=30))
    assert worth.sensitivity.seen == 0.9 and worth.specificity.seen == 0.75
    assert worth.youden.seen == pytest.approx(0.65)
    assert worth.youden.lower == pytest.approx(worth.sensitivity.lower + worth.specificity.lower - 1)
    assert worth.kappa.seen == pytest.approx((0.84 - (0.6 * 0.64 + 0.4 * 0.36)) / (1 - (0.6 * 0.64 + 0.4 * 0.36)))
    assert worth.kappa.seen is not None and worth.kappa.lower < worth.kappa.seen < worth.kappa.upper
    nothing = judge_worth(Labelled())
    assert nothing.kappa.seen is None and (nothing.youden.lower, nothing.youden.upper) == (-1, 1)
    one_sided = judge_worth(Labelled(good=10, good_passed=10))
    assert one_sided.youden.seen is None and one_sided.youden.lower < 0


def test_bounds_agree_with_scipy() -> None:
    from scipy.stats import beta, hypergeom

    worth = judge_worth(Labelled(good=60, good_passed=54, bad=40, bad_failed=30))
    assert worth.sensitivity.lower == pytest.approx(beta.ppf(LEVEL, 54, 7), abs=1e-9)
    for own, rest in ((Labelled(bad=30, bad_failed=20), Labelled(bad=70, bad_failed=64)), (OWN, OTHER)):
        few = hypergeom.cdf(own.bad_failed, own.bad + rest.bad, own.bad_failed + rest.bad_failed, own.bad)
        assert errs_differently(own, rest) == bool(few <= 0.05)
    assert worth.specificity.upper == pytest.approx(beta.ppf(1 - LEVEL, 31, 10), abs=1e-9)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 0.99), st.floats(0, 0.5))
def test_kappa_rises_with_both_rates(sensitivity: float, specificity: float, good: float, more: float) -> None:
    one = kappa(sensitivity, specificity, good)
    assert kappa(min(1, sensitivity + more), specificity, good) >= one - 1e-9
    assert kappa(sensitivity, min(1, specificity + more), good) >= one - 1e-9
