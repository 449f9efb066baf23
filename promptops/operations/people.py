"""Who made a release and who approved of it: the facts that four eyes are judged by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptops.core.evidence.approval import Approval, standing
from promptops.core.evidence.four_eyes import Counted, Discounted, Makers, Vouched, judged_each
from promptops.core.model import Channel, Deployment, Kind, Release
from promptops.core.person import NOBODY, Marks, folded, marks_of, token_of
from promptops.core.rollout import stable_since

if TYPE_CHECKING:
    from promptops.core.token import Token
    from promptops.store import Reader

_STEPS = 8
"""Entries of a log that are read at a time: a canary has few steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """A release for a channel, at one moment: since when the same release is stable there, and who made what is new."""

    release: Release
    channel: Channel
    position: int
    makers: Makers


def here(reader: Reader, release: Release, channel: str, *, promoter: str = "") -> Here:
    """Returns where a release stands on a channel; ``promoter`` is the actor who promotes it, where one does.

    Changes are new since the newest release that was stable there and is still good.
    """
    base = next(bases_of(reader, release.app, channel), None)
    deeds = reader.deeds(release.app, release.digest, since=base.digest if base else "")
    tokens = reader.tokens()
    return Here(
        release=release,
        channel=reader.channel(channel),
        position=position(reader, release.app, channel),
        makers=Makers(
            released=_of_each(tokens, deeds.released),
            wrote=_of_each(tokens, deeds.wrote),
            promotes=marks(tokens, promoter) if promoter else NOBODY,
        ),
    )


def bases_of(reader: Reader, app: str, channel: str) -> Iterator[Deployment]:
    """The newest deployment whose release is still good, also while the app is off; and what a rollback left."""
    current = reader.live(app, channel)
    if current is None:
        return
    good = next(
        (
            past.deployment
            for past in reader.past(app, channel, before=current.revision + 1)
            if past.good and past.deployment.stable is not None
        ),
        None,
    )
    if good is not None:
        yield good
    left = current.before
    if current.kind is Kind.ROLLBACK and left is not None and good is not None and left.digest != good.digest:
        before = reader.was_stable(app, channel, left.digest)
        kept_out = reader.quarantine(app, channel, left.digest) or reader.find_release(app, digest=left.digest).yank
        if before is not None and not kept_out:
            yield before


def position(reader: Reader, app: str, channel: str) -> int:
    """Returns the revision since which the same release is stable there; 0 before the first."""
    depth = _STEPS
    while True:
        log = reader.history(app, channel, limit=depth)
        since = stable_since(log)
        if len(log) < depth or since != log[-1].revision:
            return since
        depth *= _STEPS


def approvals(reader: Reader, place: Here) -> tuple[tuple[Counted, ...], tuple[Discounted, ...]]:
    """Returns the approvals that hold and count, and those that hold and do not count, with the reason of each."""
    every = reader.approvals(place.release.app, place.channel.name, place.release.digest)
    hold = [approval for approval in standing(every) if holds(approval, place)]
    tokens = reader.tokens() if hold else ()
    return judged_each([vouched(tokens, approval) for approval in hold], place.makers)


def holds(approval: Approval, place: Here) -> bool:
    """Returns whether nothing has changed since an approval was given that voids it."""
    return approval.holds(digest=place.release.digest, policy_version=place.channel.version, position=place.position)


def vouched(tokens: Sequence[Token], approval: Approval) -> Vouched:
    """Returns an approval with those who bound its person to its token; one of an unknown token is only claimed."""
    token = next((token for token in tokens if token.id == approval.token), None)
    if token is None or folded(token.person) != folded(approval.person):
        return Vouched(approval=replace(approval, proven=False))
    return Vouched(approval=approval, binders=_binders(tokens, token))


def marks(tokens: Sequence[Token], actor: str) -> Marks:
    """Returns by what an actor is known: by what it says itself, and by the person of its token."""
    name = token_of(actor)
    people = (token.person for token in tokens if name and token.name == name)
    return marks_of(actor).union(*map(marks_of, people))


def _of_each(tokens: Sequence[Token], actors: Sequence[str]) -> Marks:
    return frozenset(mark for actor in actors for mark in marks(tokens, actor))


def _binders(tokens: Sequence[Token], token: Token) -> Marks:
    """Who made a token, who made the token with which it was made, and so on up to the database."""
    found, seen, waiting = set(NOBODY), {token.name}, [token.created_by]
    while waiting:
        actor = waiting.pop()
        found |= marks(tokens, actor)
        name = token_of(actor)
        if name and name not in seen:
            seen.add(name)
            waiting += [each.created_by for each in tokens if each.name == name]
    return frozenset(found)
