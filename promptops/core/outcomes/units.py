"""Units: the keys that a canary counts, in a form that tells no key, and which of them are in an app's sample.

A unit's id is the beginning of an HMAC of the key (RFC 2104, SHA-256) with the secret that reporting clients hold::

    id = hex(HMAC-SHA256(secret, utf8("promptops/unit-v1" + NUL + app + NUL + key))[0:8])       16 hex digits

Without the secret, a guess at the key cannot be compared with it. The app is part of it, so that one user has unrelated
ids in two apps. Golden vectors are in ``tests/vectors/unit.json``.

A unit's bucket (:mod:`promptops.core.bucketing`) is *not* secret to a reader of snapshots, who has the salt: it is one
of 10,000, and the buckets of two rollouts beside one id single out a key among millions of guesses. So the two go to
the registry together, and are never shown to others: a call id has them encrypted.

A unit is in the sample if the first 32 bits of its id, as a number, are below a threshold. This does not depend on the
salt, so the sample of a rollout is as good as any. There are two thresholds, so that a small canary gives as many keys
as the stable side does.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from typing import Final

from promptops.core.bucketing import WHOLE, bucket, utf8
from promptops.core.errors import Invalid

EVERY: Final = 2**32
"""The threshold that takes every unit."""
KEYS_A_DAY: Final = 10_000
"""Keys that each arm gives to the sample in a day, or all it has."""
SHORTEST_SECRET: Final = 16
"""Bytes of a secret: 128 bits cannot be guessed."""

_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A key of an app without the key: the id made of it, and its bucket, None where no canary has a salt.

    Raises:
        Invalid: the id is not 16 hex digits, or the bucket not from 0 to 9,999.
    """

    id: str
    bucket: int | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise Invalid(f"{self.id[:80]!r} is not a unit: it has 16 lower-case hex digits")
        if self.bucket is not None and not 0 <= self.bucket < WHOLE:
            raise Invalid(f"{self.bucket} is not a bucket from 0 to {WHOLE - 1:,}")

    def order(self) -> tuple[str, int]:
        """Returns its place among others."""
        return self.id, -1 if self.bucket is None else self.bucket

    @classmethod
    def of(cls, secret: bytes, app: str, key: str, *, salt: str = "") -> Unit:
        """Returns the unit of a key; ``salt`` is that of the app's canary, empty without one.

        Raises:
            Invalid: the secret is too short.
        """
        require_secret(secret)
        made = hmac.digest(secret, utf8(f"promptops/unit-v1\0{app}\0{key}"), "sha256")
        return cls(id=made[:8].hex(), bucket=bucket(salt, key) if salt else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Which units of an app are in its sample: ``canary`` is the threshold of those whose bucket is below the weight,
    ``stable`` that of all others; 0 takes none and :data:`EVERY` all.

    Raises:
        Invalid: a threshold is not from 0 to 2^32.
    """

    canary: int
    stable: int

    def __post_init__(self) -> None:
        if not 0 <= min(self.canary, self.stable) <= max(self.canary, self.stable) <= EVERY:
            raise Invalid(f"{self}: a threshold is from 0 to 2^32")

    @classmethod
    def giving(cls, keys_a_day: int, *, weight: int = 0, wanted: int = KEYS_A_DAY) -> Sample:
        """Returns the sample to which each arm gives about the wanted keys a day, of this many that the app has.

        Raises:
            Invalid: a number is negative.
        """
        if min(keys_a_day, weight, wanted) < 0:
            raise Invalid("a sample is of at least 0 keys, at a weight of at least 0")
        canary, stable = (keys_a_day * part for part in (weight, WHOLE - weight))
        return cls(canary=_threshold(canary, wanted), stable=_threshold(stable, wanted))

    def has(self, unit: Unit, weight: int) -> bool:
        """Returns whether a unit is in the sample while a canary has this weight in basis points, 0 without one."""
        below = unit.bucket is not None and unit.bucket < weight
        return int(unit.id[:8], 16) < (self.canary if below else self.stable)

    def has_either_way(self, unit: Unit) -> bool:
        """Returns whether a unit is in the sample on whichever side it is, so that its side was drawn by the salt."""
        return int(unit.id[:8], 16) < min(self.canary, self.stable)

    def estimate(self, canary: int, stable: int) -> tuple[float, float]:
        """Returns how many keys the canary and the stable side had in all, from those of each that are in the sample.

        10,000 sampled keys estimate it within 2 % in 19 of 20 times, and where all are sampled they are all.

        Raises:
            Invalid: there are sampled keys of a side of which the sample takes none.
        """
        if (canary and not self.canary) or (stable and not self.stable):
            raise Invalid(f"{canary} keys of the canary and {stable} others are not from the sample {self}")
        return canary * EVERY / (self.canary or EVERY), stable * EVERY / (self.stable or EVERY)

    @property
    def quotient(self) -> float:
        """How many times as likely a canary's key is in the sample as a stable one: the odds are multiplied by it.

        Raises:
            Invalid: the stable side gives nothing, and there is no such number.
        """
        if not self.stable:
            raise Invalid("a sample without stable keys compares nothing")
        return self.canary / self.stable


def require_secret(secret: bytes) -> None:
    """Checks the secret of reporting clients.

    Raises:
        Invalid: it is too short.
    """
    if len(secret) < SHORTEST_SECRET:
        raise Invalid(f"a secret of {len(secret)} bytes can be guessed; it has at least {SHORTEST_SECRET}")


def _threshold(keys: int, wanted: int) -> int:
    """The threshold for the wanted keys; ``keys`` is in units of 1/10,000."""
    return EVERY if keys <= wanted * WHOLE else -(-EVERY * wanted * WHOLE // keys)
