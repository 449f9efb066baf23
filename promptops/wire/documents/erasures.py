"""What was erased of what was captured of calls."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self

from promptops.core.outcomes.erasure import Erasure


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureDocument:
    """What was captured of a ``call``, or of all calls of these ``units`` until then, was removed from ``calls`` calls.

    ``number`` counts those of the registry, from 1. ``app`` is empty where it was of every app.
    """

    number: int
    app: str
    call: str
    units: tuple[str, ...]
    calls: int
    reason: str
    actor: str
    at: datetime

    @classmethod
    def of(cls, erasure: Erasure) -> Self:
        return cls(**{field.name: getattr(erasure, field.name) for field in fields(cls)})

    def erasure(self) -> Erasure:
        """Returns the erasure.

        Raises:
            Invalid: it cannot be one.
        """
        return Erasure(**{field.name: getattr(self, field.name) for field in fields(self)})
