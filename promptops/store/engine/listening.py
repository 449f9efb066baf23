"""Listens for PostgreSQL's notifications of changes, or polls if they do not arrive.

A pooler that gives each transaction another session (PgBouncer in transaction mode) accepts LISTEN and delivers
nothing, and a standby refuses it. So each connection is tested first: a second one sends a notification. If the first
does not receive it, it reads the head of the audit log five times a second, which moves with every fact.

This uses libpq through ``psycopg.pq`` and waits by itself. psycopg's ``Connection.notifies()`` wakes ten times a second
while nothing happens, and this once in five seconds. And a ``Connection`` has no time limit for a statement: a pooler
whose server is gone takes LISTEN and answers minutes later, which would hold the thread and whatever closes the watch.
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
_ANSWER_WITHIN: Final = 5.0
# A server that is gone without a word is noticed by the kernel, not by us: within 25 s.
_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}


class Way(StrEnum):
    """How a watch sees changes."""

    FILE = "file"
    """SQLite's file: the kernel notifies of writes to it, or it is asked every 20 ms."""
    NOTIFY = "notify"
    """PostgreSQL sends a notification, within milliseconds."""
    POLL = "poll"
    """PostgreSQL is asked a few times a second, since its notifications do not arrive."""


class Listener:
    """A PostgreSQL server. Everything that could block does so in :class:`_Line`, which :meth:`wake` ends."""

    def __init__(self, place: Place, dialect: Dialect) -> None:
        from psycopg import Error, conninfo

        named = {"application_name": "promptops watch", "client_encoding": "utf8"}
        self._addresses = []
        # libpq gives up on a host that says nothing only where it may block, so each host has a turn of its own.
        for url in [place.at(*host) for host in place.hosts] or [place.url]:
            settings = dialect.create_connect_args(url)[1]
            settings.pop("context", None)
            self._addresses.append(conninfo.make_conninfo(**{**_ALIVE, **settings, **named}).encode())
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
            self.way = Way.NOTIFY if self._is_told(self._line, address, until) else Way.POLL
            if self.way is Way.POLL:
                self._line.ask(f"UNLISTEN {TOPIC}", until)
                self._seen = self._head(self._line)
        except self._troubles:
            self._drop()
            return False
        return True

    def changed(self, seconds: float) -> bool | None:
        """Wait up to this long: True for a change, False for none or where woken, None where the connection is lost."""
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
        """Let go of everything."""
        self._drop()
        ends, self._ear, self._bell = (self._ear, self._bell), -1, -1
        for end in ends:
            if end >= 0:
                os.close(end)

    def _is_told(self, line: _Line, address: bytes, until: float) -> bool:
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
        except self._troubles:  # there may be no second connection to be had
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
        # What came along with an earlier answer is not on the wire any more.
        heard, self._heard = self._heard, False
        return TOPIC in line.notified() or heard

    def _moved(self, line: _Line) -> bool:
        before, self._seen = self._seen, self._head(line)
        return self._seen != before

    def _head(self, line: _Line) -> object:
        """The end of the audit log, or a mark that it cannot be read."""
        until = time.monotonic() + _ANSWER_WITHIN
        found = line.ask(self._question, until)
        if found is None and not line.rung:
            line.ask("ROLLBACK", until)
        return self._seen if line.rung else found

    def _drop(self) -> None:
        if self._line is not None:
            self._line.finish()
            self._line = None
        self._heard = False


class _Line:
    """One connection that never blocks beyond the given time, nor after the bell was rung."""

    def __init__(self, address: bytes, ear: int) -> None:
        from psycopg import pq

        self._ear = ear
        self.rung = False
        self._connection: Any = pq.PGconn.connect_start(address)

    def greet(self, until: float) -> bool:
        """Go through what comes before the first question."""
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
        """The first row of the answer, or an empty one; None where it was refused, or the bell rang.

        Raises:
            psycopg.Error: the connection is lost. TimeoutError
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
        """Read what came."""
        self._connection.consume_input()

    def notified(self) -> list[str]:
        """The topics of what was notified since this was asked last."""
        found = []
        while (notified := self._connection.notifies()) is not None:
            found.append(notified.relname.decode())
        return found

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
        """Hang up."""
        self._connection.finish()
