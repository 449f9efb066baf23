"""The gate at a promotion, with evidence in the registry: what is compared, and that nothing moves unseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from promptops.core.deployment_parts import Kind
from promptops.core.errors import ChannelNotFound, Invalid, PolicyRefused
from promptops.core.evidence.case_table import Arm, RowOutcome
from promptops.core.evidence.evidence import Evidence
from promptops.core.evidence.release_suites import ReleaseSuites
from promptops.core.evidence.run import Source, SuiteRef
from promptops.core.gate.given import GateRelease, gate_release
from promptops.core.model import Policy, Release
from promptops.core.reference import parse_reference
from promptops.core.release_bytes import content_from_bytes, encode
from promptops.core.verdict import Outcome
from promptops.operations.gate import ContentRequest, GateReport, GateRequest, ask_gate, ask_gate_of_content
from promptops.operations.gate_desk import Desk
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.quarantine import WithholdRequest, unquarantine
from promptops.store import Registry
from tests.gate.world import NOW, F, P, cases, run, suite_of
from tests.store.facts import do
from tests.support.factory import ACTOR, by_hand, content, go_back, key, make_channels, make_release, minutes

COUNT = 60
PLAN = cases("answer", "answer", COUNT)
SUITE = suite_of(PLAN)
GATE = {"not_worse": {"margin": "10%"}}


def made(registry: Registry, text: str, *suites: SuiteRef, at: datetime = NOW - timedelta(days=9)) -> Release:
    """A release of this text, with the suites that it has."""
    found = make_release(registry, content("bot", f"{text} {{{{name}}}}"), now=minutes(0))

    def work(writer: Any) -> None:
        number = writer.last_suites("bot") + 1
        known = {"app": "bot", "number": number, "digest": found.digest, "commit": "c" * 40, "actor": ACTOR}
        writer.record(ReleaseSuites(suites=suites or (SUITE,), at=at, **known))

    do(registry, work)
    return found


def as_given(release: Release) -> GateRelease:
    return gate_release(content_from_bytes(release.content), release.digest, version=release.version, suites=(SUITE,))


def measured(
    registry: Registry, new: Release, live: Release, losses: int = 0, *, name: str = "", anchor: Release | None = None
) -> None:
    """A run of a release against live, in which it loses so many of the cases that live passes."""
    outcomes: dict[Arm, Sequence[Sequence[RowOutcome]]] = {
        Arm.CANDIDATE: [[F]] * losses + [[P]] * (COUNT - losses),
        Arm.LIVE: [[P]] * COUNT,
    }
    others = {Arm.LIVE: as_given(live)}
    if anchor is not None:
        outcomes[Arm.ANCHOR], others[Arm.ANCHOR] = [[P]] * COUNT, as_given(anchor)
    done = run(as_given(new), PLAN, outcomes, others=others, name=name or new.version)
    assert done.evidence is not None
    do(registry, lambda writer: writer.record(done.run))
    evidence = done.evidence
    do(registry, lambda writer: writer.record(evidence))


def goes_live(registry: Registry, release: Release, at: datetime = NOW) -> bool:
    request = PromoteRequest(reference=parse_reference(f"bot@{release.version}"), channel="prod", key=key())
    try:
        return bool(promote(registry, request, actor=ACTOR, now=at).deployments)
    except PolicyRefused:
        return False


def asked(registry: Registry, release: Release) -> GateReport:
    reference = parse_reference(f"bot@{release.version}")
    return ask_gate(registry, GateRequest(reference=reference, channel="prod"), now=NOW)


@pytest.fixture
def first(registry: Registry) -> Release:
    """What is live on prod, whose gate compares with it."""
    release = made(registry, "one")
    make_channels(registry, prod=Policy())
    assert goes_live(registry, release, NOW - timedelta(days=2))
    make_channels(registry, prod=Policy(gate=GATE))
    return release


def test_a_release_goes_live_with_evidence_and_not_without(registry: Registry, first: Release) -> None:
    new = made(registry, "two")
    found = asked(registry, new)
    assert found.verdict is not None and found.verdict.outcome is Outcome.INCONCLUSIVE
    assert not goes_live(registry, new)
    measured(registry, new, first)
    assert asked(registry, new).opens
    assert goes_live(registry, new)


def test_a_worse_release_does_not(registry: Registry, first: Release) -> None:
    new = made(registry, "two")
    measured(registry, new, first, losses=20)
    found = asked(registry, new)
    assert found.verdict is not None and found.verdict.outcome is Outcome.FAIL
    assert not goes_live(registry, new)


def unreleased(text: str, *suites: SuiteRef, app: str = "bot") -> ContentRequest:
    """A question about a content that is nowhere in the registry."""
    written = encode(content("bot", f"{text} {{{{name}}}}")).decode()
    return ContentRequest(app=app, channel="prod", content=written, suites=suites or (SUITE,))


def test_a_content_is_judged_before_it_is_released_as_it_is_after(registry: Registry, first: Release) -> None:
    before = ask_gate_of_content(registry, unreleased("two"), now=NOW)
    assert before.verdict is not None and before.verdict.outcome is Outcome.INCONCLUSIVE and before.version == ""
    assert "Evaluate bot against" in before.verdict.checks[0].hint, "the files of the app, since no version is there"
    digest = before.digest
    with registry.read() as reader:
        assert reader.release_by_digest("bot", digest) is None
    new = replace(as_given(first), digest=digest, version="")
    new = replace(new, prompts=gate_release(content("bot", "two {{name}}"), digest).prompts)
    for losses in (0, 20):
        done = run(new, PLAN, {Arm.CANDIDATE: [[F]] * losses + [[P]] * (COUNT - losses), Arm.LIVE: [[P]] * COUNT},
                   others={Arm.LIVE: as_given(first)}, name=f"early{losses}")  # fmt: skip
        assert done.evidence is not None
        do(registry, lambda writer, done=done: (writer.record(done.run), writer.record(done.evidence)))  # type: ignore[misc]
        early = ask_gate_of_content(registry, unreleased("two"), now=NOW)
        assert early.opens == (losses == 0)
    released = made(registry, "two")
    assert released.digest == digest
    late = asked(registry, released)
    again = ask_gate_of_content(registry, unreleased("two"), now=NOW)
    assert late.verdict == again.verdict and again.version == released.version
    assert [replace(check, hint="") for check in late.verdict.checks] == [  # type: ignore[union-attr]
        replace(check, hint="")
        for check in early.verdict.checks  # type: ignore[union-attr]
    ]


def test_a_weaker_suite_of_a_content_is_seen_as_after_its_release(registry: Registry, first: Release) -> None:
    few = suite_of(cases("answer", "answer", 5))
    found = ask_gate_of_content(registry, unreleased("two", few), now=NOW)
    made(registry, "two", few)
    release = made(registry, "two", few)
    assert found.verdict is not None and not found.opens
    reasons = [check.reason for check in asked(registry, release).verdict.checks]  # type: ignore[union-attr]
    assert [check.reason.replace("bot", "") for check in found.verdict.checks] == [
        reason.replace(f"bot@{release.version}", "") for reason in reasons
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        unreleased("two", app="other"),
        replace(unreleased("two"), content='{"app":"bot"}'),
        replace(unreleased("two"), content=unreleased("two").content + " "),
        replace(unreleased("two"), content="\ud800"),
        unreleased("two", SUITE, SUITE),
    ],
    ids=["of another app", "no release", "not canonical", "no text", "a suite twice"],
)
def test_what_is_no_content_of_the_app_is_refused(wrong: ContentRequest, registry: Registry, first: Release) -> None:
    with pytest.raises(Invalid):
        ask_gate_of_content(registry, wrong, now=NOW)


def test_a_content_of_a_new_app_and_of_a_channel_that_is_not_there(registry: Registry, first: Release) -> None:
    new = encode(content("new", "Hello")).decode()
    asked_first = ContentRequest(app="new", channel="prod", content=new)
    assert not ask_gate_of_content(registry, asked_first, now=NOW).opens
    with pytest.raises(ChannelNotFound):
        ask_gate_of_content(registry, replace(asked_first, channel="nowhere"), now=NOW)


def test_evidence_of_another_live_release_is_none(registry: Registry, first: Release) -> None:
    second, third = made(registry, "two"), made(registry, "three")
    measured(registry, second, first)
    measured(registry, third, first)
    assert asked(registry, third).opens
    assert goes_live(registry, second)
    assert not asked(registry, third).opens and not goes_live(registry, third)
    measured(registry, third, second, name="rebased")
    assert goes_live(registry, third)


def test_what_moves_after_the_gate_was_asked_is_seen(
    registry: Registry, first: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_channels(registry, prod=Policy(gate={**GATE, "external": {"legal": {}}}))
    new = made(registry, "two")
    measured(registry, new, first)

    def verdict(outcome: Outcome, number: int) -> None:
        said = {"source": Source.EXTERNAL, "check": "legal", "verdict": outcome, "actor": "legal"}
        at = NOW - timedelta(minutes=10 - number)
        do(registry, lambda writer: writer.record(Evidence(id=key(), app="bot", digest=new.digest, at=at, **said)))  # type: ignore[arg-type]

    verdict(Outcome.PASS, 1)
    ask, answers = Desk.ask, list[Desk]()

    def ask_and_be_overtaken(desk: Desk, release: Release) -> None:
        ask(desk, release)
        if not answers:
            verdict(Outcome.FAIL, 2)
        answers.append(desk)

    monkeypatch.setattr(Desk, "ask", ask_and_be_overtaken)
    assert not goes_live(registry, new)
    assert len(answers) == 2, "the gate was asked again"


def test_facts_that_keep_coming_do_not_keep_the_gate_from_an_answer(
    registry: Registry, first: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = made(registry, "two")
    measured(registry, new, first)
    ask = Desk.ask

    def ask_and_be_overtaken(desk: Desk, release: Release) -> None:
        ask(desk, release)
        make_release(registry, content("bot", f"{key()} {{{{name}}}}"))

    monkeypatch.setattr(Desk, "ask", ask_and_be_overtaken)
    assert goes_live(registry, new)


def test_live_is_the_newest_good_release_also_while_the_app_is_off(registry: Registry, first: Release) -> None:
    new = made(registry, "two")
    by_hand(registry, kind=Kind.OFF, now=NOW)
    assert asked(registry, new).live == (first.version,)
    assert not goes_live(registry, new)
    measured(registry, new, first)
    assert goes_live(registry, new)


def test_after_a_rollback_the_release_that_it_left_counts_too_once_it_is_let_back_in(
    registry: Registry, first: Release
) -> None:
    second, third = made(registry, "two"), made(registry, "three")
    measured(registry, second, first)
    assert goes_live(registry, second)
    go_back(registry, "bot", now=NOW)
    assert asked(registry, third).live == (first.version,)
    back = WithholdRequest(reference=parse_reference("bot@0.1.1"), channel="prod", reason="fine", key=key())
    unquarantine(registry, back, actor=ACTOR, now=NOW)
    assert asked(registry, third).live == (first.version, second.version)


def test_a_suite_that_a_later_release_of_live_lacks_is_still_asked(registry: Registry, first: Release) -> None:
    """The suites of live are those with which it went live."""
    other = suite_of(cases("other", "answer", 3), "other")

    def released_again(writer: Any) -> None:
        number = writer.last_suites("bot") + 1
        known = {"app": "bot", "number": number, "digest": first.digest, "commit": "d" * 40, "actor": ACTOR}
        writer.record(ReleaseSuites(suites=(other,), at=NOW + timedelta(days=1), **known))

    new = made(registry, "two", other)
    do(registry, released_again)
    found = asked(registry, new)
    assert found.verdict is not None
    assert "the suite answer is gone" in " ".join(check.reason for check in found.verdict.checks)


def test_the_best_release_of_the_anchors_time_is_compared_too(registry: Registry, first: Release) -> None:
    make_channels(registry, prod=Policy())
    second = made(registry, "two")
    measured(registry, first, first, name="of the first")
    assert goes_live(registry, second)
    make_channels(registry, prod=Policy(gate={"not_worse": {"margin": "10%", "anchor": "best of 180d"}}))
    third = made(registry, "three")
    measured(registry, third, second)
    found = asked(registry, third)
    assert found.verdict is not None and not found.opens
    assert "the anchor" in " ".join(check.reason + check.got + check.asked for check in found.verdict.checks)
    measured(registry, third, second, name="with the anchor", anchor=first)
    make_channels(registry, prod=Policy(gate=GATE))
    assert asked(registry, third).opens, "without an anchor it is not asked"


def test_a_dry_run_asks_the_gate_and_changes_nothing(registry: Registry, first: Release) -> None:
    new = made(registry, "two")
    dry = PromoteRequest(reference=parse_reference(f"bot@{new.version}"), channel="prod", key=key(), dry_run=True)
    with pytest.raises(PolicyRefused, match="the gate of prod does not open"):
        promote(registry, dry, actor=ACTOR, now=NOW)
    measured(registry, new, first)
    assert promote(registry, dry, actor=ACTOR, now=NOW).dry_run
    assert asked(registry, new).live == (first.version,)


def test_settings_that_no_one_can_read_open_nothing(registry: Registry, first: Release) -> None:
    new = made(registry, "two")
    measured(registry, new, first)
    do(registry, lambda writer: writer.set_policy("prod", Policy(gate={"hypnosis": {}}), actor=ACTOR, at=NOW))
    found = asked(registry, new)
    assert found.verdict is not None and found.verdict.outcome is Outcome.ERROR
    assert not goes_live(registry, new)
