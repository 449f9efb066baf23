"""What a registry is and what it has, by name; needs the tables of names alone, so that a rollback may ask it too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptops.store import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A registry's name, the lineage that tells it from every other one of the name, and how often it came back."""

    registry: str
    lineage: str
    epoch: int


def identity(registry: Registry) -> Identity:
    """Which registry this is."""
    with registry.read() as reader:
        return Identity(registry=registry.name, lineage=registry.lineage, epoch=reader.epoch())


def apps(registry: Registry) -> tuple[str, ...]:
    """The names of all apps, in order."""
    with registry.read() as reader:
        return tuple(reader.apps())


def channel_names(registry: Registry) -> tuple[str, ...]:
    """The names of all channels, in order."""
    with registry.read() as reader:
        return tuple(channel.name for channel in reader.channels())


def live_on(registry: Registry, channel: str) -> tuple[str, ...]:
    """The apps that are live on a channel, in order.

    Raises:
        ChannelNotFound
    """
    with registry.read() as reader:
        live = tuple(deployment.app for deployment in reader.live_on(channel))
        if not live:
            reader.channel(channel)
        return live


def serving(registry: Registry, app: str, digest: str) -> tuple[str, ...]:
    """The channels that serve this release of the app, in order."""
    with registry.read() as reader:
        return tuple(reader.channels_serving(app, digest))
