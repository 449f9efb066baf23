"""What a deployment is made of: its kind, the releases it names, and the canary that it may have.

Kinds, and what a step does with a canary, are words, and later versions add some. A word that this version does not
know is kept as it is and shown as text. It is never refused, so that a registry in which a newer promptops writes is
still read, checked and copied.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

WHOLE = 10_000
"""Basis points of the whole: the weight of a canary that gets every key."""

_WORD = re.compile(r"[a-z][a-z0-9-]{0,39}")


class OpenEnum(StrEnum):
    """Words that are known, and any other one.

    Raises:
        ValueError: it is not a word, so no version wrote it.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str) or not _WORD.fullmatch(value):
            return None
        word = str.__new__(cls, value)
        word._name_, word._value_ = value, value
        return word


class Kind(OpenEnum):
    """What made a deployment."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    BREAK_GLASS = "break-glass"
    OFF = "off"
    """From here on the channel serves nothing of the app."""
    CANARY = "canary"
    """A step of a canary beside the stable release, which stays."""
    ABORT = "abort"
    """The canary is gone, and the stable release stays."""


class Action(OpenEnum):
    """What a step does with a canary."""

    START = "start"
    ADVANCE = "advance"
    PAUSE = "pause"
    RESUME = "resume"


ALWAYS_SERVE = frozenset({Kind.PROMOTE, Kind.ROLLBACK, Kind.BREAK_GLASS, Kind.CANARY, Kind.ABORT})
"""The kinds that have a stable release. Whether a later kind has one is for the version that makes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRef:
    """A release as a deployment names it."""

    version: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """The release on trial beside the stable one, from one deployment to the next.

    ``weight`` is its share of the keys in basis points, and ``salt`` decides which keys these are
    (:mod:`promptops.core.bucketing`). ``rollout`` names the ramp that this is ``step`` number so many of, from 1;
    ``action`` is what this deployment does with it.

    Raises:
        ValueError: no canary has this weight or step, or it has no salt.
    """

    release: ReleaseRef
    weight: int
    rollout: str
    salt: str
    step: int
    action: Action

    def __post_init__(self) -> None:
        if not 0 <= self.weight <= WHOLE or self.step < 1 or not self.salt:
            raise ValueError(f"no canary has the weight {self.weight}, the step {self.step} and the salt {self.salt!r}")
