"""Four eyes at a promotion: a matrix of who wrote, released, promotes, approves, and who bound the approver's token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from promptops.core.deployment_parts import Kind
from promptops.core.errors import CanaryInProgress, NotApproved, NotIndependent, PolicyRefused
from promptops.core.model import Policy, Release
from promptops.core.reference import parse_reference
from promptops.core.token import Scope, Token
from promptops.operations.approve import Approved, ApproveRequest, approve
from promptops.operations.build import BuiltWorkspace
from promptops.operations.canary import Step, StepRequest, step
from promptops.operations.deploy import Deployed
from promptops.operations.gate import GateRequest, ask_gate
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.release import ReleaseRequest, release
from promptops.operations.tokens import TokenRequest, create_token, revoke_token
from promptops.store import Registry
from tests.support import factory
from tests.support.factory import NAME, built, by_hand, content, go_back, key, make_channels, minutes

ADA, BOB, CLEO, ROOT = (f"{name} <{name.lower()}@example.org>" for name in ("Ada", "Bob", "Cleo", "Root"))
GATE = {"approvals": {"count": 1}}
CLAIMED = {"approvals": {"count": 1, "proven": False}}


def made(registry: Registry, text: str, *, author: str = ADA, also: tuple[str, ...] = (), by: str = ADA) -> Release:
    """A release of this text: who wrote it, who else, and who released it."""
    what = built(content("bot", f"{text} {{{{name}}}}"))
    what = replace(what, provenance=replace(what.provenance, author=author, authors=also))
    workspace = BuiltWorkspace(registry=NAME, built=(what,))
    return release(registry, workspace, ReleaseRequest(key=key()), actor=by, now=minutes(0))[0].release


def token(
    registry: Registry, name: str, person: str = "", *, actor: str = ROOT, by: Token | None = None, **more: Any
) -> Token:
    """A token, bound to a person by this actor with this token; without one on the database."""
    request = TokenRequest(name=name, person=person, lifetime=None, **more)
    return create_token(registry, request, actor=by.actor(actor) if by else actor, now=minutes(0), by=by).token


def approves(
    registry: Registry, made: Release, actor: str, by: Token | None = None, *, withdraw: bool = False, **more: Any
) -> Approved:
    reference = parse_reference(f"{made.app}@{made.version}")
    request = ApproveRequest(reference=reference, channel="prod", key=key(), withdraw=withdraw, **more)
    return approve(registry, request, actor=by.actor(actor) if by else actor, now=minutes(1), by=by)


def promotes(registry: Registry, made: Release, actor: str = ADA, by: Token | None = None, **more: Any) -> Deployed:
    reference = parse_reference(f"{made.app}@{made.version}")
    request = PromoteRequest(reference=reference, channel="prod", key=key(), **more)
    return promote(registry, request, actor=by.actor(actor) if by else actor, now=minutes(2), by=by)


def opens(registry: Registry, made: Release, actor: str = ADA, by: Token | None = None) -> bool:
    """Whether the gate lets it through: by a promotion, or by the finish of its canary. Another's canary is ended."""
    try:
        return bool(promotes(registry, made, actor, by).deployments)
    except CanaryInProgress:
        with registry.read() as reader:
            live = reader.live("bot", "prod")
        assert live is not None and live.canary is not None
        if live.canary.release != made.ref:
            _step(registry, Step.ABORT, actor)
            return opens(registry, made, actor, by)
    except PolicyRefused as refused:
        assert refused.rule == "gate"
        return False
    try:
        return bool(_step(registry, Step.FINISH, actor, by).deployments)
    except PolicyRefused as refused:
        assert refused.rule == "gate"
        return False


def _step(registry: Registry, what: Step, actor: str, by: Token | None = None) -> Deployed:
    request = StepRequest(app="bot", channel="prod", step=what, key=key())
    return step(registry, request, actor=actor, now=minutes(3), by=by)


