"""Changes of a channel as they happen: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

::

    retry: 1000
    id: <lineage>.<epoch>.<cursor>
    event: change
    data: {"schema":"promptops.event/1", …}

The first event comes at once: what changed since `Last-Event-ID`, or everything. One event for each change follows;
changes that come together share one event. A comment every 10 seconds keeps proxies from closing the connection.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from promptops import clock
from promptops.core.errors import ChannelNotFound, NotAuthenticated, Unavailable
from promptops.core.token import Scope as TokenScope
from promptops.server.api.client_reads import APP_QUERY, selection
from promptops.server.http.call import Call
from promptops.server.http.protocol import UNREAD
from promptops.server.http.replies import ASK_AGAIN
from promptops.server.http.routing import Routes
from promptops.server.live.feed import Follower, Selection, Served
from promptops.server.live.limits import address_of
from promptops.server.live.tasks import end

if TYPE_CHECKING:
    from promptops.server.live.feed import Feed

_BEGIN = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    ASK_AGAIN,
    (b"connection", b"close"),  # a stream that ends on a full server gives its connection up at once
    (b"x-accel-buffering", b"no"),  # https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
)

routes = Routes("Reading")


@routes.get(
    "/v1/channels/{channel}/events",
    scope=TokenScope.READ,
    direct=True,
    reads=True,
    query=APP_QUERY,
    errors=(ChannelNotFound,),
    answer="events",
)
async def events(call: Call) -> Stream:
    """Follow a channel: one server-sent event a change, with the pointers that changed.

    The first event comes at once, with what changed since the `Last-Event-ID`, or with all apps. `id` is the
    snapshot's lineage, epoch and cursor: after a restore, the same cursor of another epoch is another snapshot.
    """
    await call.state.channel(call.path["channel"])
    return Stream(call, selection(call))


class Stream:
    """One answer that goes on until the client leaves, its token becomes invalid, or the server ends."""

    def __init__(self, call: Call, wanted: Selection) -> None:
        self._call = call
        self._channel = call.path["channel"]
        self._wanted = wanted
        self._feed: Feed = call.state.feed
        self._follower = Follower(call.access.owner)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._call.method == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": _BEGIN})
            await send({"type": "http.response.body"})
            return
        whose = self._call.access.owner, address_of(scope.get("client")), self._follower
        self._call.state.streams.enter(*whose)
        leaving = asyncio.create_task(_left(receive, self._follower))
        self._feed.follow(self._channel, self._follower)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _BEGIN})
            await self._run(send)
            await send({"type": "http.response.body", "body": b""})
        finally:
            if UNREAD in scope:
                self._call.state.metrics.slow.inc()
            self._feed.leave(self._channel, self._follower)
            self._call.state.streams.leave(*whose)
            await end(leaving)

    async def _run(self, send: Send) -> None:
        """Send the first event, and then one for each change, until the follower ends."""
        sent = self._feed.newest(self._channel)
        if sent is None:
            return
        resumed = self._feed.past(self._channel, self._call.header("last-event-id") or "")
        first, _ = sent.event(resumed, self._wanted)
        await self._send(send, b"retry: 1000\n" + _event(sent, first))
        ping = self._call.state.settings.limits.ping
        clock_of_loop = asyncio.get_running_loop().time
        sent_at = clock_of_loop()
        while not self._follower.ended:
            await self._follower.changed.wait()
            self._follower.changed.clear()
            try:
                await self._require_valid()
                served = self._feed.newest(self._channel) or sent
            except NotAuthenticated:
                return
            except Unavailable:
                served = sent  # the token cannot be checked now, so only comments are sent
            data, changed = served.event(sent.snapshot, self._wanted)
            sent = served
            if changed:
                await self._send(send, _event(served, data))
                sent_at = clock_of_loop()
            elif clock_of_loop() - sent_at >= ping:
                await send({"type": "http.response.body", "body": b": ping\n\n", "more_body": True})
                sent_at = clock_of_loop()

    async def _require_valid(self) -> None:
        """A stream ends when its token does."""
        access, state = self._call.access, self._call.state
        if access.token is not None:
            await state.tokens.of(access.digest, clock.now())

    async def _send(self, send: Send, text: bytes) -> None:
        await send({"type": "http.response.body", "body": text, "more_body": True})
        self._call.state.metrics.events.inc()


def _event(served: Served, data: bytes) -> bytes:
    return b"id: %s\nevent: change\ndata: %s\n\n" % (served.mark.encode("ascii"), data)


async def _left(receive: Receive, follower: Follower) -> None:
    """End the follower when the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
    follower.end()
