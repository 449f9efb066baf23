"""What those who run the server ask: whether it lives and is ready, its metrics, its documentation."""

from __future__ import annotations

import json
from functools import cache

from promptops import clock
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import NotAllowed
from promptops.core.token import Scope
from promptops.server.http.call import Call
from promptops.server.http.replies import JSON, NOT_KEPT, Reply
from promptops.server.http.routing import OPEN, Routes
from promptops.server.live import metrics
from promptops.wire import schemas as published

routes = Routes("Operating")


@routes.get("/healthz", scope=OPEN, direct=True, answer="healthy")
async def healthz(call: Call) -> Reply:
    """Whether the process lives. It queries nothing."""
    return Reply(b'{"status":"ok"}', JSON, NOT_KEPT)


@routes.get("/readyz", scope=OPEN, direct=True, answer="ready")
async def readyz(call: Call) -> Reply:
    """Whether requests should be sent here: the registry answers, its guards are there, and changes are followed."""
    reasons, notes = await call.state.readiness.now()
    document = {"status": "not ready" if reasons else "ready", "reasons": list(reasons)}
    document |= {"changes": call.state.feed.way}
    document |= {"notes": list(notes)} if notes else {}
    return Reply(json.dumps(document).encode(), JSON, NOT_KEPT, status=503 if reasons else 200)


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
    call.state.metrics.set_looks(await call.state.looks.now())
    call.state.metrics.set_canaries(await call.state.canary_gauges.now())
    call.state.metrics.set_receivers(await call.state.receivers.now(), clock.now())
    return Reply(call.state.metrics.page(), (b"content-type", metrics.CONTENT_TYPE.encode("ascii")), NOT_KEPT)


@routes.get("/openapi.json", scope=Scope.READ, direct=True, answer="openapi")
async def openapi(call: Call) -> Reply:
    """This documentation."""
    return Reply(call.state.documentation, JSON, NOT_KEPT)


@routes.get("/v1/schemas", scope=Scope.READ, direct=True, answer="schemas")
async def schemas(call: Call) -> Reply:
    """The JSON Schemas of everything that promptops writes for others to read, by name."""
    return Reply(_schemas(), JSON, NOT_KEPT)


@cache
def _schemas() -> bytes:
    return json.dumps({"schemas": published.schemas()}, ensure_ascii=False, separators=(",", ":")).encode()
