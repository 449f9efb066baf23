"""Promote: make a release the stable one of a channel, if the channel's policy admits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from promptops.core import rollout
from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.compiled import flaw_of
from promptops.core.errors import Conflict, Invalid, NotFound, Unloadable
from promptops.core.features import requires_of
from promptops.core.free_text import require_words
from promptops.core.heartbeat import NotFollowing
from promptops.core.model import Json, Release
from promptops.core.names import ChannelName
from promptops.core.outcomes.measured_tokens import MeasuredTokens
from promptops.core.policy import Candidate
from promptops.core.reference import Reference
from promptops.core.rights import Rights
from promptops.core.rollout import Intent
from promptops.operations.deploy import Decision, Deployed, carry_out
from promptops.operations.gate_desk import Desk, Unasked
from promptops.operations.heartbeats import not_following
from promptops.operations.idempotency import Once
from promptops.operations.named_release import named_release as named_release

if TYPE_CHECKING:
    from promptops.core.token import Token
    from promptops.store import Reader, Registry, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteRequest:
    """Make a release the stable one of a channel. The reference is fixed, or another channel of the app.

    ``waive`` are checks of the gate that the release need not pass there for the time of ``waive_for``. ``token`` is
    the id of the token that the key belongs to.
    """

    reference: Reference
    channel: ChannelName
    key: str
    reason: str = ""
    expect_revision: int | None = None
    dry_run: bool = False
    waive: tuple[str, ...] = ()
    waive_for: timedelta | None = None
    token: str = ""

    def __post_init__(self) -> None:
        require_words(self.reason)
        if self.waive and (self.waive_for is None or not self.reason.strip()):
            raise Invalid(
                "a waiver has a reason and an end",
                hint=Sentence(
                    option("reason", "Say why", value="TEXT"),
                    ", ",
                    option("expires", "and for how long", value="7d"),
                    ".",
                ),
            )


def promote(
    registry: Registry, request: PromoteRequest, *, actor: str, now: datetime, by: Token | None = None
) -> Deployed:
    """Make a release the stable one of a channel, if the channel's policy admits it.

    A release that is stable there already stays so: no new revision. Live clients that lack a feature which the release
    needs are named; they do not stop it. ``by`` is the token with which it is promoted.

    Raises:
        Unloadable: no client could load it. Nothing was changed.
        NotFound, Conflict, Refused: nothing was changed.
    """
    app, channel = request.reference.app, request.channel

    def lock(writer: Writer) -> None:
        sources = writer.channel(channel).policy.promote_from
        writer.lock_heads({(app, channel), *((app, source) for source in sources), *_served_by(request.reference)})
        # A new policy waits for the heads that it finds, and this one may be newer; evidence waits for none. With the
        # log locked, nothing is recorded between what the policy and its gate have seen and the promotion.
        writer.lock_log()

    flaws: dict[str, str] = {}
    desk = Desk(registry, request, actor=actor, now=now, by=by)

    def decide(reader: Reader) -> Decision:
        return _promotion(reader, request, flaws, desk, actor, now)

    waived: dict[str, Json] = {"waive": list(request.waive), "for": str(request.waive_for)} if request.waive else {}
    once = Once(
        key=request.key,
        token=request.token,
        operation="promote",
        arguments={
            "reference": str(request.reference),
            "channel": channel,
            "expect": request.expect_revision,
            **waived,
        },
        words=request.reason,
    )
    _judge(flaws, _candidate(registry, request.reference))
    while True:
        try:
            done = carry_out(registry, once, lock=lock, decide=decide, dry_run=request.dry_run, at=now)
            warned = desk.warned if done.deployments and not done.replayed else ()
            measured = _measured(registry, done, Rights(by), now) if request.dry_run else ()
            return replace(done, not_following=_not_following(registry, done, now), warned=warned, measured=measured)
        except _Unjudged as unjudged:  # the source channel was changed meanwhile and serves another release now
            _judge(flaws, unjudged.release)
        except Unasked as unasked:
            desk.ask(unasked.release)


def _not_following(registry: Registry, done: Deployed, now: datetime) -> tuple[NotFollowing, ...]:
    with registry.read() as reader:
        contents = [content.content for content in reader.contents([made.digest for made in done.deployments])]
    requires = sorted({feature for content in contents for feature in requires_of(content)})
    return not_following(registry, done.deployments, requires, now=now)


def _measured(registry: Registry, done: Deployed, rights: Rights, now: datetime) -> tuple[MeasuredTokens, ...]:
    """What was measured of what would be live, and of what is, on the channels that the caller sees."""
    from promptops.operations.measured_tokens import measured_tokens

    with registry.read() as reader:
        return tuple(
            measured
            for made in done.deployments
            for measured in measured_tokens(
                reader,
                made.app,
                [release.digest for release in (made.before, made.stable) if release is not None],
                sees=lambda channel: rights.sees(channel=channel),
                now=now,
            )
        )


def sources(registry: Registry, channel: str) -> tuple[str, ...]:
    """The channels that this one takes releases from.

    Raises:
        ChannelNotFound
    """
    with registry.read() as reader:
        return reader.channel(channel).policy.promote_from


class _Unjudged(Exception):
    """Raised under the lock for a release that was not compiled yet; the check runs without the lock."""

    def __init__(self, release: Release) -> None:
        super().__init__(release.digest)
        self.release = release


def _judge(flaws: dict[str, str], release: Release | None) -> None:
    if release is not None:
        flaws[release.digest] = flaw_of(release.content)


def _candidate(registry: Registry, reference: Reference) -> Release | None:
    try:
        with registry.read() as reader:
            return named_release(reader, reference)
    except (Invalid, NotFound, Conflict):
        return None  # the promotion raises this error, unless its key has an answer


def _served_by(reference: Reference) -> set[tuple[str, str]]:
    return {(reference.app, reference.channel)} if reference.channel else set()


def _promotion(
    reader: Reader, request: PromoteRequest, flaws: Mapping[str, str], desk: Desk, actor: str, now: datetime
) -> Decision:
    policy = reader.channel(request.channel).policy
    release = named_release(reader, request.reference)
    intent = Intent(
        app=release.app,
        channel=request.channel,
        actor=actor,
        reason=request.reason,
        now=now,
        expect_revision=request.expect_revision,
    )
    current = reader.live(release.app, request.channel)
    if current and current.digest == release.digest:
        rollout.expect(intent, current)
        return Decision(unchanged=[current])
    if release.digest not in flaws:
        raise _Unjudged(release)
    if flaw := flaws[release.digest]:
        raise Unloadable(
            f"no client can load {release.app}@{release.version}: {flaw}; nothing was changed",
            hint=Sentence(
                "Mend it and release again: ",
                Advice(Action.CHECK),
                ", ",
                Advice(Action.RELEASE, words=f"release {release.app}", app=release.app),
            ),
        )
    verdict, waivers = desk.verdict(reader, release, policy)
    candidate = Candidate(
        release=release,
        quarantine=reader.quarantine(release.app, request.channel, release.digest),
        passed=tuple(source for source in policy.promote_from if _passed(reader, release, source)),
        floating=_floating(release) if policy.protected else (),
        gate=verdict,
    )
    return Decision(changed=[rollout.promote(intent, candidate, policy, current)], waivers=list(waivers))


def _passed(reader: Reader, release: Release, channel: str) -> bool:
    was = reader.was_stable(release.app, channel, release.digest)
    return was is not None and reader.quarantine(release.app, channel, release.digest) is None


def _floating(release: Release) -> tuple[str, ...]:
    from promptops.core.floating_models import floating_models
    from promptops.core.release_bytes import content_from_bytes

    return floating_models(content_from_bytes(release.content))
