"""Holds, ``promptops/hold-v1``: short texts that keep a conversation on the release that it began with.

::

    ph1:9f86d081:support-bot:prod:1.12c500:5e884898:20422:1.4.0:n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg

The parts are the first 8 hex digits of the SHA-256 of the registry's lineage, the app, the channel, what the
conversation was assigned to (the revision after its epoch, the first letter of the arm, and the weight of the canary in
basis points), the same digits of the canary's salt (``-`` without one), the day it was made (since 1970, in UTC), and
the version and the digest of the release (base64url without padding, RFC 4648). An application keeps it with the
conversation, on its own side. It is not sealed: a text that is no hold, or that names what is not there, holds nothing.

A hold says when it was made by the day, so that the holds of all conversations of a day are one text.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from promptops.core.model import is_name, is_segment
from promptops.core.reference import VERSION

DAYS: Final = 30
"""Whole days after which a hold is over. What was withdrawn in so many days is what a snapshot has to name."""
LONGEST: Final = 400
"""Characters of a hold, for columns that keep one. A usual one has about a hundred."""

_FORM: Final = re.compile(
    r"ph1:(?P<lineage>[0-9a-f]{8}):(?P<app>[^:]{1,63}):(?P<channel>[^:]{1,63})"
    r":(?P<epoch>0|[1-9][0-9]{0,6})\.(?P<revision>0|[1-9][0-9]{0,9})(?P<arm>[scfn])(?P<weight>0|[1-9][0-9]{0,4})"
    r":(?P<salt>[0-9a-f]{8}|-):(?P<day>0|[1-9][0-9]{0,6}):(?P<version>[^:]{1,150}):(?P<digest>[A-Za-z0-9_-]{43})",
    re.ASCII,
)
_ARMS: Final = {"s": "stable", "c": "canary", "f": "fixed", "n": "named"}
_NUMBERS: Final = ("epoch", "revision", "weight", "day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """What a hold says. ``lineage`` and ``salt`` are :func:`mark` of them, ``salt`` is ``-`` without a canary."""

    lineage: str
    app: str
    channel: str
    epoch: int
    revision: int
    arm: str
    weight: int
    salt: str
    day: int
    version: str
    digest: str

    @property
    def ends(self) -> int:
        """The day from which on it holds nothing: so many whole ones are between it and the day it was made on."""
        return self.day + DAYS + 1

    def is_over(self, day: int) -> bool:
        """Returns True on a day on which it holds nothing any more; also where a clock says that it is not made yet."""
        return not self.day - 1 <= day < self.ends

    def __str__(self) -> str:
        digest = urlsafe_b64encode(bytes.fromhex(self.digest.removeprefix("sha256:"))).decode().rstrip("=")
        place = f"{self.app}:{self.channel}:{self.epoch}.{self.revision}{self.arm[0]}{self.weight}"
        return f"ph1:{self.lineage}:{place}:{self.salt}:{self.day}:{self.version}:{digest}"


def read_hold(text: object) -> Hold | None:
    """Returns what a hold says; None for anything else. Never raises."""
    match = _FORM.fullmatch(text) if isinstance(text, str) and len(text) <= LONGEST else None
    if match is None:
        return None
    said = match.groupdict()
    numbers = {name: int(said.pop(name)) for name in _NUMBERS}
    digest = f"sha256:{urlsafe_b64decode(said.pop('digest') + '=').hex()}"
    arm, version = _ARMS[said.pop("arm")], said["version"]
    hold = Hold(**said, **numbers, arm=arm, digest=digest)  # type: ignore[arg-type]
    is_one = is_name(hold.app) and is_name(hold.channel) and VERSION.fullmatch(version) and is_segment(version)
    return hold if is_one and str(hold) == text else None


def day_of(seconds: float) -> int:
    """Returns the day of a moment in seconds since 1970."""
    return int(seconds) // 86_400


def mark(text: str) -> str:
    """Returns 8 hex digits by which a lineage or a salt is recognised."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
