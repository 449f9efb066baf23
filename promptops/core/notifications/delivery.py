"""How far a receiver of notifications is, and what comes of each try to send it something.

Events go to a receiver one after another, in the order of the audit log. One that does not arrive is tried again, after
longer and longer pauses, and the events behind it wait. After three days it is given up, with all others that are as
old: what a receiver gets then is the news, not a backlog of weeks.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from promptops.core.backoff import Dice, backoff

GIVE_UP: Final = timedelta(days=3)
"""For how long an event is tried: over a weekend, and a day to repair the receiver."""

REFUSED_FOR: Final = timedelta(hours=1)
"""For how long an event is tried that the receiver takes for malformed: a new version of it may mend that."""

REFUSALS: Final = frozenset({400, 413, 415, 422})
"""Statuses that are about one event, where all others are about the receiver."""

_FIRST, _FACTOR, _LONGEST, _LEAST = 5.0, 3.0, 900.0, 0.5
"""Seconds of the pauses: a restart is over after the first, and a receiver that is back gets its events within 15
minutes, while one that is away is asked a few hundred times in three days.
"""
_DICE: Final = random.SystemRandom().random
_SAID: Final = 300  # characters of an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How far a receiver is. Everything up to the line ``seq`` was sent, or is not for it.

    The process ``holder`` sends until ``held_until``, and no other one. ``failures`` are those in a row, the first one
    at ``failing_since``. ``given_up`` counts events that never arrived. ``tests`` counts the tests that people wanted,
    ``tested`` those that were made; the last one failed with ``test_error``, if that is not empty.
    """

    receiver: str
    seq: int
    held_until: datetime
    next_try: datetime
    holder: str = ""
    failures: int = 0
    failing_since: datetime | None = None
    error: str = ""
    sent_at: datetime | None = None
    given_up: int = 0
    tests: int = 0
    tested: int = 0
    test_error: str = ""

    def is_due(self, newest: int, now: datetime) -> bool:
        """True if a process should look what there is to send: there are newer lines, or a test, and no other does."""
        waits = self.seq < newest and self.next_try <= now
        return (waits or self.tests > self.tested) and (not self.holder or self.held_until <= now)

    def passed(self, seq: int) -> Delivery:
        """All lines up to this one are done."""
        return replace(self, seq=seq)

    def sent(self, seq: int, now: datetime) -> Delivery:
        """The event of a line arrived."""
        return replace(self, seq=seq, failures=0, failing_since=None, error="", next_try=now, sent_at=now)

    def failed(self, error: str, now: datetime, *, wait: float | None = None, dice: Dice = _DICE) -> Delivery:
        """An event did not arrive; the receiver may have said how many seconds to ``wait``."""
        failures = self.failures + 1
        pause = backoff(failures, first=_FIRST, factor=_FACTOR, longest=_LONGEST, least=_LEAST, dice=dice)
        pause = max(pause, min(wait or 0.0, _LONGEST))
        return replace(
            self,
            failures=failures,
            failing_since=self.failing_since or now,
            error=error[:_SAID],
            next_try=now + timedelta(seconds=pause),
        )

    def gave_up(self, seq: int, count: int, now: datetime, *, refused: bool) -> Delivery:
        """These many events up to a line are not tried any more; one that was ``refused`` says nothing of the next."""
        done = replace(self, seq=seq, given_up=self.given_up + count)
        return replace(done, failures=0, failing_since=None, next_try=now) if refused else done

    def test_made(self, error: str, now: datetime) -> Delivery:
        """The newest test arrived, or failed with an error. One that arrived ends the pause for what waits."""
        done = replace(self, tested=self.tests, test_error=error[:_SAID])
        return done if error else replace(done, next_try=now, sent_at=now)


class End(StrEnum):
    """Whether an event that just failed is tried again."""

    NOT_YET = "not-yet"
    REFUSED = "refused"
    TOO_OLD = "too-old"


def end_of(at: datetime, failing: Delivery, status: int, now: datetime) -> End:
    """Returns whether an event of this time is tried again after it failed with a status, 0 for no answer."""
    lasted = now - (failing.failing_since or now)
    if status in REFUSALS and lasted >= REFUSED_FOR:
        return End.REFUSED
    return End.TOO_OLD if lasted >= GIVE_UP and now - at >= GIVE_UP else End.NOT_YET
