"""Sends to each receiver what happened since the last event that it got: by a cursor over the audit log.

A change writes nothing for this, so it is as fast with receivers as without, and what was committed has its event. Any
number of processes may send: one at a time has a receiver, for a while, and another one goes on where it was killed. So
an event may be sent twice, always with the same id.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from promptops._version import __version__
from promptops.core.errors import Invalid
from promptops.core.model import Deployment
from promptops.core.notifications.address import read_target
from promptops.core.notifications.delivery import GIVE_UP, Delivery, End, end_of
from promptops.core.notifications.event import Event, Source, event_of, id_of, kind_of, trial_event
from promptops.core.notifications.receiver import Format, ReceiverSettings, read_receiver
from promptops.core.notifications.signature import Secrets, credentials, headers, read_secrets
from promptops.operations.webhook import Answer, Post

if TYPE_CHECKING:
    from promptops.store import Reader, Registry, Writer
    from promptops.store.facts.kind import JournalEntry

LEASE: Final = timedelta(minutes=2)
"""How long a process has a receiver without a sign of life: longer than a notification takes, its name included."""

PAGE: Final = 200
"""Lines of the log that are read at a time."""

_KEEP_EVERY: Final = 1000  # lines that are not for a receiver, after which it is kept that they are done
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Next:
    """What comes next for a receiver: an event with its line, if there is one, and the last line before it."""

    line: JournalEntry | None
    event: Event | None
    until: int


class Sender:
    """Sends for one process. Safe for threads, one for each receiver."""

    def __init__(
        self,
        registry: Registry,
        *,
        secrets: Callable[[], Secrets],
        now: Callable[[], datetime],
        holder: str,
        send: Callable[[Post], Answer],
    ) -> None:
        self._registry, self._secrets, self._now, self._holder, self._send = registry, secrets, now, holder, send
        self._source = Source(name=registry.name, lineage=registry.lineage)
        self._desk = threading.Lock()  # one connection to the database, however many receivers there are
        self._newest = -1
        self._nothing: dict[str, int] = {}
        self._ended = threading.Event()

    def end(self) -> None:
        """Begin nothing more. What is on its way may arrive, and the next process sends it again."""
        self._ended.set()

    def due(self) -> tuple[str, ...]:
        """Returns the receivers for which there may be something to send now.

        Raises:
            RegistryUnavailable
        """
        with self._desk, self._registry.read() as reader:
            desk = reader.deliveries()
            known, newest = desk.all(), desk.newest()
            receivers = desk.receivers() if newest != self._newest else ()
        if newest < self._newest:  # the registry came back from a backup, and has other lines from there on
            self._nothing.clear()
        missing = {r.name for r in receivers if r.settings is not None} - {each.receiver for each in known}
        for name in sorted(missing):
            self._write(partial(begin_again, name=name, now=self._now()))
        self._newest = newest  # after what may fail, so that another look finds it
        now = self._now()
        return tuple(
            each.receiver
            for each in known
            if each.is_due(newest, now)
            and (each.tests > each.tested or newest > self._nothing.get(each.receiver, each.seq))
        )

    def send(self, name: str) -> None:
        """Send what waits for a receiver, until nothing is left or something does not arrive.

        Raises:
            RegistryUnavailable
        """
        taken = self._take(name)
        if taken is None:
            return
        delivery, settings = taken
        try:
            while not self._ended.is_set():
                done = self._step(delivery, settings)
                if done is None:
                    break
                delivery, goes_on = done
                if not self._keep(delivery) or not goes_on:
                    break
        finally:
            self._keep(replace(delivery, holder="", held_until=self._now()))

    def send_all(self, names: Collection[str] = ()) -> None:
        """Send what is due now, to all receivers at once or to some, and return when that is done.

        Raises:
            RegistryUnavailable
        """
        threads = [
            threading.Thread(target=self.send, args=(name,), name=f"notifications {name}", daemon=True)
            for name in self.due()
            if not names or name in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # --- the database ----------------------------------------------------------------------------

    def _write(self, work: Callable[[Writer], T]) -> T:
        with self._desk:
            return self._registry.write(work, flush=False)

    def _take(self, name: str) -> tuple[Delivery, ReceiverSettings] | None:
        now = self._now()
        delivery = self._write(lambda writer: writer.deliveries().take(name, self._holder, now, now + LEASE))
        if delivery is None:
            return None
        with self._desk, self._registry.read() as reader:
            receiver = next((each for each in reader.deliveries().receivers() if each.name == name), None)
        if receiver is None or receiver.settings is None:
            return None
        try:
            return delivery, read_receiver(name, receiver.settings)
        except Invalid as error:  # a newer promptops wrote it
            self._keep(replace(delivery.failed(error.message, now), holder="", held_until=now))
            return None

    def _keep(self, delivery: Delivery) -> bool:
        return self._write(lambda writer: writer.deliveries().keep(delivery, self._holder))

    def _next(self, delivery: Delivery, settings: ReceiverSettings) -> _Next:
        with self._desk, self._registry.read() as reader:
            line, until = first_for(reader, settings, delivery.seq)
            event = event_of(line.audit, _deployment(reader, line), self._source) if line is not None else None
            return _Next(line=line, event=event, until=until)

    # --- what is sent ----------------------------------------------------------------------------

    def _step(self, delivery: Delivery, settings: ReceiverSettings) -> tuple[Delivery, bool] | None:
        """Returns how far the receiver is after one notification, and whether to go on; None if nothing is left."""
        held = replace(delivery, held_until=self._now() + LEASE)
        if held.tests > held.tested:
            id, event = trial_event(held.tests, held.receiver, self._source, self._now())
            answer = self._deliver(id, event, held, settings)
            return held.test_made(answer.error, self._now()), True
        if held.next_try > self._now():
            return None
        found = self._next(held, settings)
        if found.line is None or found.event is None:
            self._nothing[held.receiver] = found.until
            return (held.passed(found.until), False) if found.until >= held.seq + _KEEP_EVERY else None
        answer = self._deliver(id_of(found.line.audit, held.receiver), found.event, held, settings)
        now = self._now()
        if not answer.error:
            return held.sent(found.line.seq, now), True
        failed = held.failed(answer.error, now, wait=answer.wait)
        end = end_of(found.event.at, failed, answer.status, now)
        if end is End.NOT_YET:
            return failed, False
        if end is End.REFUSED:
            return failed.gave_up(found.line.seq, 1, now, refused=True), True
        until, count = self._too_old(held, settings, now)
        return failed.gave_up(until, count, now, refused=False), False

    def _too_old(self, delivery: Delivery, settings: ReceiverSettings, now: datetime) -> tuple[int, int]:
        """Returns the last line that is too old to be tried, and how many events there are up to it."""
        until, count = delivery.seq, 0
        with self._desk, self._registry.read() as reader:
            while lines := reader.journal(after=until, limit=PAGE):
                for line in lines:
                    if now - line.audit.at < GIVE_UP:
                        return until, count
                    until, count = line.seq, count + _is_for(settings, line)
        return until, count

    def _deliver(self, id: str, event: Event, delivery: Delivery, settings: ReceiverSettings) -> Answer:
        try:
            own = credentials(delivery.receiver, settings.url, self._secrets())
            target = read_target(own.url, settings.private)
        except Invalid as error:
            return Answer(error=error.message)
        slack = settings.format is Format.SLACK
        if not slack and not own.keys:
            return Answer(error=f"the server has no secret that signs for {delivery.receiver}")
        body = event.slack() if slack else event.body()
        signed = headers(id, int(self._now().timestamp()), body, own.keys)
        agent = {"User-Agent": f"promptops/{__version__}"}
        return self._send(Post(target=target, headers={**agent, **signed}, body=body, private=settings.private))


def secrets_in(path: str) -> Secrets:
    """Returns the secrets of a file; none for an empty path. It is read each time, so secrets change without a restart.

    Raises:
        Invalid: the file cannot be read, or has a line that is not complete.
    """
    if not path:
        return {}
    try:
        return read_secrets(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Invalid(f"the file of secrets of receivers cannot be read: {reason}") from error


def pending(reader: Reader, delivery: Delivery, settings: ReceiverSettings, most: int) -> tuple[int, datetime | None]:
    """Returns how many events wait for a receiver, of at most that many lines, and the time of the oldest."""
    lines = [line for line in reader.journal(after=delivery.seq, limit=most) if _is_for(settings, line)]
    return len(lines), lines[0].audit.at if lines else None


def first_for(reader: Reader, settings: ReceiverSettings, after: int) -> tuple[JournalEntry | None, int]:
    """Returns the first line behind one that is for a receiver, and the last one up to which none is."""
    while lines := reader.journal(after=after, limit=PAGE):
        for line in lines:
            if _is_for(settings, line):
                return line, after
            after = line.seq
    return None, after


def begin_again(writer: Writer, name: str, now: datetime) -> None:
    """Begin with a receiver if it is not known how far it is: the registry was rebuilt from git.

    It gets what may not have arrived, and not years of history again.
    """
    writer.lock_log()
    desk = writer.deliveries()
    if all(each.receiver != name for each in desk.all()):
        desk.begin(name, desk.start_of(name, now - GIVE_UP), now)


def _is_for(settings: ReceiverSettings, line: JournalEntry) -> bool:
    kind = kind_of(line.audit)
    return bool(kind) and settings.takes(kind, line.audit.app, line.audit.channel)


def _deployment(reader: Reader, line: JournalEntry) -> Deployment | None:
    if line.segment(0) != "channels":
        return None
    fact = next((record.fact for record in reader.facts([line])), None)
    return fact if isinstance(fact, Deployment) else None
