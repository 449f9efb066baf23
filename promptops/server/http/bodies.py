"""The body of a request -> its JSON, within limits that keep one request from costing the others their memory.

In this order: what the headers say of it, its bytes up to the route's limit, how many values it has, and only then the
values. Large ones have a turn: one for each token while they are read, and one in all from there to the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter, to_thread
from starlette.types import Receive

from promptops.core.digest import parse_canonical
from promptops.core.errors import DeadlineExceeded, Invalid, RequestInvalid, RequestTooLarge
from promptops.core.json_size import require_few
from promptops.server.live.turns import Turns
from promptops.server.settings import KIB

if TYPE_CHECKING:
    from promptops.core.model import Json
    from promptops.server.http.call import Call
    from promptops.server.http.routing import Route
    from promptops.server.settings import Limits

LARGE: Final = 256 * KIB
"""Bodies over this have a turn."""

_SLOW: Final = 16 * KIB
"""Bodies over this are parsed in a thread, since the others would wait for it."""

_READING: Final = 4
"""Large bodies read at a time, each of a different token: a slow one delays only its own token."""


class Bodies:
    """Reads bodies. Used on the event loop only."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._reading, self._using = Turns(_READING, 1), Turns(1, 1)
        self._parsers = CapacityLimiter(2)

    async def read(self, call: Call, route: Route, receive: Receive, held: ExitStack) -> Json:
        """The JSON of a body; None without a body. Resources to release after the work go to ``held``.

        Raises:
            RequestInvalid, RequestTooLarge, TooManyRequests: it is refused.
            DeadlineExceeded: it, or its turn, took too long.
        """
        limit = route.largest or self._limits.body
        length = require_size(call.headers, limit)
        if length == 0 and b"transfer-encoding" not in call.headers:
            return None
        _require_json(call.headers)
        if length > LARGE:
            _count(call, route, length)
        with ExitStack() as reading:
            body = await self._bytes(call, receive, limit, reading)
            if len(body) > LARGE:
                if not length:
                    _count(call, route, len(body))
                await call.take_turn(self._using, self._limits.deadline, held)
        if not body:
            return None
        parse = partial(_parse, body, route.elements or self._limits.elements)
        try:
            return await to_thread.run_sync(parse, limiter=self._parsers) if len(body) > _SLOW else parse()
        except Invalid as error:
            raise RequestInvalid(f"the body: {error.message[:300]}") from None

    async def _bytes(self, call: Call, receive: Receive, limit: int, reading: ExitStack) -> bytes:
        """The body, up to the limit, and within the deadline from when it has its turn."""
        body, seconds = bytearray(), self._limits.deadline
        turn = False
        until = asyncio.get_running_loop().time() + seconds
        try:
            while True:
                async with asyncio.timeout_at(until):
                    message = await receive()
                body += message.get("body", b"")
                if len(body) > limit:
                    raise _too_large(limit)
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return bytes(body)
                if len(body) > LARGE and not turn:
                    turn = True
                    await call.take_turn(self._reading, seconds, reading)
                    until = asyncio.get_running_loop().time() + seconds
        except TimeoutError:
            raise DeadlineExceeded(
                f"the body of the request did not arrive within {seconds:g} s; nothing was done"
            ) from None


def _count(call: Call, route: Route, size: int) -> None:
    """A large body counts as several requests.

    Raises:
        TooManyRequests
    """
    if call.access.token is not None:
        call.state.counter.take(call.access.owner, route.kind, size // LARGE)


def require_size(headers: Mapping[bytes, bytes], limit: int) -> int:
    """The length that the headers say; 0 where they say none.

    Raises:
        RequestTooLarge: it is over the limit, or no number.
    """
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or len(length) > 15 or int(length) > limit:
        raise _too_large(limit)
    return int(length)


def _require_json(headers: Mapping[bytes, bytes]) -> None:
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise RequestInvalid("the body is compressed, which this server does not accept")
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        raise RequestInvalid("the body's Content-Type is not JSON", hint="Content-Type: application/json")


def _parse(body: bytes, elements: int) -> Json:
    require_few(body, elements)
    return parse_canonical(body, limit=len(body))


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"the body is over {limit:,} bytes", hint="A release has at most 1 MiB; name fewer apps at a time."
    )
