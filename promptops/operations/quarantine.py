"""Keep a release out of a channel, or out of everything: quarantine, unquarantine, yank.

All three take the locks that a promotion or rollback of the app takes, so that neither rests on what just changed.
They refuse a release that a channel serves now: a rollback has to replace it first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core import rollout
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Invalid, NotQuarantined, StillServed
from promptops.core.free_text import require_reason
from promptops.core.model import Quarantine, Release, Yank
from promptops.core.names import ChannelName
from promptops.core.reference import Reference
from promptops.operations.idempotency import Once
from promptops.operations.named_release import named_release

if TYPE_CHECKING:
    from promptops.store import Reader, Registry, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class WithholdRequest:
    """Which fixed release, where (empty: everywhere, for a yank), and why: a reason is always needed.

    ``token`` is the id of the token that the key belongs to.
    """

    reference: Reference
    reason: str
    key: str
    channel: ChannelName = ""
    token: str = ""

    def __post_init__(self) -> None:
        require_reason(self.reason, "the history shows it to those who read it at night")
        if not self.reference.fixed:
            raise Invalid(f"'{self.reference}' does not say which release", hint="Name one: APP@VERSION.")


def quarantine(registry: Registry, request: WithholdRequest, *, actor: str, now: datetime) -> Quarantine:
    """Keep a release from being promoted to one channel. If it is in quarantine already, the first quarantine stays.

    Raises:
        NotFound: no such release or channel.
        StillServed: it is what the channel serves now; roll back instead.
    """
    from promptops.store.facts.quarantine import QuarantineEvent

    channel = request.channel

    def change(writer: Writer, release: Release) -> None:
        _refuse_served(writer, release, (channel,))
        if writer.quarantine(release.app, channel, release.digest) is None:
            held = _quarantine(request, release, actor, now)
            writer.record(QuarantineEvent(quarantine=held, lifted=False), key=request.key)

    release = _withhold(registry, "quarantine", request, change, now=now)
    with registry.read() as reader:
        held = reader.quarantine(release.app, channel, release.digest)
    return held or _quarantine(request, release, actor, now)


def unquarantine(registry: Registry, request: WithholdRequest, *, actor: str, now: datetime) -> Quarantine:
    """Let a release be promoted to the channel again; returns the quarantine that was lifted.

    Raises:
        NotFound: no such release or channel.
        NotQuarantined: it is not in quarantine there.
    """
    from promptops.store.facts.quarantine import QuarantineEvent

    channel = request.channel

    def change(writer: Writer, release: Release) -> None:
        if writer.quarantine(release.app, channel, release.digest) is None:
            held = [q.release.version for q in writer.quarantines(release.app, channel)]
            raise NotQuarantined(
                f"{release.app}@{release.version} is not in quarantine on {channel}",
                hint=f"In quarantine there: {', '.join(held)}." if held else "Nothing is in quarantine there.",
            )
        lifted = _quarantine(request, release, actor, now)
        writer.record(QuarantineEvent(quarantine=lifted, lifted=True), key=request.key)

    release = _withhold(registry, "unquarantine", request, change, now=now)
    return _quarantine(request, release, actor, now)


def yank(
    registry: Registry,
    request: WithholdRequest,
    *,
    actor: str,
    now: datetime,
    sees: Callable[[str], bool] = lambda channel: True,
) -> Release:
    """Mark a release as never to be served or promoted again. If it is yanked already, the first reason stays.

    A refusal names only the channels that the caller may know, by ``sees``.

    Raises:
        NotFound: no such release.
        StillServed: a channel serves it now; roll back there first.
    """
    from promptops.store.facts.yank import Withdrawal

    def change(writer: Writer, release: Release) -> None:
        if release.yank is None:
            _refuse_served(writer, release, writer.channels_serving(release.app, release.digest), sees)
            withdrawn = Yank(reason=request.reason, actor=actor, at=now)
            writer.record(Withdrawal(app=release.app, release=release.ref, yank=withdrawn), key=request.key)

    release = _withhold(registry, "yank", request, change, now=now)
    with registry.read() as reader:
        return reader.find_release(release.app, digest=release.digest)


def _withhold(
    registry: Registry,
    operation: str,
    request: WithholdRequest,
    change: Callable[[Writer, Release], None],
    *,
    now: datetime,
) -> Release:
    """Make one of the three changes once, under the locks of the channel or of every channel."""
    once = Once(
        key=request.key,
        token=request.token,
        operation=operation,
        arguments={"reference": str(request.reference), "channel": request.channel},
        words=request.reason,
    )

    def work(writer: Writer) -> Release:
        release = named_release(writer, request.reference)
        if request.channel:
            writer.channel(request.channel)
            writer.lock_heads([(release.app, request.channel)])
        else:
            writer.lock_all_channels_of(release.app)
        release = named_release(writer, request.reference)
        if once.answered(writer) is None:
            change(writer, release)
            once.remember(writer, [(release.app, release.digest)], now)
        return release

    return registry.write(work)


def _refuse_served(
    reader: Reader, release: Release, channels: tuple[str, ...], sees: Callable[[str], bool] = lambda channel: True
) -> None:
    serving = [c for c in channels if (live := reader.live(release.app, c)) and release.ref in live.served()]
    shown = [channel for channel in serving if sees(channel)]
    if not serving:
        return
    names: list[str] = list(shown)
    steps: list[Sentence] = []
    if shown:
        ways = [_way_out(reader, release.app, channel) for channel in shown]
        steps.append(Sentence.listed("Replace it first: ", ways))
    if len(shown) < len(serving):
        names.append("a channel that this token may not see")
        steps.append(
            Sentence(
                "Ask the holder of a token for every channel: ",
                Advice(Action.STATUS, words="the status", app=release.app),
                " says where it is live, and ",
                Advice(Action.ROLLBACK, words="a rollback", app=release.app, channel="…"),
                " replaces it there",
            )
        )
    where = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    raise StillServed(
        f"{release.app}@{release.version} is what {where} {'serves' if len(names) == 1 else 'serve'} now",
        channels=shown,
        hint=Sentence(steps[0], *(part for step in steps[1:] for part in (". ", step))),
    )


def _way_out(reader: Reader, app: str, channel: str) -> Advice:
    """What ends that a channel serves a release: a rollback, or where that has nowhere to go, to take the app off."""
    live = reader.live(app, channel)
    assert live is not None  # it serves the release
    if live.canary is None and rollout.target(live, reader.past(app, channel, before=live.position)) is None:
        return rollout.retirement(app, channel)
    return Advice(Action.ROLLBACK, app=app, channel=channel)


def _quarantine(request: WithholdRequest, release: Release, actor: str, now: datetime) -> Quarantine:
    return Quarantine(
        app=release.app, channel=request.channel, release=release.ref, reason=request.reason, actor=actor, at=now
    )
