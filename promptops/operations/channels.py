"""The channels of promptops.yml -> the channels of the registry. Every version of a policy is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from promptops.core.advice import WHICH_REGISTRY
from promptops.core.errors import RegistryMismatch
from promptops.core.model import Policy
from promptops.core.names import ChannelName

if TYPE_CHECKING:
    from promptops.store import Registry, Writer


class Applied(StrEnum):
    """What applying did to a channel. A channel that is no longer declared stays as it was."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    UNDECLARED = "undeclared"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChange:
    """One channel after applying: its policy, that policy's version, and what was done."""

    name: ChannelName
    policy: Policy
    version: int
    applied: Applied


def apply_channels(
    registry: Registry, name: str, declared: Mapping[str, Policy], *, actor: str, now: datetime
) -> tuple[ChannelChange, ...]:
    """Make the registry's channels those that are declared; undeclared ones are reported and kept.

    Applying twice changes nothing, so no key is needed. ``name`` is the registry the declaration belongs to.

    Raises:
        RegistryMismatch: the declaration belongs to another registry.
    """
    if name != registry.name:
        raise RegistryMismatch(
            f"promptops.yml belongs to the registry '{name}', and this is '{registry.name}'",
            hint=WHICH_REGISTRY,
        )

    def work(writer: Writer) -> tuple[ChannelChange, ...]:
        known = {channel.name: channel for channel in writer.channels()}
        changes = [
            _apply(writer, channel, policy, channel in known, actor, now) for channel, policy in declared.items()
        ]
        changes += [
            ChannelChange(name=c.name, policy=c.policy, version=c.version, applied=Applied.UNDECLARED)
            for c in known.values()
            if c.name not in declared
        ]
        return tuple(changes)

    return registry.write(work)


def _apply(writer: Writer, name: str, policy: Policy, known: bool, actor: str, now: datetime) -> ChannelChange:
    if known:
        writer.lock_channel(name)
    changed = writer.set_policy(name, policy, actor=actor, at=now)
    if changed is None:
        return ChannelChange(name=name, policy=policy, version=writer.channel(name).version, applied=Applied.UNCHANGED)
    applied = Applied.CHANGED if changed.version > 1 else Applied.CREATED
    return ChannelChange(name=name, policy=policy, version=changed.version, applied=applied)
