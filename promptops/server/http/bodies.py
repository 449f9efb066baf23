"""The body of a request -> its JSON, within limits that keep one request from costing the others their memory.

In this order: what the headers say of it, its bytes up to the route's limit, how many values it has, and only then the
values. Large ones have a turn: one for each token while they are read, and one in all from there to the end. A body of
protobuf is given as bytes; a compressed one counts as large for what it is without compression.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter, to_thread
from starlette.types import Receive

from promptops.core.digest import parse_canonical
from promptops.core.errors import DeadlineExceeded, Invalid, MediaTypeNotTaken, RequestInvalid, RequestTooLarge
from promptops.core.json_size import require_few
from promptops.server.live.turns import Turns
from promptops.server.settings import KIB, MIB

if TYPE_CHECKING:
    from promptops.core.model import Json
    from promptops.server.http.call import Call
    from promptops.server.http.routing import Route
    from promptops.server.settings import Limits

LARGE: Final = 256 * KIB
"""Bodies over this have a turn."""

UNZIPPED: Final = 16 * MIB
"""Bytes of a body that was compressed: four times what an uncompressed one may have, since texts become a tenth."""

_GZIP: Final = 31  # the window of zlib, with the header and the checksum of gzip

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
        if not self._has_body(call, route):
            return None
        _require_json(call.headers)
        body = await self._whole(call, route, receive, held)
        if not body:
            return None
        parse = partial(_parse, body, route.elements or self._limits.elements)
        try:
            return await to_thread.run_sync(parse, limiter=self._parsers) if len(body) > _SLOW else parse()
        except Invalid as error:
            raise RequestInvalid(f"the body: {error.message[:300]}") from None

    async def read_protobuf(self, call: Call, route: Route, receive: Receive, held: ExitStack) -> bytes:
        """The bytes of a body of protobuf, without their compression.

        Raises:
            MediaTypeNotTaken, RequestInvalid, RequestTooLarge, TooManyRequests: it is refused.
            DeadlineExceeded: it, or its turn, took too long.
        """
        zipped = _require_protobuf(call.headers)
        body = await self._whole(call, route, receive, held) if self._has_body(call, route) else b""
        if not zipped or not body:
            return body
        unzip = zlib.decompressobj(_GZIP)
        begin = await to_thread.run_sync(_unzipped, unzip, body, LARGE, limiter=self._parsers)
        if unzip.eof:
            return _ended(unzip, begin)
        if len(body) <= LARGE:
            await call.take_turn(self._using, self._limits.deadline, held)
        rest = unzip.unconsumed_tail
        return _ended(unzip, begin + await to_thread.run_sync(_unzipped, unzip, rest, UNZIPPED, limiter=self._parsers))

    def _has_body(self, call: Call, route: Route) -> bool:
        """Whether the headers say that there is one.

        Raises:
            RequestTooLarge: it is over the route's limit.
        """
        length = require_size(call.headers, route.largest or self._limits.body)
        return length > 0 or b"transfer-encoding" in call.headers

    async def _whole(self, call: Call, route: Route, receive: Receive, held: ExitStack) -> bytes:
        """The bytes of a body that is there; a large one with its turn."""
        limit = route.largest or self._limits.body
        length = require_size(call.headers, limit)
        if length > LARGE:
            _count(call, route, length)
        with ExitStack() as reading:
            body = await self._bytes(call, receive, limit, reading)
            if len(body) > LARGE:
                if not length:
                    _count(call, route, len(body))
                await call.take_turn(self._using, self._limits.deadline, held)
        return body

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


def _media(headers: Mapping[bytes, bytes]) -> bytes:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower()


def _require_protobuf(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the body is compressed.

    Raises:
        MediaTypeNotTaken: it is no protobuf, or compressed in another way than with gzip.
    """
    if _media(headers) != b"application/x-protobuf":
        raise MediaTypeNotTaken(
            "this address takes protobuf, and no JSON",
            hint="Set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL to http/protobuf.",
        )
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding not in (b"identity", b"gzip"):
        raise MediaTypeNotTaken("the body is compressed in a way that this server does not read", hint="Use gzip.")
    return encoding == b"gzip"


def _unzipped(unzip: zlib._Decompress, data: bytes, most: int) -> bytes:
    """At most so many bytes of what is compressed: one member of gzip (RFC 1952)."""
    try:
        return unzip.decompress(data, most)
    except zlib.error as error:
        raise RequestInvalid("the body is not gzip, which its Content-Encoding names") from error


def _ended(unzip: zlib._Decompress, data: bytes) -> bytes:
    """What was compressed, if its end was reached.

    Raises:
        RequestTooLarge: it was not, because of the limit. RequestInvalid: the body is cut, or has something behind it.
    """
    if unzip.unconsumed_tail or len(data) > UNZIPPED:
        raise _too_large(UNZIPPED)
    if not unzip.eof or unzip.unused_data:
        raise RequestInvalid("the body is cut, or there is something behind its end")
    return data


def _require_json(headers: Mapping[bytes, bytes]) -> None:
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise RequestInvalid("the body is compressed, which this server does not accept")
    if _media(headers) != b"application/json":
        raise RequestInvalid("the body's Content-Type is not JSON", hint="Content-Type: application/json")


def _parse(body: bytes, elements: int) -> Json:
    require_few(body, elements)
    return parse_canonical(body, limit=len(body))


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"the body is over {limit:,} bytes", hint="A release has at most 1 MiB; name fewer apps at a time."
    )
