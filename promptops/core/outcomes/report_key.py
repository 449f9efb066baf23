"""The secret of the clients that report to a registry: ids of units and of calls are made with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from promptops.core.outcomes.units import require_secret

SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportKey:
    """The secret of a registry, which its lineage tells from others. ``repr`` leaves the secret out.

    Raises:
        Invalid: the secret is too short.
    """

    registry: str
    lineage: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        require_secret(self.secret)
