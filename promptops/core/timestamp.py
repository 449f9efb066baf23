"""One way to write a time for machines, and one to count it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

HOUR: Final = 60
DAY: Final = 24 * HOUR
"""In minutes."""


def timestamp(at: datetime) -> str:
    """Returns ISO 8601 in UTC with every digit that the time has: ``2026-11-21T18:30:05.123456Z``."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def midnight(at: datetime) -> datetime:
    """Returns when the day of a moment began, in UTC."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def minute_of(at: datetime) -> int:
    """Returns the number of whole minutes since 1970."""
    return int(at.timestamp()) // 60
