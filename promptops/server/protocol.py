"""Connections: how many, how long one may take to send its headers, and what is said to one that speaks no HTTP.

uvicorn on h11 does the rest. h11 bounds the size of headers by itself.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from promptops.core.errors import PromptopsError, RequestInvalid, TooManyRequests
from promptops.server.events import ABORT
from promptops.wire.problem import MEDIA_TYPE, to_problem


class Bounded(H11Protocol):
    """One connection. :func:`protocol` sets how many there may be, and how many seconds headers may take."""

    most: ClassVar[int]
    seconds: ClassVar[float]
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.write(_FULL)
            transport.close()
            return
        self._expect_headers(self.seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_timer()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        before: Any = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._forget_timer()
            self.cycle.scope[ABORT] = self.transport.abort  # type: ignore[typeddict-unknown-key]

    def on_response_complete(self) -> None:
        done: Any = self.cycle
        super().on_response_complete()
        if self.cycle is done and not self.transport.is_closing():
            self._expect_headers(self.timeout_keep_alive + self.seconds)

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state is h11.IDLE:
            self.transport.write(_NONSENSE)
            self.transport.close()
        else:  # an answer is under way, and nothing can be said in between
            self.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # nobody reads the last answer, and closing would wait for that
        super().timeout_keep_alive_handler()

    def _expect_headers(self, within: float) -> None:
        self._forget_timer()
        self._timer = self.loop.call_later(within, self.transport.abort)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def protocol(connections: int, seconds: float) -> type[H11Protocol]:
    """The protocol of one server: at most so many connections, and so many seconds for the headers of a request."""
    return type("Bounded", (Bounded,), {"most": connections, "seconds": seconds})


def _refusal(status: int, error: PromptopsError, more: bytes = b"") -> bytes:
    """A whole answer, for where nothing has been understood yet."""
    body = json.dumps({**to_problem(error), "status": status}).encode()
    head = b"HTTP/1.1 %d \r\ncontent-type: %s\r\ncontent-length: %d\r\npromptops-api: 1\r\n%sconnection: close\r\n\r\n"
    return head % (status, MEDIA_TYPE.encode("ascii"), len(body), more) + body


_FULL: Final = _refusal(
    503, TooManyRequests("this server has as many connections as it takes", retry_after=5), b"retry-after: 5\r\n"
)
_NONSENSE: Final = _refusal(400, RequestInvalid("this is no HTTP request, or its headers are too large"))
