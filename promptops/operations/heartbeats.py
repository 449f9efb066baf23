"""Who serves what: clients say so, and whoever rolled back asks. Nothing here is a fact, and nothing is kept long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.heartbeat import LISTED_FOR, LIVE_FOR, Beat, Clients, LiveClient, LoadFailure, Room, compare
from promptops.core.model import Deployment

if TYPE_CHECKING:
    from promptops.store import Registry


ROOM = Room()


def record_beats(registry: Registry, beats: Sequence[Beat], now: datetime, room: Room = ROOM) -> None:
    """Remember what clients said, one statement for all of them; of two beats of one client the last counts.

    Where there are more than there is ``room`` for, the oldest of the same token are forgotten, or who is new left out.

    Raises:
        RegistryUnavailable: nothing was kept. It need not be repeated: they will say it again.
    """
    if beats:
        registry.write(lambda writer: writer.put_beats(beats, now, room))


def clients(registry: Registry, channel: str = "", *, now: datetime) -> Clients:
    """The clients of one channel or of all, in order of name. Live ones sent a heartbeat within the last 90 seconds.

    Silent ones sent their last one up to 10 minutes ago. A client that said goodbye is in neither list.

    Raises:
        ChannelNotFound: listing the channels that exist.
    """
    with registry.read() as reader:
        if channel:
            reader.channel(channel)
        place = reader.progress(channel)
        revisions = reader.live_revisions(channel)
        seen = reader.clients_since(now - LISTED_FOR, channel)
    live: list[LiveClient] = []
    silent: list[LiveClient] = []
    for beat, at in seen:
        found = compare(beat, at, live=revisions, lineage=place.lineage, epoch=place.epoch)
        (live if at >= now - LIVE_FOR else silent).append(found)
    return Clients(live=tuple(live), silent=tuple(silent))


def failures(registry: Registry, *, channel: str = "", now: datetime) -> tuple[LoadFailure, ...]:
    """The apps that live clients report as impossible to load, by app, channel and client."""
    with registry.read() as reader:
        seen = reader.clients_since(now - LIVE_FOR, channel, failing=True)
    found = [
        LoadFailure(app=app, channel=beat.channel, client=beat.name, reason=reason, seen_at=at)
        for beat, at in seen
        for app, reason in beat.cannot_load.items()
    ]
    return tuple(sorted(found, key=lambda each: (each.app, each.channel, each.client)))


def waiting_for(found: Iterable[LiveClient], deployments: Sequence[Deployment]) -> tuple[LiveClient, ...]:
    """Those of the clients that follow one of these deployments' apps and channels and do not serve it yet."""
    return tuple(each for each in found if not each.acknowledged(deployments))


def following(found: Iterable[LiveClient], deployments: Sequence[Deployment]) -> tuple[LiveClient, ...]:
    """Those of the clients that follow one of these apps on its channel: whose word counts."""
    places = {(deployment.channel, deployment.app) for deployment in deployments}
    return tuple(each for each in found if any((each.beat.channel, app) in places for app in each.apps))
