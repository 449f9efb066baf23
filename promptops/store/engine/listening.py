"""Listens for PostgreSQL's notifications of changes, or polls if they do not arrive.

A pooler that gives each transaction another session (PgBouncer in transaction mode) accepts LISTEN and delivers
nothing, and a standby refuses it. So each connection is tested first: a second one sends a notification. If the first
does not receive it, it reads the head of the audit log five times a second, which moves with every fact.

This uses libpq through ``psycopg.pq`` and waits by itself. psycopg's ``Connection.notifies()`` wakes ten times a second
while nothing happens, and this once in five seconds. And a ``Connection`` has no time limit for a statement: a pooler
whose server is gone takes LISTEN and answers minutes later, which would block the thread and the call that closes the
watch.
"""

from __future__ import annotations

import os
import select
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from promptops.store.engine.database import TOPIC, Place, beginning

if TYPE_CHECKING:
    from sqlalchemy import Dialect

ASK_EVERY: Final = 0.2
"""Seconds between two questions: a change is seen after half of that on average. One costs the server about 0.1 ms."""

_TRIAL: Final = 1.0
"""Seconds that the trial notification may take; it arrives within milliseconds, or never behind a pooler."""

_ANSWER_WITHIN: Final = 5.0
"""Seconds that one statement may take before the connection counts as lost."""

# The kernel notices a server that vanished without closing its connection, within 25 s.
_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}


class Way(StrEnum):
    """How a watch sees changes."""

    FILE = "file"
    """SQLite's file: the kernel notifies of writes to it, or the watch reads it every 20 ms."""
    NOTIFY = "notify"
    """PostgreSQL sends a notification, within milliseconds."""
    POLL = "poll"
    """The watch queries PostgreSQL a few times a second, since its notifications do not arrive."""


class Listener:
    """Listens to a PostgreSQL server. Every wait is in :class:`_Line`, and :meth:`wake` ends it."""

    def __init__(self, place: Place, dialect: Dialect) -> None:
        from psycopg import Error, conninfo

        own = {"application_name": "promptops watch", "client_encoding": "utf8"}
        self._addresses = []
        # Without blocking, libpq does not move on from a host that never answers, so each host is tried by itself.
        for url in [place.at(*host) for host in place.hosts] or [place.url]:
            settings = dialect.create_connect_args(url)[1]
            settings.pop("context", None)
            self._addresses.append(conninfo.make_conninfo(**{**_ALIVE, **settings, **own}).encode())
        self._question = "; ".join((beginning(place.schemas), "SELECT seq, hash FROM audit_head", "COMMIT"))
        self._troubles = (Error, OSError)
        self._line: _Line | None = None
        self._ear, self._bell = os.pipe()
        self._heard = False
        self._seen: object = None
        self.way = Way.NOTIFY

    def connect(self, seconds: float) -> bool:
        """Connect anew within this time, and find out whether notifications arrive."""
        share = seconds / len(self._addresses)
        return any(self._connect(address, time.monotonic() + share) for address in self._addresses)

    def _connect(self, address: bytes, until: float) -> bool:
        self._drop()
        try:
            self._line = _Line(address, self._ear)
            if not self._line.greet(until):
                self._drop()
                return False
            self.way = Way.NOTIFY if self._receives(self._line, address, until) else Way.POLL
            if self.way is Way.POLL:
                self._line.ask(f"UNLISTEN {TOPIC}", until)
                self._seen = self._head(self._line)
        except self._troubles:
            self._drop()
            return False
        return True

    def changed(self, seconds: float) -> bool | None:
        """Wait up to this long.

        Returns True for a change, False for none or after :meth:`wake`, None for a lost connection.
        """
        assert self._line is not None
        until = time.monotonic() + seconds
        try:
            while not self._hears(self._line):
                if self.way is Way.POLL and self._moved(self._line):
                    return True
                left = until - time.monotonic()
                if self.way is Way.POLL:
                    if left <= 0 or self._line.rung:
                        return False
                    left = min(left, ASK_EVERY)
                if self._line.ready(left, reading=True):
                    self._line.take_in()
                elif self.way is Way.NOTIFY:
                    return False
        except self._troubles:
            self._drop()
            return None
        return True

    def wake(self) -> None:
        """End the current wait, and every later one."""
        os.write(self._bell, b"!")

    def close(self) -> None:
        """Close the connection and the pipe."""
        self._drop()
        ends, self._ear, self._bell = (self._ear, self._bell), -1, -1
        for end in ends:
            if end >= 0:
                os.close(end)

    def _receives(self, line: _Line, address: bytes, until: float) -> bool:
        """True if a notification from another connection arrives here. One from this connection proves nothing: a
        pooler forwards the answers of the session that it currently lends.
        """
        trial = f"{TOPIC}_{os.urandom(8).hex()}"
        if line.ask(f"LISTEN {TOPIC}; LISTEN {trial}", until) is None:
            return False
        other = _Line(address, self._ear)
        try:
            if not other.greet(until) or other.ask(f"NOTIFY {trial}", until) is None:
                return False
        except self._troubles:  # the server may refuse a second connection
            return False
        finally:
            other.finish()
        arrived = False
        until = min(until, time.monotonic() + _TRIAL)
        while not arrived:
            line.take_in()
            for topic in line.notified():
                arrived |= topic == trial
                self._heard |= topic == TOPIC
            if not arrived and not line.ready(until - time.monotonic(), reading=True):
                break
        line.ask(f"UNLISTEN {trial}", time.monotonic() + _ANSWER_WITHIN)
        return arrived

    def _hears(self, line: _Line) -> bool:
        # A notification may have arrived with the answer to an earlier statement.
        heard, self._heard = self._heard, False
        return TOPIC in line.notified() or heard

    def _moved(self, line: _Line) -> bool:
        before, self._seen = self._seen, self._head(line)
        return self._seen != before

    def _head(self, line: _Line) -> object:
        """Returns the end of the audit log, or None if it cannot be read."""
        until = time.monotonic() + _ANSWER_WITHIN
        head = line.ask(self._question, until)
        if head is None and not line.rung:
            line.ask("ROLLBACK", until)
        return self._seen if line.rung else head

    def _drop(self) -> None:
        if self._line is not None:
            self._line.finish()
            self._line = None
        self._heard = False


