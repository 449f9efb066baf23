"""What made a deployment, and what it does with a canary: two lists of words that later versions make longer.

A word that this version does not know is kept as it is and shown as text. It is never refused, so that a registry in
which a newer promptops writes is still read, checked and copied.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Self

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


class Action(OpenEnum):
    """What a step does with a canary."""

    START = "start"
    ADVANCE = "advance"
    PAUSE = "pause"
    RESUME = "resume"


ALWAYS_SERVE = frozenset({Kind.PROMOTE, Kind.ROLLBACK, Kind.BREAK_GLASS, Kind.CANARY})
"""The kinds that have a stable release. Whether a later kind has one is for the version that makes it."""
