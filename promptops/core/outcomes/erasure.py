"""Erasures: what was captured of a user's calls, or of one call, is removed. A fact, so that it can be proven.

An erasure names no key. It has the units of the key (:mod:`promptops.core.outcomes.units`), one for each app, which
nothing but the registry's secret relates to the key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.names import AppName
from promptops.core.outcomes.call_id import LONGEST
from promptops.core.outcomes.series import require_line

MAX_UNITS: Final = 10_000
_UNIT: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What was captured of a ``call``, or of all calls of these ``units`` until then, was removed from ``calls`` calls.

    ``number`` counts those of the registry, from 1. ``app`` is empty where it was of every app.

    Raises:
        Invalid: it names a call and units, or a part is malformed.
    """

    number: int
    app: AppName
    call: str
    units: tuple[str, ...]
    calls: int
    reason: str
    actor: str
    at: datetime

    def __post_init__(self) -> None:
        require_line(self.call, "a call id", LONGEST)
        if self.call and self.units:
            raise Invalid("an erasure is of a call or of units, not of both")
        if len(self.units) > MAX_UNITS or list(self.units) != sorted(set(self.units)):
            raise Invalid(f"an erasure has at most {MAX_UNITS:,} units, each once and in order")
        if not all(map(_UNIT.fullmatch, self.units)):
            raise Invalid("a unit has 16 lower-case hex digits")
        if self.number < 1 or self.calls < 0:
            raise Invalid("erasures are counted from 1, and calls from 0")
