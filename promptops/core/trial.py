"""What clients have to know of a canary beside its release, weight and salt: which of its keys are in the sample, which
keys get it first, and from when on a call is slow or dear.

It was frozen when the canary started, so it is the same in every process, and follows from facts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_KEYS: Final = 1_000
"""Keys that get a canary first: a staff, not a part of the users. Every snapshot carries them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From when on a call of a prompt is slow, in milliseconds, and dear, in millionths of a US dollar without a cache;
    None where neither is judged.

    ``slow_ms`` is of calls that read no tokens from a cache, ``cached_slow_ms`` of those that did, where stable has
    no others: a canary has the colder cache, so the two are never compared.
    """

    slow_ms: int | None = None
    cached_slow_ms: int | None = None
    dear_micro_usd: int | None = None

    @property
    def judges_time(self) -> bool:
        """True where a call can be slow."""
        return self.slow_ms is not None or self.cached_slow_ms is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """``sample`` are the thresholds of the canary's and the stable keys (:mod:`promptops.core.outcomes.units`), None
    where they are not frozen; ``keys`` the ``bucket-v1`` hashes of the keys that get the canary first; ``limits`` are
    by the prompt's name within the app.
    """

    sample: tuple[int, int] | None = None
    keys: frozenset[int] = frozenset()
    limits: Mapping[str, Limits] = field(default_factory=dict)
