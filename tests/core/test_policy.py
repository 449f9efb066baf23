"""A policy's checks: what the base checks refuse, that the worst verdict decides, and that all else fails closed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import ClassVar

import pytest

from promptops.core.advice import Action, Advice
from promptops.core.errors import PolicyRefused
from promptops.core.model import Bump, Policy, Provenance, Release
from promptops.core.policy import (
    BASE,
    CHECKS,
    AllOf,
    Candidate,
    Check,
    PromoteFrom,
    Protected,
    admit,
    checks_of,
    differences,
    loosened,
    refusal,
)
from promptops.core.verdict import Outcome, Verdict
from tests.support import factory

RELEASE = Release(
    app="bot",
    version="0.1.0",
    digest="sha256:0",
    created_at=datetime(2026, 3, 1, tzinfo=UTC),
    created_by="a",
    bump=Bump.NONE,
    changes=(),
    notes="",
    provenance=Provenance(repository="r", commit="c", path="p", author="a", builder="b"),
)
CLEAN = Candidate(release=RELEASE, quarantine=None)
DIRTY = replace(CLEAN, release=replace(RELEASE, provenance=replace(RELEASE.provenance, dirty=True)))
FLOATING = replace(CLEAN, floating=("openai/gpt-4o", "openai/o3"))
STAGED = replace(CLEAN, passed=("staging",))


def refused(candidate: Candidate, policy: AllOf) -> PolicyRefused:
    with pytest.raises(PolicyRefused) as caught:
        admit(candidate, "prod", policy)
    return caught.value


# --- the base checks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "candidate", "rule"),
    [
        (Policy(), CLEAN, ""),  # `staging: {}` takes every release that a commit holds
        (Policy(), FLOATING, ""),  # … whatever its models
        (Policy(), DIRTY, "allow_dirty"),
        (Policy(allow_dirty=True), DIRTY, ""),
        (Policy(protected=True), CLEAN, ""),
        (Policy(protected=True), FLOATING, "protected"),
        (Policy(promote_from=("staging",)), STAGED, ""),
        (Policy(promote_from=("staging",)), CLEAN, "promote_from"),
        (Policy(promote_from=("staging",)), replace(DIRTY, passed=("staging",)), "allow_dirty"),
        (Policy(promote_from=("staging",), allow_dirty=True), DIRTY, "promote_from"),
        (Policy(promote_from=("staging",), protected=True), DIRTY, "promote_from"),  # the first of two that fail
        (Policy(rollout={}), CLEAN, "rollout"),  # whatever its settings say: it would go to all keys at once
        (Policy(rollout={}), replace(CLEAN, gradual=True), ""),
    ],
)
def test_the_base_checks(policy: Policy, candidate: Candidate, rule: str) -> None:
    if not rule:
        admit(candidate, "prod", checks_of(policy))
        return
    assert refused(candidate, checks_of(policy)).rule == rule


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (
            CLEAN,
            "prod takes releases that were live on dev or staging, and bot@0.1.0 was not, or is no longer good there",
        ),
        (replace(DIRTY, passed=("dev",)), "bot@0.1.0 was cut from uncommitted files, which prod does not take"),
        (
            replace(FLOATING, passed=("dev",)),
            "prod is protected, and bot@0.1.0 uses floating models: openai/gpt-4o, openai/o3",
        ),
    ],
)
def test_how_each_refusal_is_worded(candidate: Candidate, message: str) -> None:
    policy = checks_of(Policy(promote_from=("dev", "staging"), protected=True))
    assert refused(candidate, policy).message == message
    hints = {
        "prod takes": f"First: {Advice(Action.PROMOTE, release='bot@0.1.0', channel='dev').words}",
        "bot@0.1.0 was": "Commit the files and run the release again: the same content is then confirmed by a commit.",
        "prod is": "Pin an exact snapshot (a model id with a date or version) and release again.",
    }
    assert refused(candidate, policy).hint == next(hint for part, hint in hints.items() if message.startswith(part))


def test_how_a_policy_that_cannot_be_judged_is_worded() -> None:
    unknown, nothing = refused(CLEAN, checks_of({"gates": ()})), refused(CLEAN, AllOf(()))
    assert unknown.message == "the policy of prod has the check 'gates', which this promptops does not know"
    assert unknown.hint == "Upgrade promptops to the version that the policy was written with."
    assert unknown.rule == "gates"
    assert nothing.message == "the policy of prod has no checks, so nothing says what it admits"
    assert nothing.rule == ""


def test_every_policy_has_the_base_checks_with_their_defaults() -> None:
    """The settings of a policy that sets nothing are the defaults of the stored fields: they are not written there."""
    assert {field.name: field.default for field in fields(Policy)} == {**BASE, "gate": None, "rollout": None}
    assert [check.name for check in checks_of(Policy()).checks] == list(BASE)
    assert list(CHECKS) == [*BASE, "gate", "rollout"]
    assert checks_of({}) == checks_of(Policy())
    assert checks_of({"protected": True}) == checks_of(Policy(protected=True))
    assert refused(DIRTY, checks_of({"protected": True})).rule == "allow_dirty"


# --- a new check: one class, one entry -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notes:
    """The toy check: a release says in its notes what is new."""

    least: int
    name: ClassVar[str] = "notes"

    def verify(self, candidate: Candidate, channel: str) -> Verdict:
        if len(candidate.release.notes) >= self.least:
            return Verdict(check=self.name, outcome=Outcome.PASS)
        reason = f"{channel} needs notes of {self.least} characters"
        return Verdict(check=self.name, outcome=Outcome.FAIL, reason=reason, hint="Write notes.")


WITH_NOTES = {**CHECKS, "notes": Notes}


def test_a_new_check_is_a_class_and_an_entry() -> None:
    policy = checks_of({"notes": 10, "promote_from": ("staging",)}, known=WITH_NOTES)
    assert [check.name for check in policy.checks] == ["promote_from", "allow_dirty", "protected", "notes"]
    error = refused(STAGED, policy)
    assert (error.rule, error.message, error.hint) == ("notes", "prod needs notes of 10 characters", "Write notes.")
    admit(replace(STAGED, release=replace(RELEASE, notes="Shorter answers")), "prod", policy)


def test_a_check_that_a_policy_does_not_set_is_no_part_of_it() -> None:
    assert checks_of(Policy(), known=WITH_NOTES) == checks_of(Policy())


# --- it fails closed -----------------------------------------------------------------------------


def test_a_check_that_this_version_does_not_know_is_refused() -> None:
    """A newer promptops wrote the policy. What it asks for cannot be checked here, so nothing is admitted."""
    error = refused(STAGED, checks_of({"promote_from": ("staging",), "notes": 10}))
    assert error.rule == "notes"
    assert "'notes'" in error.message
    assert error.verdicts[-1].outcome is Outcome.ERROR


class Broken:
    """A check that raises, or returns whatever it was made with."""

    name = "broken"

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def verify(self, candidate: Candidate, channel: str) -> Verdict:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]


@pytest.mark.parametrize(
    "answer", [None, True, "pass", Outcome.PASS, ValueError("no such column"), PolicyRefused("x", rule="other")]
)
def test_a_check_that_gives_no_verdict_is_refused(answer: object) -> None:
    error = refused(CLEAN, checks_of({"broken": answer}, known={**CHECKS, "broken": Broken}))
    assert (error.rule, error.verdicts[-1].outcome) == ("broken", Outcome.ERROR)
    if isinstance(answer, ValueError):
        assert "ValueError: no such column" in error.message


def test_no_checks_at_all_are_refused() -> None:
    assert refused(CLEAN, AllOf(())).verdicts[0].outcome is Outcome.ERROR


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.PASS])
def test_only_pass_admits(outcome: Outcome) -> None:
    verdict = Verdict(check="broken", outcome=outcome)
    error = refused(CLEAN, checks_of({"broken": verdict}, known={**CHECKS, "broken": Broken}))
    assert error.message == "the check 'broken' did not pass"


# --- several verdicts ----------------------------------------------------------------------------


def test_the_worst_verdict_is_reported_with_every_reason() -> None:
    said = [
        Verdict(check="a", outcome=Outcome.PASS, reason="fine"),
        Verdict(check="b", outcome=Outcome.INCONCLUSIVE, reason="too few cases", hint="Run more."),
        Verdict(check="c", outcome=Outcome.FAIL, reason="worse", hint="Mend it."),
        Verdict(check="d", outcome=Outcome.ERROR, reason="no answer", hint="Ask again."),
        Verdict(check="e", outcome=Outcome.FAIL, reason="slower", hint="Speed it up."),
    ]
    error = refusal(tuple(said))
    assert (error.rule, error.hint) == ("c", "Mend it.")
    assert error.message == "worse; slower; no answer; too few cases"
    assert error.verdicts == tuple(said)


def test_the_base_checks_list_all_their_reasons() -> None:
    candidate = replace(DIRTY, floating=("openai/gpt-4o",))
    error = refused(candidate, checks_of(Policy(promote_from=("staging",), protected=True)))
    assert error.rule == "promote_from"
    for fact in ("staging", "uncommitted", "openai/gpt-4o"):
        assert fact in error.message


def test_checks_are_plain_values() -> None:
    """Two policies with the same settings have equal checks, and none of them can be changed."""
    made: list[Check] = [PromoteFrom(("staging",)), Protected(True)]
    assert made == [PromoteFrom(("staging",)), Protected(True)]
    assert hash(AllOf(tuple(made))) == hash(AllOf(tuple(made)))


# --- what a new policy changes ---


@pytest.mark.parametrize(
    ("before", "after", "loose"),
    [
        (Policy(), Policy(), ()),
        (Policy(), Policy(promote_from=("dev",), protected=True), ()),
        (Policy(promote_from=("dev",)), Policy(), ("promote_from",)),
        (Policy(promote_from=("dev",)), Policy(promote_from=("dev", "qa")), ("promote_from",)),
        (Policy(promote_from=("qa",)), Policy(promote_from=("dev",)), ("promote_from",)),
        (Policy(promote_from=("dev", "qa")), Policy(promote_from=("qa",)), ()),
        (Policy(promote_from=("dev", "qa")), Policy(promote_from=("qa", "dev")), ()),
        (Policy(protected=True), Policy(), ("protected",)),
        (Policy(), Policy(allow_dirty=True), ("allow_dirty",)),
        (Policy(allow_dirty=True), Policy(), ()),
        (Policy(protected=True), Policy(allow_dirty=True, promote_from=("dev",)), ("allow_dirty", "protected")),
    ],
)
def test_a_policy_is_looser_that_admits_what_the_other_refuses(
    before: Policy, after: Policy, loose: tuple[str, ...]
) -> None:
    assert loosened(before, after) == loose


def test_what_a_policy_changes_is_said_setting_by_setting() -> None:
    before, after = Policy(promote_from=("dev", "qa")), Policy(promote_from=("dev",), protected=True)
    narrow = factory.rights(channels=("dev",))
    assert differences(before, after) == "promote_from: dev, qa → dev, protected: false → true"
    assert differences(before, after, narrow).startswith("promote_from: dev, … → dev")
    assert differences(after, after) == ""
    assert [*CHECKS] == [field.name for field in fields(Policy)]  # no setting is left out
