"""Approve of a release for a channel, or take that back. Makers of the release are refused at once.

Both take the lock that a promotion takes, so that a promotion sees the approvals of one moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Invalid, NotApproved, NotIndependent
from promptops.core.evidence.approval import RELEASE, Approval, require_subject, standing
from promptops.core.evidence.four_eyes import Discounted, judged
from promptops.core.free_text import require_words
from promptops.core.names import ChannelName
from promptops.core.person import claimed_address, folded, marks_of
from promptops.core.reference import Reference
from promptops.operations.idempotency import Once
from promptops.operations.named_release import named_release
from promptops.operations.people import Here, here, holds, vouched

if TYPE_CHECKING:
    from promptops.core.token import Token
    from promptops.store import Registry, Writer

_MOST = 100
"""Subjects of one request: far more than an app has suites."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveRequest:
    """What to approve of a release for a channel, or of what to take the approval back.

    ``token`` is the id of the token that the key belongs to.
    """

    reference: Reference
    channel: ChannelName
    key: str
    subjects: tuple[str, ...] = (RELEASE,)
    withdraw: bool = False
    reason: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        require_words(self.reason)
        if not 1 <= len(self.subjects) <= _MOST:
            raise Invalid(f"1 to {_MOST} things are approved at a time")
        for subject in self.subjects:
            require_subject(subject)
        if not self.reference.fixed:
            raise Invalid(f"'{self.reference}' does not say which release", hint="Name one: APP@VERSION.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The approvals of a person that hold now, or that were taken back (``withdrawn``); ``changed`` if any is new."""

    approvals: tuple[Approval, ...]
    withdrawn: bool = False
    changed: bool = True


def approve(
    registry: Registry, request: ApproveRequest, *, actor: str, now: datetime, by: Token | None = None
) -> Approved:
    """Record that a person approves of a release for a channel; what this person approved already stays as it is.

    The person is that of the token ``by``; without one it is the address that the actor claims, which proves nothing.

    Raises:
        NotFound: no such release or channel.
        NotIndependent: the person is one of those who made the release.
        NotApproved: there is no approval of theirs to take back.
    """
    once = Once(
        key=request.key,
        token=request.token,
        operation="withdraw" if request.withdraw else "approve",
        arguments={
            "reference": str(request.reference),
            "channel": request.channel,
            "subjects": list(request.subjects),
        },
        words=request.reason,
    )

    def work(writer: Writer) -> tuple[tuple[int, ...], bool]:
        app = named_release(writer, request.reference).app
        writer.channel(request.channel)
        writer.lock_heads([(app, request.channel)])
        release = named_release(writer, request.reference)
        if (seen := once.answered(writer)) is not None:
            return tuple(int(number) for number, _ in seen), any(new for _, new in seen)
        place = here(writer, release, request.channel)
        given = _given(request, place, actor, now, by)
        change = _withdraw if request.withdraw else _add
        done = [pair for each in given for pair in change(writer, request, place, each)]
        once.remember(writer, done, now)
        return tuple(number for number, _ in done), any(new for _, new in done)

    numbers, changed = registry.write(work)
    with registry.read() as reader:
        release = named_release(reader, request.reference)
        every = {each.number: each for each in reader.approvals(release.app, request.channel, release.digest)}
    return Approved(approvals=tuple(every[number] for number in numbers), withdrawn=request.withdraw, changed=changed)


def _given(request: ApproveRequest, place: Here, actor: str, now: datetime, by: Token | None) -> tuple[Approval, ...]:
    """The approvals of this request, without their numbers."""
    return tuple(
        Approval(
            number=0,
            app=place.release.app,
            digest=place.release.digest,
            version=place.release.version,
            channel=place.channel.name,
            policy_version=place.channel.version,
            position=place.position,
            subject=subject,
            person=by.person if by is not None and by.person else claimed_address(actor),
            proven=by is not None and bool(by.person),
            token=by.id if by is not None else "",
            actor=actor,
            at=now,
            reason=request.reason,
        )
        for subject in dict.fromkeys(request.subjects)
    )


def _add(writer: Writer, request: ApproveRequest, place: Here, given: Approval) -> list[tuple[int, bool]]:
    """Raises NotIndependent: the person made the release."""
    verdict = judged(vouched(writer.tokens(), given), place.makers)
    if isinstance(verdict, Discounted):
        raise NotIndependent(
            f"this approval of {request.reference} would not count: {verdict.reason}; nothing was recorded",
            hint="Another person has to approve: one who neither released it nor wrote a change since what is live.",
        )
    known = [each for each in _own(writer, place, given) if holds(each, place)]
    if known:
        return [(each.number, False) for each in known]
    return [(_record(writer, given, request.key), True)]


def _withdraw(writer: Writer, request: ApproveRequest, place: Here, given: Approval) -> list[tuple[int, bool]]:
    """Raises NotApproved: there is nothing to take back."""
    known = _own(writer, place, given)
    if not known:
        raise NotApproved(
            f"there is no approval of yours of {request.reference} on {place.channel.name} to take back",
            hint=Sentence("Who approved of what: ", Advice(Action.READ_AUDIT)),
        )
    return [(_record(writer, replace(given, withdraws=each.number), request.key), True) for each in known]


def _own(writer: Writer, place: Here, given: Approval) -> list[Approval]:
    """The approvals of the same thing by the same person that were not taken back."""
    every = standing(writer.approvals(place.release.app, place.channel.name, place.release.digest))
    return [each for each in every if each.subject == given.subject and _same_person(each, given)]


def _same_person(one: Approval, other: Approval) -> bool:
    if one.token and one.token == other.token:
        return True
    if one.person and other.person:
        return folded(one.person) == folded(other.person)
    return bool(marks_of(one.actor) & marks_of(other.actor))


def _record(writer: Writer, approval: Approval, key: str) -> int:
    writer.lock_log()
    number = writer.next_number("approval")
    writer.record(replace(approval, number=number), key=key)
    return number
