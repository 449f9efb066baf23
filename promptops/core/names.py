"""The names of apps and channels: what can be one, and the types of fields that hold one.

By the types :mod:`promptops.core.visibility` finds what a request or an answer names.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, TypeAlias

NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
"""App and channel names: lower case, up to 63 characters."""

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""The name of a tag, a score, or something that a call led to: ``language``, ``helpful``, ``ticket_resolved``."""

SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""One segment of a prompt's name; ``writing/density_refiner`` has two."""

_DEVICES = frozenset({"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(10)})


def is_segment(text: str) -> bool:
    """True for a segment that is safe as a file, a git ref and a URL on every platform.

    Refuses what git, Windows or shells give another meaning: ``..``, a ``.lock`` ending, device names.
    """
    if not SEGMENT.fullmatch(text) or ".." in text or text.lower().endswith((".lock", ".")):
        return False
    return text.lower().split(".", 1)[0] not in _DEVICES


def is_name(text: str) -> bool:
    """True for an app's or a channel's name: a segment in lower case, up to 63 characters."""
    return NAME.fullmatch(text) is not None and is_segment(text) and text != "head"


class Names(StrEnum):
    """What a field of a request or an answer names, or counts."""

    APP = "app"
    CHANNEL = "channel"
    EVERYTHING = "everything"


AppName: TypeAlias = Annotated[str, Names.APP]
ChannelName: TypeAlias = Annotated[str, Names.CHANNEL]
Total: TypeAlias = Annotated[int, Names.EVERYTHING]
"""A number that counts all apps and channels together: 0 for a caller that does not see all of them."""
