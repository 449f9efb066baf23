"""What those who run the server ask: whether it lives and is ready, its metrics, its documentation, its clients."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from promptops.core.errors import ChannelNotFound
from promptops.core.presence import Beat, LiveClient, State
from promptops.core.token import Scope
from promptops.operations import presence
from promptops.server import metrics
from promptops.server.call import Call, CallOf
from promptops.server.replies import JSON, Reply
from promptops.server.routing import OPEN, Routes
from promptops.server.shown import answered, answers, object_of
from promptops.wire.presence import client_to_json

_NOT_KEPT = (b"cache-control", b"no-store")

routes = Routes("Operating")


@routes.get("/healthz", scope=OPEN, direct=True, answer="healthy")
async def healthz(call: Call) -> Reply:
    """Whether the process lives. It asks nothing of anybody."""
    return Reply(b'{"status":"ok"}', JSON, _NOT_KEPT)


@routes.get("/readyz", scope=OPEN, direct=True, answer="ready")
async def readyz(call: Call) -> Reply:
    """Whether requests should be sent here: the registry answers, its guards are there, and changes are followed."""
    reasons, notes = await call.state.readiness.now()
    document = {"status": "not ready" if reasons else "ready", "reasons": list(reasons)}
    document |= {"changes": call.state.feed.way}
    document |= {"notes": list(notes)} if notes else {}
    return Reply(json.dumps(document).encode(), JSON, _NOT_KEPT, status=503 if reasons else 200)


@routes.get("/metrics", scope=Scope.READ, direct=True, answer="metrics")
async def metrics_page(call: Call) -> Reply:
    """The metrics of this process, for prometheus."""
    return Reply(call.state.metrics.page(), (b"content-type", metrics.CONTENT_TYPE.encode("ascii")), _NOT_KEPT)


@routes.get("/openapi.json", scope=Scope.READ, direct=True, answer="openapi")
async def openapi(call: Call) -> Reply:
    """This documentation."""
    return Reply(call.state.documentation, JSON, _NOT_KEPT)


_EXAMPLE: Final = LiveClient(
    beat=Beat(
        id="4bf92f3577b34da6a3ce929d0e0e4736",
        channel="prod",
        name="web-3:4711",
        sdk="promptops/0.1.0 python/3.11.7",
        state=State.READY,
        lineage="0b0e6c7e-8a0c-4d0f-9f0a-3c2b1d0e9f8a",
        epoch=1,
        revisions={"support-bot": 7},
    ),
    seen_at=datetime(2026, 3, 1, 18, 30, tzinfo=UTC),
    comparable=True,
    behind=(),
)
_CLIENTS: Final = {"type": "array", "items": {"type": "object", "required": [*client_to_json(_EXAMPLE)]}}


@routes.get(
    "/v1/clients",
    scope=Scope.READ,
    errors=(ChannelNotFound,),
    **answers(object_of(clients=_CLIENTS), {"clients": [client_to_json(_EXAMPLE)]}),
)
def clients(call: CallOf, channel: Annotated[str, Query(max_length=63)] = "") -> Response:
    """The clients that were heard of within the last 90 seconds, and which revisions they serve.

    Channels and apps that the token may not see are left out, and so is a client that serves nothing else.
    """
    if channel:
        call.require(Scope.READ, channel=channel)
    found = presence.clients(call.registry, channel, now=call.now)
    shown = [_seen(call, each) for each in found if call.sees(channel=each.beat.channel)]
    return answered({"clients": [client_to_json(each) for each in shown if each is not None]})


def _seen(call: Call, client: LiveClient) -> LiveClient | None:
    """The client with the apps that the caller may see; None where it serves others only."""
    if call.access.everything:
        return client
    revisions = {app: number for app, number in client.beat.revisions.items() if call.sees(app=app)}
    if client.beat.revisions and not revisions:
        return None
    behind = tuple(app for app in client.behind if app in revisions)
    return replace(client, beat=replace(client.beat, revisions=revisions), behind=behind)
