"""How many requests are taken of whom: buckets that fill at a steady rate and hold a burst.

A bucket is one number: when it will be full again. (The generic cell rate algorithm, ITU-T I.371.)
"""

from __future__ import annotations

import ipaddress
import math
import time
from enum import StrEnum
from typing import Final

from promptops.core.errors import TooManyRequests
from promptops.server.settings import Limits, Rate

_KEPT: Final = 20_000
_REFUSALS: Final = Rate(a_second=20, burst=40)
_DIGITS: Final = 6
"""Of seconds: what is less is the arithmetic's, and would now and then refuse a first request."""


class RequestKind(StrEnum):
    """The kind of a request; each kind has its own count and its own threads."""

    READ = "read"
    """Reads of running applications."""
    BEAT = "beat"
    """Heartbeats of running applications."""
    LOOKUP = "lookup"
    """Every other request that changes nothing."""
    CHANGE = "change"


class Buckets:
    """One bucket for each key, all of one rate. Used on the event loop only."""

    def __init__(self, rate: Rate) -> None:
        self._pause = 1 / rate.a_second if rate.a_second else 0.0
        self._most = self._pause * rate.burst
        self._full_at: dict[str, float] = {}

    def take(self, key: str, count: int = 1) -> float:
        """Take ``count`` requests, or return the seconds until they fit; never more than a full bucket has."""
        if not self._pause:
            return 0.0
        now = time.monotonic()
        full_at = max(self._full_at.get(key, now), now) + min(self._pause * count, self._most)
        late = round(full_at - now - self._most, _DIGITS)
        if late > 0:
            return late
        self._full_at[key] = full_at
        if len(self._full_at) > _KEPT:
            self._forget(now)
        return 0.0

    def _forget(self, now: float) -> None:
        """Full buckets need not be remembered; if there are few, those that are nearly full go too."""
        latest = sorted(self._full_at.items(), key=lambda item: item[1])[-_KEPT // 2 :]
        self._full_at = {key: full_at for key, full_at in latest if full_at > now}


class Counter:
    """The buckets of one server, and the error when one is empty.

    A token has one for each kind of request, from any address: a flood from one token uses up no other token's, and a
    flood of reads uses up none of changes. An address has one for malformed tokens, and one for well-formed tokens that
    are not valid. The lookup of a token comes before both, so a valid one always gets through.
    """

    def __init__(self, limits: Limits) -> None:
        self._of_tokens = {
            RequestKind.READ: Buckets(limits.reads),
            RequestKind.BEAT: Buckets(limits.beats),
            RequestKind.LOOKUP: Buckets(limits.others),
            RequestKind.CHANGE: Buckets(limits.others),
        }
        self._nothing, self._unknown = Buckets(limits.failures), Buckets(limits.failures)
        self._refusals = Buckets(_REFUSALS)

    def take(self, token: str, kind: RequestKind, count: int = 1) -> None:
        """Count one request of this token, or one that is as much work as several.

        Raises:
            TooManyRequests: it has sent too many.
        """
        if (late := self._of_tokens[kind].take(token, count)) > 0:
            raise _too_many("requests", late)

    def refuses_often(self, owner: str) -> bool:
        """Count a refusal of this token or address, and say whether there were many lately."""
        return self._refusals.take(owner) > 0

    def take_nothing(self, address: str) -> None:
        """Count one request without anything that could be a token.

        Raises:
            TooManyRequests: there were too many from this address.
        """
        if (late := self._nothing.take(address)) > 0:
            raise _too_many("requests without a valid token", late)

    def take_unknown(self, address: str) -> None:
        """Count one request with a token that is unknown, revoked or expired.

        Raises:
            TooManyRequests: there were too many from this address.
        """
        if (late := self._unknown.take(address)) > 0:
            raise _too_many("requests without a valid token", late)


def address_of(client: object) -> str:
    """Whom a request counts for: the address; of IPv6 the network, which one customer has as a whole."""
    host = str(client[0]) if isinstance(client, (tuple, list)) and client else ""
    if ":" not in host:
        return host
    try:
        address = ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return host
    return str(address.ipv4_mapped or ipaddress.IPv6Network((address, 64), strict=False).network_address)


def _too_many(what: str, late: float) -> TooManyRequests:
    return TooManyRequests(f"too many {what}", retry_after=max(1, math.ceil(late)))
