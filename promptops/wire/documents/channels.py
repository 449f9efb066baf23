"""Channels and their policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from promptops.core.model import Channel, Policy
from promptops.wire.documents.registry import OriginDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDocument:
    """What a channel requires of a release before it may be promoted there.

    ``gate`` are the settings of its gate, and ``rollout`` those of the steps by which it reaches everyone.
    """

    promote_from: tuple[str, ...]
    allow_dirty: bool
    protected: bool
    gate: Mapping[str, object] | None = None
    rollout: Mapping[str, object] | None = None

    @classmethod
    def of(cls, policy: Policy) -> Self:
        return cls(
            promote_from=policy.promote_from,
            allow_dirty=policy.allow_dirty,
            protected=policy.protected,
            gate=policy.gate,
            rollout=policy.rollout,
        )

    def policy(self) -> Policy:
        return Policy(
            promote_from=self.promote_from,
            allow_dirty=self.allow_dirty,
            protected=self.protected,
            gate=self.gate,
            rollout=self.rollout,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDocument:
    """A channel with its policy; ``version`` counts that policy's versions from 1.

    ``origin`` is the workspace that it belongs to, null where that is not known.
    """

    name: str
    policy: PolicyDocument
    version: int
    actor: str
    at: datetime
    origin: OriginDocument | None = None
    reason: str = ""

    @classmethod
    def of(cls, channel: Channel) -> Self:
        return cls(
            name=channel.name,
            policy=PolicyDocument.of(channel.policy),
            version=channel.version,
            actor=channel.actor,
            at=channel.at,
            origin=OriginDocument.of(channel.origin) if channel.origin else None,
            reason=channel.reason,
        )

    def channel(self) -> Channel:
        return Channel(
            name=self.name,
            policy=self.policy.policy(),
            version=self.version,
            actor=self.actor,
            at=self.at,
            origin=self.origin.origin() if self.origin else None,
            reason=self.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelsDocument:
    """Every channel, downstream first."""

    channels: tuple[ChannelDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChangeDocument:
    """A channel after the policies of a workspace were applied.

    ``change`` is ``created``, ``changed``, ``unchanged`` or ``undeclared``. Of a changed one, ``before`` is the policy
    that it had, ``loosens`` are the settings by which it admits more now, and ``owner`` is the other workspace that it
    belonged to; null where there was no such.
    """

    name: str
    policy: PolicyDocument
    version: int
    change: str
    before: PolicyDocument | None = None
    loosens: tuple[str, ...] = ()
    owner: OriginDocument | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChangesDocument:
    """What applying the channels of a workspace did."""

    channels: tuple[ChannelChangeDocument, ...]
