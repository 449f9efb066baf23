"""When to ask again: pure, with ``now`` in seconds of a clock that never jumps, and the dice handed in.

Polls come every interval ± 20 %, the first of them at a random moment of it, so that processes that started together
do not come together. After a failure the wait is drawn from 0 up to a limit that doubles from 1 s (full jitter). After
five failures in a row the breaker is open: one probe an interval, until one succeeds. A server's
Retry-After is obeyed, up to ten minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from promptops.core.backoff import Dice as Dice
from promptops.core.backoff import backoff

SPREAD = 0.2
"""Polls are this share of the interval early or late: enough that clients part within a few polls."""

BREAK_AFTER = 5
"""Failures in a row after which there is one probe an interval: by then the server was away for 10 s or more."""

LONGEST = 300.0
"""Seconds; no wait after a failure is longer, unless the interval is. A server is missed for five minutes at most."""

LONGEST_ASKED = 600.0
"""Seconds; no server makes a client wait longer, so one wrong header does not silence it for a day."""


def spread(interval: float, dice: Dice) -> float:
    """Returns the interval, up to 20 % shorter or longer."""
    return interval * (1 + SPREAD * (2 * dice() - 1))


def wait_after(failures: int, dice: Dice, *, most: float = LONGEST) -> float:
    """Returns the seconds to wait after so many failures in a row: from 0 up to 1, 2, 4, 8 …, at most ``most``."""
    return backoff(failures, first=1.0, longest=min(LONGEST, most), dice=dice)


def asked_wait(retry_after: float, dice: Dice) -> float:
    """Returns the seconds to wait after an answer with ``retry_after``."""
    # All clients get the same number: spread them after it, never before.
    return min(max(retry_after, 0.0) * (1 + SPREAD * dice()), LONGEST_ASKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a client takes from outside: seconds that never jump, the time of day, and chance."""

    clock: Callable[[], float]
    now: Callable[[], datetime]
    dice: Dice


class Schedule:
    """When the next poll of one channel is due."""

    __slots__ = ("_dice", "due", "failures", "interval")

    def __init__(self, *, interval: float, now: float, dice: Dice) -> None:
        """The first poll is due at once: a process that starts wants its prompts."""
        self._dice = dice
        self.interval = interval
        self.due = now
        self.failures = 0

    @property
    def broken(self) -> bool:
        """True while there is only one probe an interval."""
        return self.failures >= BREAK_AFTER

    def started(self, now: float) -> None:
        """The first poll was answered: the next one is at a random moment of the interval."""
        self.failures = 0
        self.due = now + self.interval * self._dice()

    def within(self, seconds: float, now: float) -> None:
        """The next poll is at a random moment of so many seconds, or of the interval if that is shorter."""
        self.due = now + min(seconds, self.interval) * self._dice()

    def succeeded(self, now: float) -> None:
        """A poll was answered."""
        self.failures = 0
        self.due = now + spread(self.interval, self._dice)

    def failed(self, now: float, *, retry_after: float | None = None) -> None:
        """A poll got no answer, or one that is no snapshot."""
        self.failures += 1
        # Never longer than a poll: a client that polls often is to notice soon that the server is back.
        longest = self.interval * (1 + SPREAD)
        if self.failures < BREAK_AFTER:
            wait = wait_after(self.failures, self._dice, most=longest)
        elif self.failures == BREAK_AFTER:
            # Clients that lost a server together part here: the first probe is anywhere in the interval.
            wait = longest * self._dice()
        else:
            wait = spread(self.interval, self._dice)
        if retry_after is not None:
            wait = max(wait, asked_wait(retry_after, self._dice))
        self.due = now + wait

    def at_once(self, now: float) -> None:
        """Something may have changed: the next poll is due now."""
        self.due = min(self.due, now)

    def wait(self, now: float) -> float:
        """Returns the seconds until the next poll; 0 if it is due."""
        return max(0.0, self.due - now)
