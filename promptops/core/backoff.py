"""How long to wait before the next try: by the number of failures, or as a server says. Callers do the sleeping."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

Dice = Callable[[], float]
"""Draws a number from 0 up to 1."""

_RANDOM: Final = random.SystemRandom()  # has no state that a forked child would share
_MOST_DOUBLINGS: Final = 30  # a float holds 2**30 times any pause, and no pause is longer


def backoff(
    failures: int,
    *,
    first: float,
    factor: float = 2.0,
    longest: float = math.inf,
    least: float = 0.0,
    dice: Dice = _RANDOM.random,
) -> float:
    """Seconds to wait after this many failures in a row, 1 or more.

    The limit is ``first``, then ``factor`` times as much after each failure, up to ``longest``. The wait is drawn from
    the share ``least`` of the limit up to the limit: those who failed together must not come again together
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
    """
    limit = min(longest, first * factor ** min(failures - 1, _MOST_DOUBLINGS))
    return limit * (least + (1 - least) * dice())


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks a client to wait; None where it does not say. Names of headers are in lower case.

    A date is read against the server's own ``Date``, since this machine's clock may be wrong.
    """
    header = headers.get("retry-after", "").strip()
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        return (parsedate_to_datetime(header) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
