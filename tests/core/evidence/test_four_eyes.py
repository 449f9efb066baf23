"""Whose approval counts: a table of who made what, who approves with which token, and who bound it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptops.core.errors import Invalid
from promptops.core.evidence.approval import Approval, Waiver, of_rename, of_suite, require_subject, standing
from promptops.core.evidence.four_eyes import Counted, Discounted, Makers, Vouched, judged
from promptops.core.person import marks_of
from tests.support.factory import minutes

DIGEST = "sha256:" + "a" * 64
ADA, BOB, CLEO = "Ada <ada@example.org>", "Bob <bob@example.org>", "Cleo <cleo@example.org>"
APPROVAL = Approval(
    number=1,
    app="bot",
    digest=DIGEST,
    channel="prod",
    policy_version=1,
    position=3,
    subject="release",
    person="bob@example.org",
    proven=True,
    token="tBob",
    actor=f"{BOB} via token bob",
    at=minutes(0),
)
MAKERS = Makers(
    released=marks_of(f"{ADA} via token ci"), wrote=marks_of(ADA), promotes=marks_of(f"{ADA} via token ops")
)
ROOT = marks_of("Root <root@example.org>")


@pytest.mark.parametrize(
    ("approval", "makers", "binders", "expected"),
    [
        ({}, {}, ROOT, "proven"),
        # Makers of the release, by address, whatever the case; by a claim; by the token.
        ({"person": "ADA@example.org"}, {}, ROOT, "ada@example.org released it"),
        ({"actor": f"{ADA} via token bob"}, {}, ROOT, "ada@example.org released it"),
        ({"actor": f"{BOB} via token ci"}, {}, ROOT, "the token ci released it"),
        ({}, {"wrote": marks_of("Robert <BOB@Example.org>")}, ROOT, "bob@example.org wrote a change that it brings"),
        ({}, {"promotes": marks_of(f"{BOB} via token ops")}, ROOT, "bob@example.org promotes it"),
        ({"actor": f"{BOB} via token ops"}, {}, ROOT, "the token ops promotes it"),
        # What a claim can give: nothing.
        ({"person": "cleo@example.org", "proven": False, "token": "", "actor": CLEO}, {}, frozenset(), "claimed"),
        ({"person": "", "proven": False, "actor": "token bob"}, {}, ROOT, "claimed"),
        ({"person": "", "proven": True, "actor": "token bob"}, {}, ROOT, "claimed"),
        # The admin who bound the person, or who made that admin's token, released or promotes it.
        ({}, {}, marks_of(f"{ADA} via token root"), "claimed"),
        ({}, {}, marks_of("Zoe <zoe@example.org> via token ops"), "claimed"),
        ({}, {}, ROOT | marks_of("token ci"), "claimed"),
        # A writer may have bound it: who vouches for a person and who wrote the text are different questions.
        ({}, {"wrote": marks_of("Root <root@example.org>")}, ROOT, "proven"),
        ({"withdraws": 1}, {}, ROOT, "proven"),
    ],
)
def test_whose_approval_counts(
    approval: dict[str, object], makers: dict[str, frozenset[str]], binders: frozenset[str], expected: str
) -> None:
    vouched = Vouched(approval=replace(APPROVAL, **approval), binders=binders)  # type: ignore[arg-type]
    found = judged(vouched, replace(MAKERS, **makers))
    if isinstance(found, Discounted):
        assert found.reason == expected
    else:
        assert isinstance(found, Counted)
        assert expected == ("proven" if found.proven else "claimed")


def test_a_person_counts_once_whatever_the_case() -> None:
    people = set()
    for person in ("bob@example.org", "BOB@example.org"):
        found = judged(Vouched(approval=replace(APPROVAL, person=person), binders=ROOT), MAKERS)
        assert isinstance(found, Counted)
        people.add(found.person)
    assert people == {"bob@example.org"}


def test_an_approval_that_was_taken_back_does_not_stand() -> None:
    second, back = replace(APPROVAL, number=2), replace(APPROVAL, number=3, withdraws=1)
    assert standing([APPROVAL, second, back]) == (second,)
    assert standing([replace(APPROVAL, number=4), APPROVAL]) == (replace(APPROVAL, number=4), APPROVAL)


@pytest.mark.parametrize(
    ("change", "holds"),
    [({}, True), ({"digest": "sha256:" + "b" * 64}, False), ({"policy_version": 2}, False), ({"position": 4}, False)],
)
def test_an_approval_is_about_a_release_a_policy_and_what_is_live(change: dict[str, object], holds: bool) -> None:
    here: dict[str, object] = {"digest": DIGEST, "policy_version": 1, "position": 3}
    assert APPROVAL.holds(**{**here, **change}) is holds  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "subject", ["release", "anchor", "tries", of_suite(DIGEST), of_rename("a/b", "c"), "rename:a>"]
)
def test_what_can_be_approved(subject: str) -> None:
    assert require_subject(subject) == subject


@pytest.mark.parametrize(
    "subject", ["", "everything", "suite:", "suite:sha256:ab", "rename:a", "rename:>b", "release:x"]
)
def test_what_cannot_be_approved(subject: str) -> None:
    with pytest.raises(Invalid, match="nothing that can be approved"):
        replace(APPROVAL, subject=subject)


WAIVER = Waiver(
    number=1,
    app="bot",
    digest=DIGEST,
    channel="prod",
    check="latency",
    reason="a slow week of the provider",
    expires_at=minutes(60),
    person="bob@example.org",
    actor=BOB,
    at=minutes(0),
)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"check": "La tency"}, "not the name of a check"),
        ({"expires_at": minutes(0)}, "ends before it begins"),
    ],
)
def test_a_waiver_that_cannot_be(change: dict[str, object], problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        replace(WAIVER, **change)  # type: ignore[arg-type]


def test_a_waiver_is_of_one_release_and_ends() -> None:
    assert WAIVER.holds(digest=DIGEST, now=minutes(59))
    assert not WAIVER.holds(digest=DIGEST, now=minutes(60))
    assert not WAIVER.holds(digest="sha256:" + "b" * 64, now=minutes(1))
