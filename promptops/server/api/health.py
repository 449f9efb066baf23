"""What those who run the server ask: whether it lives and is ready, its metrics, its documentation, its clients."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import ChannelNotFound, NotAllowed
from promptops.core.heartbeat import Beat, Clients, LiveClient, State
from promptops.core.token import Scope
from promptops.operations import heartbeats
from promptops.server.http.call import Call, CallOf
from promptops.server.http.json_schema import answered, answers, object_of
from promptops.server.http.replies import JSON, Reply
from promptops.server.http.routing import OPEN, Routes
from promptops.server.live import metrics
from promptops.wire import schemas as published
from promptops.wire.heartbeat import client_to_json, clients_to_json

_NOT_KEPT = (b"cache-control", b"no-store")

routes = Routes("Operating")


@routes.get("/healthz", scope=OPEN, direct=True, answer="healthy")
async def healthz(call: Call) -> Reply:
    """Whether the process lives. It queries nothing."""
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
    """The metrics of this process, for prometheus.

    They count what all tokens do, so the token has to see every channel and app.
    """
    if not call.access.everything:
        raise NotAllowed(
            "this token does not see every channel and app, and metrics are of all of them",
            scope=Scope.READ.value,
            hint=Sentence("A token for all channels and apps is needed: ", Advice(Action.CREATE_TOKEN)),
        )
    return Reply(call.state.metrics.page(), (b"content-type", metrics.CONTENT_TYPE.encode("ascii")), _NOT_KEPT)


@routes.get("/openapi.json", scope=Scope.READ, direct=True, answer="openapi")
async def openapi(call: Call) -> Reply:
    """This documentation."""
    return Reply(call.state.documentation, JSON, _NOT_KEPT)


@routes.get("/v1/schemas", scope=Scope.READ, direct=True, answer="schemas")
async def schemas(call: Call) -> Reply:
    """The JSON Schemas of everything that promptops writes for others to read, by name."""
    return Reply(_schemas(), JSON, _NOT_KEPT)


@cache
def _schemas() -> bytes:
    return json.dumps({"schemas": published.schemas()}, ensure_ascii=False, separators=(",", ":")).encode()


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
    **answers(object_of(clients=_CLIENTS, silent=_CLIENTS), clients_to_json(Clients(live=(_EXAMPLE,)))),
)
def clients(call: CallOf, channel: Annotated[str, Query(max_length=63)] = "") -> Response:
    """The running clients, the revisions that they serve, and the apps that they cannot load.

    `clients` sent a heartbeat within the last 90 seconds; `silent` ones up to 10 minutes ago, without a goodbye since.
    The answer leaves out channels and apps that the token may not see, and a client that follows nothing else. A
    client that came with another token is shown with a substitute `id`, which only distinguishes it from others.
    """
    if channel:
        call.require(Scope.READ, channel=channel)
    found = heartbeats.clients(call.registry, channel, now=call.now)
    return answered(clients_to_json(Clients(live=_seen(call, found.live), silent=_seen(call, found.silent))))


def _seen(call: Call, clients: Iterable[LiveClient]) -> tuple[LiveClient, ...]:
    """The clients as the caller may see them: its own token's in full, of others only what concerns its apps."""
    token = call.access.token
    shown: list[LiveClient | None] = []
    for each in clients:
        if not call.sees(channel=each.beat.channel):
            continue
        if token is None or each.beat.token == token.id:
            shown.append(each)
        else:
            other = each if call.access.everything else each.limited(lambda app: call.sees(app=app))
            shown.append(other and other.under_another_id())
    return tuple(each for each in shown if each is not None)
