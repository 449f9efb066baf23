"""Who serves what: clients say so, and whoever rolled back asks. Nothing here is a fact, and nothing is kept long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.model import Deployment
from promptops.core.presence import LIVE_FOR, Beat, LiveClient, compare

if TYPE_CHECKING:
    from promptops.store import Registry


def record_beats(registry: Registry, beats: Sequence[Beat], now: datetime) -> None:
    """Remember what clients said, one statement for all of them; of two beats of one client the last counts.

    Raises:
        RegistryUnavailable: nothing was kept. It need not be repeated: they will say it again.
    """
    if beats:
        registry.write(lambda writer: writer.put_beats(beats, now))


def clients(registry: Registry, channel: str = "", *, now: datetime) -> tuple[LiveClient, ...]:
    """The clients that were heard of within 90 seconds, of one channel or of all, in order of name.

    Raises:
        ChannelNotFound: listing the channels that exist.
    """
    with registry.read() as reader:
        if channel:
            reader.channel(channel)
        place = reader.progress(channel)
        live = reader.live_revisions(channel)
        seen = reader.clients_since(now - LIVE_FOR, channel)
    return tuple(compare(beat, at, live=live, lineage=place.lineage, epoch=place.epoch) for beat, at in seen)


def waiting_for(found: Iterable[LiveClient], deployments: Sequence[Deployment]) -> tuple[LiveClient, ...]:
    """Those of the clients that follow one of these deployments' apps and channels and do not serve it yet."""
    return tuple(each for each in found if not each.acknowledged(deployments))


def following(found: Iterable[LiveClient], deployments: Sequence[Deployment]) -> tuple[LiveClient, ...]:
    """Those of the clients that serve, of one of these apps, what its channel serves: whose word counts."""
    places = {(deployment.channel, deployment.app) for deployment in deployments}
    return tuple(each for each in found if any((each.beat.channel, app) in places for app in each.beat.revisions))
