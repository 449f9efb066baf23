"""The registry itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityDocument:
    """Which registry this is. ``lineage`` tells it from every other one of its name.

    ``epoch`` counts how often it came back from a backup or from git.
    """

    registry: str
    lineage: str
    epoch: int
