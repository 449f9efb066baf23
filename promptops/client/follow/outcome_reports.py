"""Sends a channel's calls to its registry: a document every ten seconds, in a thread of the crew. Nothing waits for it.

First comes the secret of reporting clients. A document is sent with the same number until the registry has it, so it is
counted exactly once. A place that takes no reports, or a token that may not send any, is looked at again once an hour.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping
from functools import partial
from typing import Final

from promptops.client.calls.mailbox import Mailbox
from promptops.client.disk import report_key
from promptops.client.follow.contact import OLD_FOR
from promptops.client.follow.follower import ChannelFollower
from promptops.client.follow.open_places import GRACE, OpenPlaces
from promptops.client.follow.schedule import asked_wait, spread, wait_after
from promptops.client.process import is_loading
from promptops.client.sources.http_messages import SDK
from promptops.client.sources.source import (
    Ask,
    AskReportKey,
    Failed,
    Question,
    SourceAnswer,
    SourcePlace,
    TellOutcomes,
)
from promptops.client.status import LOG, log
from promptops.core.digest import parse_canonical
from promptops.core.errors import Invalid
from promptops.core.escape import one_line
from promptops.core.model import Json
from promptops.core.snapshot import MAX_REVISION

EVERY: Final = 10.0
"""Seconds between two documents."""
LOOK: Final = 1.0
"""Seconds between two looks at what waits: answers are checked, and sums sent, before their room is full."""
_MODELS: Final = 100
"""Models of which the tiers are remembered: those of the newest answers."""
_LAST: Final = 3
"""Documents that a process sends at its end at most: the one that waits, and what came meanwhile."""

_OFF: Final[Mapping[str, str]] = {
    "status-401": "the token is not valid, so calls are not reported",
    "status-403": "the token lacks the scope `report`, so calls are not reported",
    "status-404": "the server takes no reports of calls: it is of 0.5.0 or older, or lacks the channel",
    "unknown": "the source takes no reports of calls",
}
_REFUSED: Final = frozenset(
    {"status-400", "status-409", "status-413", "status-422", "invalid", "conflict", "registry-mismatch"}
)
"""Answers to a document that is not taken, however often it is sent."""


class OutcomeReports:
    """Sends the calls of one channel. Safe for threads; a forked child needs a new object."""

    def __init__(self, follower: ChannelFollower, places: OpenPlaces) -> None:
        self._follower = follower
        self._replica = follower.replica
        self._desk = follower.replica.desk
        self._places = places
        self._lock = threading.Lock()  # never held while anything is asked
        self._over = threading.Event()
        self._over.set()
        self._until = math.inf
        self._has_place = False
        self._key_at = math.inf
        self._due = math.inf
        self._retry_at = 0.0
        self._failures = 0
        self._logged = self._leaving_as = ""
        self._is_leaving = False

    # --- when ---------------------------------------------------------------------------------------

    def wait(self) -> float:
        """Returns the seconds until there is something to do."""
        now = self._replica.world.clock()
        if not self._over.is_set():
            return max(LOOK, self._until + GRACE - now)
        if not self._has_place:
            return math.inf
        return LOOK if self._has_calls else max(0.0, self._key_at - now)

    def turn(self) -> threading.Event:
        """Begin what is due, in another thread; the event is set when that is over."""
        now = self._replica.world.clock()
        if self._is_leaving:  # what begins now would be cut off when the places are closed
            return self._over
        if not self._over.is_set():
            if now > self._until + GRACE:  # a place that drips; what else is asked there is asked again
                for origin in self._places.http():
                    origin.cut()
            return self._over
        if not is_loading() and self._places.is_open and self._replica.contact.place is not None:
            self._look_for_place(now)
            if now >= self._key_at or self._is_due(now):
                return self._begin(now + self._replica.settings.timeout, last=False) or self._over
            self._log_problem()
        return self._over

    def _look_for_place(self, now: float) -> None:
        """A client with several sources may follow a folder for a while, and a server later."""
        place = self._place()
        if place is None:
            followed = self._replica.contact.place
            self._has_place, self._key_at = False, math.inf
            self._turn_off(f"{followed.label if followed else ''} takes no reports of calls")
        elif not self._has_place:
            self._has_place = True
            self._succeeded()
            # An application that reports nothing else about itself reports nothing before it has calls.
            is_early = self._replica.settings.heartbeat and place.is_http
            self._key_at = now if is_early else math.inf
        if self._has_calls and self._key_at == math.inf and not self._has_key:
            self._key_at = now
        if self._has_calls and self._due == math.inf:  # processes that started together part here
            self._due = now + EVERY * self._replica.world.dice()

    def _is_due(self, now: float) -> bool:
        ledger = None if self._desk.is_off else self._desk.ledger
        return ledger is not None and (now >= self._due or ledger.has_answers or ledger.has_much)

    @property
    def _has_calls(self) -> bool:
        return self._desk.ledger is not None and not self._desk.is_off

    def flush(self, seconds: float) -> threading.Event:
        """Send everything now, because the process ends; set when that is over. Turns begin nothing from then on."""
        over = threading.Event()
        self._is_leaving = True
        if self._desk.ledger is None or not self._places.is_open or self._place() is None:
            over.set()
            return over
        deadline = self._replica.world.clock() + seconds
        self._leaving_as = self._follower.identity  # a goodbye that follows makes this another process

        def work() -> None:
            try:
                # What is on its way, or begins just now, has not all of it.
                while (left := deadline - self._replica.world.clock()) > 0:
                    if (begun := self._begin(deadline, last=True)) is not None:
                        begun.wait(left)
                        break
                    self._over.wait(left)
            finally:
                over.set()

        self._places.crew.begin(work)
        return over

    def _begin(self, deadline: float, *, last: bool) -> threading.Event | None:
        """Begin to send; None while it is under way."""
        with self._lock:
            if not self._over.is_set():
                return None
            over = self._over = threading.Event()
            self._until = deadline
        self._places.crew.begin(partial(self._work, deadline, last, over))
        return over

    def _work(self, deadline: float, last: bool, over: threading.Event) -> None:
        try:
            self._send(deadline, last=last)
        except Exception:  # noqa: BLE001 a report that fails is not the application's trouble
            LOG.exception("reporting calls failed", extra={"event": "outcomes-failed"})
            self._retry_at = self._replica.world.clock() + EVERY
        finally:
            over.set()
            self._log_problem()

    # --- what ---------------------------------------------------------------------------------------

    @property
    def _has_key(self) -> bool:
        held = self._replica.held
        return held is not None and bool(self._desk.secret_of(held.snapshot.lineage))

    def _place(self) -> SourcePlace | None:
        """Returns the place to report to: the followed one if it takes reports, else the first that may."""
        contact = self._replica.contact
        places = (contact.place, *self._replica.settings.places)
        return next((place for place in places if place is not None and contact.may_report(place)), None)

    def _send(self, deadline: float, *, last: bool) -> None:
        place, now = self._place(), self._replica.world.clock()
        if place is None or (now >= self._key_at and not self._ask_key(place, deadline)):
            return
        ledger = self._desk.ledger
        if ledger is None or self._desk.is_off:
            return
        ledger.judge()
        if not last and (now < self._retry_at or (now < self._due and not ledger.has_much)):
            return
        for _ in range(_LAST if last else 1):
            if self._replica.world.clock() >= deadline or not self._send_one(place, deadline, last=last):
                break

    def _ask_key(self, place: SourcePlace, deadline: float) -> bool:
        answer = self._ask(place, AskReportKey(channel=self._replica.channel), deadline)
        if isinstance(answer, Failed):
            return False
        try:
            key = report_key.decode(answer.body)
        except (Invalid, ValueError) as error:
            self._failed(Failed(reason="malformed", message=f"the report key: {error}"))
            return False
        self._desk.take_key(key.lineage, key.secret)
        self._key_at = math.inf if self._has_key else self._replica.world.clock() + OLD_FOR
        self._succeeded()
        self._follower.last_good.keep_key(key)
        return True

    def _send_one(self, place: SourcePlace, deadline: float, *, last: bool) -> bool:
        """Send one document; False if there is nothing more to send now."""
        ledger, held, mailbox = self._desk.ledger, self._replica.held, self._desk.mailbox
        if ledger is None or held is None:
            return False
        lineage = held.snapshot.lineage
        document = mailbox.next(
            self._leaving_as if last and self._leaving_as else self._follower.identity,
            lambda client, number: ledger.document(client=client, number=number, lineage=lineage, sdk=SDK, last=last),
        )
        self._due = self._replica.world.clock() + spread(EVERY, self._replica.world.dice)
        if document is None:
            return False
        answer = self._ask(place, TellOutcomes(channel=self._replica.channel, body=document), deadline)
        if isinstance(answer, Failed):
            if answer.reason in _REFUSED:
                self._give_up(mailbox, answer)
            return False
        mailbox.acknowledged()
        self._succeeded()
        self._take(answer)
        return True

    def _ask(self, place: SourcePlace, what: Question, deadline: float) -> SourceAnswer | Failed:
        answer = self._places.answer(Ask(place=place, what=what, deadline=deadline))
        if isinstance(answer, Failed):
            # A file may have a token soon that is valid, so what calls did is kept until then.
            if answer.reason in _OFF and not (place.token_file and answer.reason == "status-401"):
                self._turn_off(_OFF[answer.reason])
                self._key_at = self._replica.world.clock() + OLD_FOR
            elif answer.reason not in _REFUSED:
                self._failed(answer)
        return answer

    # --- what came of it ----------------------------------------------------------------------------

    def _take(self, answer: SourceAnswer) -> None:
        """Take what the registry answers to a document: the sample of each app, and where prices of models change."""
        try:
            document = parse_canonical(answer.body)
        except Invalid:
            return
        rates = document.get("rates") if isinstance(document, Mapping) else None
        if isinstance(rates, Mapping):
            starts_of = {model: _starts(tiers) for model, tiers in rates.items()}
            known = {model: starts for model, starts in starts_of.items() if starts is not None}
            self._desk.tiers = dict(list({**self._desk.tiers, **known}.items())[-_MODELS:])
            priced = {model: found for model, tiers in rates.items() if (found := _rates(tiers))}
            self._desk.rates = dict(list({**self._desk.rates, **priced}.items())[-_MODELS:])
        sample = document.get("sample") if isinstance(document, Mapping) else None
        if isinstance(sample, Mapping):
            self._desk.samples = {
                app: least for app, least in sample.items() if type(least) is int and 0 < least <= 2**32
            }

    def _succeeded(self) -> None:
        self._failures, self._desk.problem, self._desk.is_off = 0, "", False

    def _failed(self, failed: Failed) -> None:
        dice = self._replica.world.dice
        self._failures += 1
        wait = max(LOOK, wait_after(self._failures, dice), asked_wait(failed.retry_after or 0.0, dice))
        self._retry_at = self._replica.world.clock() + wait
        if self._key_at < math.inf:
            self._key_at = self._retry_at
        self._desk.problem = f"calls could not be reported: {failed.message}"

    def _give_up(self, mailbox: Mailbox, failed: Failed) -> None:
        mailbox.refused()
        self._desk.lose({"reports": 1})
        log(
            logging.WARNING,
            "outcomes-failed",
            "%s: a report of calls was refused, and is dropped: %s",
            self._replica.channel,
            failed.message,
        )

    def _turn_off(self, why: str) -> None:
        self._desk.problem, self._desk.is_off = one_line(why), True

    def _log_problem(self) -> None:
        """Log a problem once, if the application has calls to report."""
        if not self._desk.is_used:
            return
        problem, before = self._desk.problem, self._logged
        self._logged = problem
        if problem and problem != before:
            event = "outcomes-off" if self._desk.is_off else "outcomes-failed"
            log(logging.WARNING, event, "%s: %s", self._replica.channel, problem)


def _starts(tiers: Json) -> tuple[int, ...] | None:
    """The numbers of tokens above which a model costs otherwise; None for what is no list of tiers."""
    starts = [tier[0] if isinstance(tier, list) and tier else None for tier in tiers] if isinstance(tiers, list) else []
    if not all(type(start) is int and 0 <= start <= MAX_REVISION for start in starts) or starts[:1] != [0]:
        return None
    return tuple(sorted(start for start in starts[1:] if isinstance(start, int)))


def _rates(tiers: Json) -> tuple[tuple[int, float, float], ...]:
    """What a million tokens of input and of output cost in each tier; empty for what is no list of such tiers."""
    if not isinstance(tiers, list) or _starts(tiers) is None:
        return ()
    try:
        found = tuple((int(tier[0]), float(tier[1]), float(tier[4])) for tier in tiers)
    except (IndexError, TypeError, ValueError, OverflowError):
        return ()
    return found if all(0 <= rate < math.inf for _, *rates in found for rate in rates) else ()
