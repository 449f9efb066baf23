"""A canary whose first step has too few keys to see anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from promptops.core.names import AppName, ChannelName


@dataclass(frozen=True, slots=True, kw_only=True)
class LowTraffic:
    """The first step of a canary, at a ``weight`` in basis points, aborts one of whose keys ``share`` are bad at the
    ``guardrail`` in a day only after ``sees``, and lasts ``wait`` at most. ``sees`` is None for more than 90 days.

    With ``tripled``, the share is three times that of the stable release. ``keys_a_day`` are those of both sides.
    """

    app: AppName
    channel: ChannelName
    version: str
    weight: int
    keys_a_day: int
    guardrail: str
    share: float
    tripled: bool
    sees: timedelta | None
    wait: timedelta
