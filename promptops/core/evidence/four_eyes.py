"""Whose approval of a release counts: not of its makers, and proven only by a person whom another person vouched for.

Out of the count are: who released it, who promotes it, and who wrote any change since the release that is live. They
are recognised by what they claim, too: a claim can take the right to approve away, and can never give it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from promptops.core.evidence.approval import Approval
from promptops.core.person import NOBODY, Marks, mailbox, marks_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Makers:
    """Who had a part in a release: who released it, who promotes it, who wrote a change since what is live."""

    released: Marks
    wrote: Marks
    promotes: Marks = NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """An approval, and by what its giver is known beside what it says itself.

    ``binders`` are those who bound the person to the token: who made the token, who made the token that made it, and so
    on up to the database.
    """

    approval: Approval
    binders: Marks = NOBODY

    @property
    def giver(self) -> Marks:
        return marks_of(self.approval.actor) | marks_of(self.approval.person)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """An approval that counts; ``proven`` if its person is, ``person`` is a mailbox, so that each counts once."""

    approval: Approval
    proven: bool
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discounted:
    """An approval that does not count, and why."""

    approval: Approval
    reason: str


def judged(vouched: Vouched, makers: Makers) -> Counted | Discounted:
    """Returns whether an approval counts for a release of these makers."""
    giver, approval = vouched.giver, vouched.approval
    for part, marks in (
        ("released it", makers.released),
        ("promotes it", makers.promotes),
        ("wrote a change that it brings", makers.wrote),
    ):
        if giver & marks:
            return Discounted(approval=approval, reason=f"{_named(giver & marks)} {part}")
    vouches = makers.released | makers.promotes
    proven = approval.proven and bool(approval.person) and not vouched.binders & vouches
    return Counted(approval=approval, proven=proven, person=mailbox(approval.person) or min(giver, default=""))


def judged_each(vouched: Iterable[Vouched], makers: Makers) -> tuple[tuple[Counted, ...], tuple[Discounted, ...]]:
    """Returns the approvals that count, and those that do not."""
    every = [judged(each, makers) for each in vouched]
    return (
        tuple(each for each in every if isinstance(each, Counted)),
        tuple(each for each in every if isinstance(each, Discounted)),
    )


def _named(marks: Marks) -> str:
    return " and ".join(f"the {mark}" if mark.startswith("token ") else mark for mark in sorted(marks))