class _Line:
    """A connection whose waits end at their deadline, or when the bell is rung."""

    def __init__(self, address: bytes, ear: int) -> None:
        from psycopg import pq

        self._ear = ear
        self.rung = False
        self._connection: Any = pq.PGconn.connect_start(address)

    def greet(self, until: float) -> bool:
        """Finish connecting and authenticating."""
        from psycopg.pq import PollingStatus

        status = PollingStatus.WRITING
        while status != PollingStatus.OK:
            if status == PollingStatus.FAILED or not self.ready(
                until - time.monotonic(), reading=status == PollingStatus.READING
            ):
                return False
            status = self._connection.connect_poll()
        return True

    def ask(self, question: str, until: float) -> tuple[bytes | None, ...] | None:
        """Returns the first row of the answer, or an empty one; None if it was refused, or the bell rang.

        Raises:
            psycopg.Error: the connection is lost. TimeoutError: no answer until the deadline.
        """
        from psycopg.pq import ExecStatus

        row: tuple[bytes | None, ...] | None = ()
        self._connection.send_query(question.encode())
        while True:
            while self._connection.is_busy():
                if not self.ready(until - time.monotonic(), reading=True):
                    if self.rung:
                        return None
                    raise TimeoutError
                self._connection.consume_input()
            result = self._connection.get_result()
            if result is None:
                return row
            if result.status == ExecStatus.TUPLES_OK and result.ntuples and row is not None:
                row = tuple(result.get_value(0, column) for column in range(result.nfields))
            elif result.status == ExecStatus.FATAL_ERROR:
                row = None

    def take_in(self) -> None:
        """Read what has arrived."""
        self._connection.consume_input()

    def notified(self) -> list[str]:
        """Returns the topics of the notifications since the last call."""
        topics = []
        while (notified := self._connection.notifies()) is not None:
            topics.append(notified.relname.decode())
        return topics

    def ready(self, seconds: float, *, reading: bool) -> bool:
        """Wait for the connection; False after a timeout, or if the bell was rung."""
        line = self._connection.socket
        poll = select.poll()
        poll.register(self._ear, select.POLLIN)
        poll.register(line, select.POLLIN if reading else select.POLLOUT)
        ready = {file for file, _ in poll.poll(max(0.0, seconds) * 1000)}
        self.rung |= self._ear in ready
        return self._ear not in ready and line in ready

    def finish(self) -> None:
        """Close the connection."""
        self._connection.finish()
