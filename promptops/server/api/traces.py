"""OTLP/HTTP: what spans say of the releases that they are stamped with. All other spans are dropped."""

from __future__ import annotations

from functools import partial
from typing import Final

from anyio import CapacityLimiter, to_thread
from starlette.responses import Response

from promptops.core.errors import MediaTypeNotTaken
from promptops.core.spans.batch import Batch
from promptops.core.token import Scope
from promptops.operations.outcomes import Taken
from promptops.operations.spans import new_batch, report_spans
from promptops.server.http.call import Call, CallOf
from promptops.server.http.otlp import answer, read_spans
from promptops.server.http.routing import Media, Routes
from promptops.server.settings import MIB

routes = Routes("Reporting")

LARGEST: Final = 4 * MIB
"""Bytes of a request as it is sent: batches of 512 spans with the texts of requests and answers are smaller."""

_THREADS: Final = CapacityLimiter(1)
"""Spans are counted by one thread: they wait for one another, and no other request waits for them."""

_BINARY: Final = {Media.PROTOBUF.value: {"schema": {"type": "string", "format": "binary"}}}
_ANSWER: Final = {Media.PROTOBUF.value: {**_BINARY[Media.PROTOBUF.value], "example": "(empty where all were taken)"}}


@routes.post(
    "/v1/traces",
    scope=Scope.REPORT,
    reads=True,
    media=Media.PROTOBUF,
    largest=LARGEST,
    errors=(MediaTypeNotTaken,),
    response_class=Response,
    responses={200: {"description": "An ExportTraceServiceResponse.", "content": _ANSWER}},
    openapi_extra={"requestBody": {"required": True, "content": _BINARY}},
)
async def traces(call: CallOf) -> Response:
    """Report spans: OTLP/HTTP in protobuf, also compressed with gzip.

    Counted are requests to models whose span has `promptops.revision`, with `promptops.app`, `promptops.channel`,
    `promptops.variant` and `gen_ai.prompt.name`; each once, also if it is sent again. Every other span is dropped.
    `partial_success` names how many stamped spans were rejected, and why the first one was. A body is at most 4 MiB, 16
    MiB without its compression, and has at most 20,000 spans.
    """
    batch, taken = await to_thread.run_sync(_count, call, limiter=_THREADS)
    if taken is not None:
        call.state.metrics.count_outcomes(taken)
    return Response(answer(batch), media_type=Media.PROTOBUF)


def _count(call: Call) -> tuple[Batch, Taken | None]:
    batch = new_batch(call.registry)
    read_spans(call.body, batch)
    allows = partial(_reports, call)
    return batch, report_spans(call.registry, batch, now=call.now, allows=allows, known=call.state.known)


def _reports(call: Call, channel: str, app: str) -> bool:
    return call.access.allows(Scope.REPORT, channel=channel, app=app)