@pytest.fixture
def gated(registry: Registry) -> Registry:
    """A registry with a release live on prod, and a gate there that asks for one proven approval."""
    first = made(registry, "one", author=CLEO, also=(CLEO,), by=CLEO)
    make_channels(registry, prod=Policy())
    promotes(registry, first)
    make_channels(registry, prod=Policy(gate=GATE))
    return registry


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the matrix. Ada wrote and released; Ada promotes; Bob approves with a token that Root bound to him."""

    author: str = ADA
    also: tuple[str, ...] = ()
    released_by: str = ADA
    promoter: str = ADA
    promoters_token: str = ""
    approver: str = BOB
    person: str = "bob@example.org"
    with_token: bool = True
    bound_by: str = ROOT
    gate: dict[str, Any] | None = None


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case(), "opens"),
        (Case(approver="Anybody Else <else@example.org>"), "opens"),  # the person of the token counts
        # Makers, by address, in any case, however they come in.
        (Case(author="Bob <BOB@example.org>"), "refused"),
        (Case(also=(CLEO, "Robert <bob@Example.org>")), "refused"),
        (Case(released_by=BOB), "refused"),
        (Case(released_by="token approver"), "refused"),  # the very token
        (Case(approver=ADA), "refused"),  # claims to be the author
        (Case(author="Bob <bob+git@example.org>"), "refused"),  # one person, whatever the detail of the address
        (Case(person="bob+reviews@example.org", also=(BOB,)), "refused"),
        (Case(promoter="Bob <Bob+ops@example.org>"), "closed"),
        (Case(author="Bob"), "opens"),  # a name is no address: who has one is known by it
        (Case(author="Bob <>", approver="bob", with_token=False, gate=CLAIMED), "refused"),
        (Case(author="<>", also=("",)), "opens"),
        (Case(also=("bob@example.org,cleo@example.org",)), "refused"),
        (Case(promoter=BOB), "closed"),
        (Case(promoter="Anyone <any@example.org>", promoters_token="bobs-other"), "closed"),
        # An author through a second token: bound to them it is refused, of no person it proves nothing.
        (Case(author=BOB, approver="Else <else@example.org>"), "refused"),
        (Case(author=BOB, approver="Else <else@example.org>", person=""), "closed"),
        (Case(author=BOB, also=("Bob <bob@home.example>",), approver="Bob <bob@home.example>", person=""), "refused"),
        # What is not proven.
        (Case(person=""), "closed"),
        (Case(with_token=False), "closed"),
        (Case(person="", gate=CLAIMED), "opens"),
        (Case(with_token=False, gate=CLAIMED), "opens"),
        (Case(with_token=False, approver="bob", gate=CLAIMED), "opens"),
        (Case(with_token=False, approver=ADA, gate=CLAIMED), "refused"),
        # Who bound the person.
        (Case(bound_by=ADA), "closed"),
        (Case(bound_by=BOB), "opens"),
        (Case(bound_by=ADA, gate=CLAIMED), "opens"),
        (Case(promoter="Root <ROOT@example.org>"), "closed"),
        (Case(released_by="Someone <x@example.org> via token root"), "closed"),
        (Case(promoters_token="root"), "closed"),
        (Case(bound_by="via admin"), "opens"),
        (Case(bound_by="via admin", promoters_token="admin"), "closed"),
        (Case(bound_by="via admin", promoters_token="root"), "closed"),  # made the admin's token
        (Case(bound_by="via admin", promoter="Zoe <zoe@example.org>"), "closed"),  # whose person is the admin's
    ],
)
def test_the_matrix(gated: Registry, case: Case, expected: str) -> None:
    if case.gate is not None:
        make_channels(gated, prod=Policy(gate=case.gate))
    root = token(gated, "root", scopes=(Scope.ADMIN,))
    token(gated, "bobs-other", "bob@example.org", scopes=(Scope.PROMOTE,), by=root)
    admin = token(gated, "admin", "zoe@example.org", scopes=(Scope.ADMIN,), by=root)
    by = admin if case.bound_by == "via admin" else root if case.bound_by == ROOT else None
    actor = "Zoe" if by is admin else case.bound_by
    approver = token(gated, "approver", case.person, scopes=(Scope.APPROVE,), actor=actor, by=by)
    new = made(gated, "two", author=case.author, also=case.also, by=case.released_by)
    try:
        approves(gated, new, case.approver, approver if case.with_token else None)
    except NotIndependent:
        found = "refused"
    else:
        promoter = f"{case.promoter} via token {case.promoters_token}" if case.promoters_token else case.promoter
        found = "opens" if opens(gated, new, promoter) else "closed"
    assert found == expected


@pytest.fixture
def bob(gated: Registry) -> Token:
    return token(gated, "bob", "bob@example.org", scopes=(Scope.APPROVE,))


def test_authors_of_every_release_since_live_are_out(gated: Registry, bob: Token) -> None:
    made(gated, "two", author=BOB)
    third = made(gated, "three", author=ADA)
    with pytest.raises(NotIndependent, match=r"bob@example\.org wrote a change that it brings"):
        approves(gated, third, "x", bob)
    dora = token(gated, "dora", "dora@example.org", scopes=(Scope.APPROVE,))
    approves(gated, third, "x", dora)
    assert opens(gated, third)
    fourth = made(gated, "four", author=ADA)
    approves(gated, fourth, "x", bob)  # what Bob wrote is live now
    assert opens(gated, fourth)


def test_authors_of_what_is_live_may_approve(gated: Registry) -> None:
    cleo = token(gated, "cleo", "cleo@example.org", scopes=(Scope.APPROVE,))
    new = made(gated, "two")
    approves(gated, new, "x", cleo)
    assert opens(gated, new)


def test_an_approval_ends_with_the_policy_and_with_what_is_live(gated: Registry, bob: Token) -> None:
    new, other = made(gated, "two"), made(gated, "three")
    approves(gated, new, "x", bob)
    make_channels(gated, prod=Policy(gate={"approvals": {"count": 1}, "waivers": {"may": []}}))
    assert not opens(gated, new)
    approves(gated, new, "x", bob)
    approves(gated, other, "x", bob)
    assert opens(gated, other)
    assert not opens(gated, new)  # something else is live now
    approves(gated, new, "x", bob)
    go_back(gated, "bot", now=minutes(3))
    assert not opens(gated, new), "a rollback voids it, though it returns to the position of before"


def test_what_was_approved_before_a_promotion_is_not_approved_after_its_rollback(gated: Registry, bob: Token) -> None:
    new, other = made(gated, "two"), made(gated, "three")
    approves(gated, new, "x", bob)
    approves(gated, other, "x", bob)
    assert opens(gated, new)
    go_back(gated, "bot", now=minutes(3))
    with gated.read() as reader:
        live = reader.live("bot", "prod")
        assert live is not None and live.position == 1, "the same position as when it was approved"
    assert not opens(gated, other)


def test_an_approval_of_one_digest_is_none_of_another(gated: Registry, bob: Token) -> None:
    new, other = made(gated, "two"), made(gated, "three")
    approves(gated, new, "x", bob)
    assert not opens(gated, other)
    assert opens(gated, new)


def test_an_approval_opens_nothing_where_another_check_has_changed_its_mind(gated: Registry, bob: Token) -> None:
    new = made(gated, "two")
    approves(gated, new, "x", bob)
    reference = parse_reference(f"bot@{new.version}")
    assert ask_gate(gated, GateRequest(reference=reference, channel="prod"), now=minutes(2)).opens
    make_channels(gated, prod=Policy(gate={**GATE, "freeze": {"from": "2026-03-01", "to": "2026-03-02"}}))
    approves(gated, new, "x", bob)
    assert not opens(gated, new)


def test_an_approval_can_be_taken_back(gated: Registry, bob: Token) -> None:
    new = made(gated, "two")
    first = approves(gated, new, "x", bob)
    again = approves(gated, new, "y", bob)
    assert first.changed and not again.changed and again.approvals == first.approvals
    with pytest.raises(NotApproved):
        approves(gated, new, CLEO, withdraw=True)
    back = approves(gated, new, "x", bob, withdraw=True)
    assert [each.withdraws for each in back.approvals] == [first.approvals[0].number]
    assert not opens(gated, new)
    with pytest.raises(NotApproved):
        approves(gated, new, "x", bob, withdraw=True)
    assert approves(gated, new, "x", bob).changed
    assert opens(gated, new)


def test_two_approvals_are_of_two_people(gated: Registry, bob: Token) -> None:
    make_channels(gated, prod=Policy(gate={"approvals": {"count": 2}}))
    again = token(gated, "bob-2", "BOB@example.org", scopes=(Scope.APPROVE,))
    dora = token(gated, "dora", "dora@example.org", scopes=(Scope.APPROVE,))
    new = made(gated, "two")
    approves(gated, new, "x", bob)
    assert not approves(gated, new, "x", again).changed, "Bob approved already"
    assert not opens(gated, new)
    approves(gated, new, "x", dora)
    revoke_token(gated, "dora", actor=ROOT, now=minutes(1))  # it ends the token, not what was said
    assert opens(gated, new)


def test_a_person_with_two_addresses_of_one_mailbox_is_one_person(gated: Registry, bob: Token) -> None:
    make_channels(gated, prod=Policy(gate={"approvals": {"count": 2}}))
    again = token(gated, "bob-2", "bob+reviews@example.org", scopes=(Scope.APPROVE,))
    new = made(gated, "two")
    approves(gated, new, "x", bob)
    approves(gated, new, "x", again)
    assert not opens(gated, new)


def test_an_approval_outlives_the_token_that_it_came_with(gated: Registry) -> None:
    day = timedelta(days=1)
    short = TokenRequest(name="short", person="bob@example.org", scopes=(Scope.APPROVE,), lifetime=day)
    bob = create_token(gated, short, actor=ROOT, now=minutes(0)).token
    new = made(gated, "two")
    approves(gated, new, "x", bob)
    request = PromoteRequest(reference=parse_reference(f"bot@{new.version}"), channel="prod", key=key())
    assert promote(gated, request, actor=ADA, now=minutes(0) + 2 * day).deployments


def test_a_token_of_the_same_name_does_not_speak_for_the_one_before(gated: Registry, bob: Token) -> None:
    new = made(gated, "two", by="Someone <x@example.org> via token bob")
    revoke_token(gated, "bob", actor=ROOT, now=minutes(1))
    dora = token(gated, "dora", "dora@example.org", scopes=(Scope.APPROVE,))
    with pytest.raises(NotIndependent, match="released it"):
        approves(gated, new, "x", token(gated, "bob-2", "bob@example.org", scopes=(Scope.APPROVE,)))
    approves(gated, new, "x", dora)
    assert opens(gated, new)


def test_the_gate_says_whose_approval_counts(gated: Registry, bob: Token) -> None:
    new = made(gated, "two")
    approves(gated, new, "x", bob)
    approves(gated, new, "Dora <dora@example.org>")
    asked = GateRequest(reference=parse_reference(f"bot@{new.version}"), channel="prod")
    found = ask_gate(gated, asked, now=minutes(2))
    assert found.opens and [(each.person, each.proven) for each in found.counted] == [
        ("bob@example.org", True),
        ("dora@example.org", False),
    ]
    as_bob = ask_gate(gated, asked, now=minutes(2), actor=BOB)
    assert not as_bob.opens and as_bob.discounted[0].reason == "bob@example.org promotes it"


def test_a_rollback_is_never_asked(gated: Registry, bob: Token) -> None:
    new = made(gated, "two")
    approves(gated, new, "x", bob)
    assert opens(gated, new)
    assert factory.go_back(gated, "bot").deployments[0].version == "0.1.0"


def test_authors_of_old_times_are_not_out_while_the_app_is_off(gated: Registry) -> None:
    cleo = token(gated, "cleo", "cleo@example.org", scopes=(Scope.APPROVE,))  # she wrote what was live
    new = made(gated, "two")
    by_hand(gated, kind=Kind.OFF, now=minutes(1))
    approves(gated, new, "x", cleo)
    assert opens(gated, new)
