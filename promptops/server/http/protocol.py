"""Limits the connections of a server: their number, the time for headers, and the time a client may read nothing.

A connection that sends no HTTP gets an error as its answer. uvicorn on h11 does the rest; h11 limits headers in size.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

from promptops.core.errors import PromptopsError, RequestInvalid, TooManyRequests
from promptops.server.http.connections import Resting
from promptops.server.http.gate import ACCESS, HOLD
from promptops.server.live.access import Access
from promptops.server.live.limits import address_of
from promptops.server.live.pace import Pace
from promptops.wire.problem import MEDIA_TYPE, to_problem

UNREAD: Final = "promptops.unread"
"""In the scope of a request whose connection was closed, because its client read nothing."""

_AUTHORIZATION: Final = re.compile(rb"\nauthorization:[ \t]*([^\r\n]+)", re.IGNORECASE)


class Bounded(H11Protocol):
    """One connection. :func:`protocol` sets its limits: how many connections there may be, how many seconds headers
    may take, and for how many seconds the client may read nothing of an answer."""

    most: ClassVar[int]
    seconds: ClassVar[float]
    patience: ClassVar[float]
    resting: ClassVar[Resting[Bounded]]
    pace: ClassVar[Pace]
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    _owner: str = ""
    _rested: bool = False
    _queued: str = ""
    """The lane in which a request waits to be parsed; empty without one."""
    _held: bool = False
    """Whether a request was parsed and waits for its turn, or to be refused."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most and not self._make_room():
            transport.write(_FULL)
            transport.close()
            return
        self._note_rest()
        self._expect_headers(self.seconds)

    @property
    def _between(self) -> bool:
        """Whether no request is being answered."""
        cycle = getattr(self, "cycle", None)  # uvicorn declares that there is always one
        return cycle is None or bool(cycle.response_complete)

    def _hold(self, waits: bool) -> bool:
        self._held = waits
        self._note_rest()
        return not self.transport.is_closing()

    def _note_rest(self, *, gone: bool = False) -> None:
        """Report whether the connection may give way: it waits for its turn, or for its peer to send or to read."""
        gone = gone or self.transport.is_closing()
        rests = not gone and (
            bool(self._queued) or self._held or self._between or self.cycle.more_body or self.flow.write_paused
        )
        owner = self._queued or self._whose()
        if (rests, owner) != (self._rested, self._owner):
            if self._rested:
                self.resting.remove(self._owner, self)
            if rests:
                self.resting.add(owner, self)
            self._rested, self._owner = rests, owner

    def _whose(self) -> str:
        """Returns the owner by the last request: its token's id or, without a token, the client's address."""
        cycle = getattr(self, "cycle", None)
        if cycle is None:
            return address_of(self.client)
        access = cycle.scope.get(ACCESS)
        return (access.owner if isinstance(access, Access) else "") or address_of(cycle.scope["client"])

    def _make_room(self) -> bool:
        """Close the connection that gives way, if there is one."""
        oldest = self.resting.first()
        if oldest is None:
            return False
        # Closing is reported late, by connection_lost: until then the connection must not be counted or chosen again.
        self.connections.discard(oldest)
        oldest._note_rest(gone=True)
        if oldest._between:
            oldest.transport.close()
        else:
            oldest.transport.abort()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_timer()
        self._forget_stalled()
        self._note_rest(gone=True)
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Parse the received bytes when it is the owner's turn. Until then, read at most one further piece."""
        if self._queued:
            self.flow.pause_reading()
            return
        waiting, _ = self.conn.trailing_data
        if not waiting or self.pace.goes():
            self._handle()
            return
        self._queued = self._lane(waiting)
        self.pace.when(self._queued, self._go_on)
        self._note_rest()

    def _lane(self, waiting: bytes) -> str:
        """Returns whose turn a request takes: by the token in its headers, which is not verified here."""
        header = _AUTHORIZATION.search(waiting)
        return str(hash(header[1])) if header else self._whose()

    def _go_on(self) -> None:
        self._queued = ""
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self._handle()

    def _handle(self) -> None:
        before: Any = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._forget_timer()
            self.cycle.scope[HOLD] = self._hold  # type: ignore[typeddict-unknown-key]
            if {b"content-length", b"transfer-encoding"} <= {name for name, _ in self.headers}:
                # A proxy may have read another end of this request, so the connection closes: RFC 9112, section 6.1.
                self.cycle.scope["headers"] = [*self.headers, CLOSE_HEADER]
        if not self.transport.is_closing():
            self._note_rest()

    def on_response_complete(self) -> None:
        done: Any = self.cycle
        self._hold(False)
        super().on_response_complete()
        if self.cycle is done and not self.transport.is_closing():
            self._expect_headers(self.timeout_keep_alive + self.seconds)

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state is h11.IDLE:
            self.transport.write(_NONSENSE)
            self.transport.close()
        else:  # an answer is under way, and a second one cannot be sent inside it
            self.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # the client does not read the last answer, and close() would wait for it
        super().timeout_keep_alive_handler()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._note_rest()
        self._expect_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._note_rest()
        self._forget_stalled()

    def _expect_reading(self, before: int | None = None) -> None:
        """Abort the connection when the client reads nothing for ``patience`` seconds; otherwise check again."""
        waiting = self.transport.get_write_buffer_size()
        if before is not None and waiting >= before:
            if self.cycle is not None:
                self.cycle.scope[UNREAD] = True  # type: ignore[typeddict-unknown-key]
            self.transport.abort()
        else:
            self._stalled = self.loop.call_later(self.patience, self._expect_reading, waiting)

    def _forget_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _expect_headers(self, within: float) -> None:
        self._forget_timer()
        self._timer = self.loop.call_later(within, self.transport.abort)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def protocol(connections: int, seconds: float, patience: float, pace: Pace) -> type[H11Protocol]:
    """Returns the protocol class of one server, with its own limits: the most connections, the ``seconds`` for the
    headers of a request, and the seconds of ``patience`` with a client that reads nothing of its answer."""
    limits = {"most": connections, "seconds": seconds, "patience": patience}
    return type("Bounded", (Bounded,), {**limits, "pace": pace, "resting": Resting[Bounded]()})


def _refusal(status: int, error: PromptopsError, more: bytes = b"") -> bytes:
    """Returns a whole HTTP answer as bytes, for connections whose request was not parsed."""
    body = json.dumps({**to_problem(error), "status": status}).encode()
    head = b"HTTP/1.1 %d \r\ncontent-type: %s\r\ncontent-length: %d\r\npromptops-api: 1\r\n%sconnection: close\r\n\r\n"
    return head % (status, MEDIA_TYPE.encode("ascii"), len(body), more) + body


_FULL: Final = _refusal(
    503, TooManyRequests("this server has as many connections as it takes", retry_after=5), b"retry-after: 5\r\n"
)
_NONSENSE: Final = _refusal(400, RequestInvalid("this is no HTTP request, or its headers are too large"))
