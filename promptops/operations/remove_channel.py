"""Remove a channel on which nothing is live. Applying it again makes it anew, with the next version of its policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import ChannelInUse
from promptops.core.free_text import require_reason
from promptops.core.names import ChannelName
from promptops.operations.idempotency import Once

if TYPE_CHECKING:
    from promptops.core.model import Channel
    from promptops.store import Registry, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveChannelRequest:
    """Which channel, and why: a reason is always needed. ``token`` is the id of the token that the key belongs to."""

    channel: ChannelName
    reason: str
    key: str
    token: str = ""

    def __post_init__(self) -> None:
        require_reason(self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedChannel:
    """A channel that is no more, with the last version of its policy."""

    channel: ChannelName
    version: int
    reason: str
    actor: str
    at: datetime


def remove_channel(
    registry: Registry,
    request: RemoveChannelRequest,
    *,
    actor: str,
    now: datetime,
    sees: Callable[[str, str], bool] = lambda channel, app: True,
) -> RemovedChannel:
    """Remove a channel. Its log stays, and so do the facts about it; clients that follow it keep what they have.

    ``sees`` says which channels and apps of a refusal the caller may know.

    Raises:
        ChannelNotFound: there is no such channel.
        ChannelInUse: an app is live there, or another channel takes its releases from there.
    """
    from promptops.store.facts.channel_removal import ChannelRemoval

    once = Once(
        key=request.key,
        token=request.token,
        operation="remove channel",
        arguments={"channel": request.channel},
        words=request.reason,
    )

    def work(writer: Writer) -> RemovedChannel:
        writer.lock_channel(request.channel)
        writer.lock_log()  # the first promotion of an app has no head to lock yet
        seen = once.answered(writer)
        if seen is not None:
            return _removed(
                request, version=int(seen[0][0]), actor=str(seen[0][1]), at=datetime.fromisoformat(str(seen[0][2]))
            )
        channel = writer.channel(request.channel)
        _require_unused(writer, channel, sees)
        removal = ChannelRemoval(
            channel=channel.name, version=channel.version, reason=request.reason, actor=actor, at=now
        )
        writer.record(removal, key=request.key)
        once.remember(writer, [(channel.version, actor, now.isoformat())], now)
        return _removed(request, version=channel.version, actor=actor, at=now)

    return registry.write(work)


def _removed(request: RemoveChannelRequest, *, version: int, actor: str, at: datetime) -> RemovedChannel:
    return RemovedChannel(channel=request.channel, version=version, reason=request.reason, actor=actor, at=at)


def _require_unused(writer: Writer, channel: Channel, sees: Callable[[str, str], bool]) -> None:
    """Raises ChannelInUse: an app is live on the channel, or another channel takes releases from it."""
    live = [each.app for each in writer.live_on(channel.name) if each.stable is not None]
    shown = [app for app in live if sees(channel.name, app)]
    if live:
        names = [*shown, *(["an app that this token may not see"] if len(shown) < len(live) else [])]
        off = [Advice(Action.RETIRE, app=app, channel=channel.name, reason="…") for app in shown]
        raise ChannelInUse(
            f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} live on {channel.name}; nothing was changed",
            hint=Sentence.listed("Take off first: ", off)
            if off
            else "Ask the holder of a token for every app to take it off first.",
        )
    takers = [each.name for each in writer.channels() if channel.name in each.policy.promote_from]
    if takers:
        known = dict.fromkeys(name if sees(name, "") else "a channel that this token may not see" for name in takers)
        raise ChannelInUse(
            f"{', '.join(known)} {'takes' if len(known) == 1 else 'take'} releases that were live on {channel.name}; "
            "nothing was changed",
            hint=Sentence("Change `promote_from` there first: ", Advice(Action.APPLY_CHANNELS)),
        )
