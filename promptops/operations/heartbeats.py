"""Keeps the reports of clients and lists what they serve. A report is no fact: it is not in the log, and expires."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.features import lacking
from promptops.core.heartbeat import (
    LISTED_FOR,
    LIVE_FOR,
    Beat,
    Clients,
    LiveClient,
    LoadFailure,
    NotFollowing,
    Room,
    compare,
)
from promptops.core.model import Deployment

if TYPE_CHECKING:
    from promptops.store import Registry


ROOM = Room()


def record_beats(registry: Registry, beats: Sequence[Beat], now: datetime, room: Room = ROOM) -> None:
    """Store reports of clients with one statement; of two reports of one client the last counts.

    If there is not ``room`` for all, the oldest of the same token are forgotten, or new clients are left out.

    Raises:
        RegistryUnavailable: nothing was stored. The call need not be repeated, because clients report again.
    """
    if beats:
        registry.write(lambda writer: writer.put_beats(beats, now, room))


def clients(registry: Registry, channel: str = "", *, now: datetime) -> Clients:
    """The clients of one channel or of all, in order of name. Live ones sent a heartbeat within the last 90 seconds.

    Silent ones sent their last one up to 10 minutes ago. A client that closed is in neither list.

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
        client = compare(beat, at, live=revisions, lineage=place.lineage, epoch=place.epoch)
        (live if at >= now - LIVE_FOR else silent).append(client)
    return Clients(live=tuple(live), silent=tuple(silent))


def failures(registry: Registry, *, channel: str = "", now: datetime) -> tuple[LoadFailure, ...]:
    """The apps that live clients report as impossible to load, by app, channel and client."""
    with registry.read() as reader:
        seen = reader.clients_since(now - LIVE_FOR, channel, failing=True)
    reported = [
        LoadFailure(app=app, channel=beat.channel, client=beat.name, reason=reason, seen_at=at)
        for beat, at in seen
        for app, reason in beat.cannot_load.items()
    ]
    return tuple(sorted(reported, key=lambda each: (each.app, each.channel, each.client)))


def not_following(
    registry: Registry, requires: Iterable[tuple[Deployment, Collection[str]]], *, now: datetime
) -> tuple[NotFollowing, ...]:
    """Returns the live clients that lack a feature which a deployment of an app of theirs ``requires``, by name.

    Of an app that was not live on its channel no client reports anything yet: there all clients of the channel count.
    """
    needing = [(made, features) for made, features in requires if features]
    if not needing:
        return ()
    with registry.read() as reader:
        channels = {made.channel for made, _ in needing}
        seen = [beat for channel in channels for beat, _at in reader.clients_since(now - LIVE_FOR, channel)]
    lagging = []
    for beat in seen:
        follows = {*beat.revisions, *beat.cannot_load}
        on_it = [(made, features) for made, features in needing if made.channel == beat.channel]
        needed = {each for made, features in on_it if made.before is None or made.app in follows for each in features}
        if lacks := lacking(needed, beat.understands):
            lagging.append(NotFollowing(client=beat.name, lacks=lacks))
    return tuple(sorted(lagging, key=lambda client: client.client))


def waiting_for(clients: Iterable[LiveClient], deployments: Sequence[Deployment]) -> tuple[LiveClient, ...]:
    """Returns the clients that follow one of these deployments' apps and channels and do not serve it yet."""
    return tuple(client for client in clients if not client.acknowledged(deployments))


def following(clients: Iterable[LiveClient], deployments: Sequence[Deployment]) -> tuple[LiveClient, ...]:
    """Returns the clients that follow one of these apps on its channel: only their reports count."""
    places = {(deployment.channel, deployment.app) for deployment in deployments}
    return tuple(client for client in clients if any((client.beat.channel, app) in places for app in client.apps))
