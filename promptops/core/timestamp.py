"""One way to write a time for machines."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(at: datetime) -> str:
    """Returns ISO 8601 in UTC with every digit that the time has: ``2026-11-21T18:30:05.123456Z``."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
