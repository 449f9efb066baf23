"""What running applications report of their calls, and the secret that they report with."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any, Final

from anyio import CapacityLimiter, to_thread
from pydantic import Field

from promptops.core.errors import ChannelNotFound, Conflict, Invalid, RegistryMismatch, RequestInvalid
from promptops.core.outcomes.call_id import LONGEST
from promptops.core.outcomes.report import Feedback, OutcomeReport
from promptops.core.timestamp import minute_of
from promptops.core.token import Scope
from promptops.operations.outcomes import Document, Fed, Line, Reported
from promptops.operations.outcomes import report_key as find_report_key
from promptops.server.http.call import Call, CallOf
from promptops.server.http.json_schema import answered, answers
from promptops.server.http.replies import JSON, NOT_KEPT, Reply
from promptops.server.http.routing import Body, Routes
from promptops.server.live.rates import KnownRates
from promptops.use_cases.fields import read_moment
from promptops.wire.codec import schema_of, to_json
from promptops.wire.documents.outcomes import (
    REPORTED,
    FeedbackAnswerDocument,
    OutcomesAnswerDocument,
    ReportKeyDocument,
)
from promptops.wire.outcomes import MAX_BYTES, MAX_VALUES, OUTCOMES, report_from_json

routes = Routes("Reporting")

_EXAMPLE: Final[dict[str, Any]] = {
    "schema": OUTCOMES,
    "client": "4bf92f3577b34da6a3ce929d0e0e4736",
    "number": 17,
    "lineage": "0b0e6c7e-8a0c-4d0f-9f0a-3c2b1d0e9f8a",
    "sums": [
        {
            "app": "support-bot",
            "prompt": "answer",
            "revision": "1.7",
            "arm": "stable",
            "model": "openai/gpt-4o-2024-08-06",
            "minute": 29403712,
            "counts": {"opened": 41, "calls": 40, "input_tokens": 48000, "output_tokens": 9000},
            "errors": {"openai.APITimeoutError": 1},
            "histograms": {"latency_ms": [577, 2, 3, 37]},
        }
    ],
}
_LIST: Final = {"type": "array", "items": {"type": "object"}}
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "`GET /v1/schemas` has all of it as `outcomes-1`.",
    "required": ["schema", "client", "number", "lineage"],
    "properties": {
        "schema": {"type": "string", "enum": [OUTCOMES]},
        "client": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "number": {"type": "integer", "minimum": 1, "description": "Of the documents of this client, from 1."},
        "lineage": {"type": "string", "description": "Of the registry that the client follows."},
        "sdk": {"type": "string"},
        "sums": {**_LIST, "description": "What the calls of each series did in each minute."},
        "bad_units": {**_LIST, "description": "The keys that had a bad event, without the keys."},
        "sampled_units": {**_LIST, "description": "The keys of the sample that made a call, without the keys."},
        "feedback": {**_LIST, "description": "What calls led to, by their ids."},
        "dropped": {"type": "object", "description": "What the client had no room for."},
        "extensions": {"type": "object"},
    },
}
_BODY: Final = {"schema": _SCHEMA, "example": _EXAMPLE}
_ANSWER: Final = {
    "schema": REPORTED,
    "number": 17,
    "counted": True,
    "sample": {"support-bot": 2**32},
    "left_out": {},
    "rates": {"openai/gpt-4o-2024-08-06": [[0, "2.5", "1.25", "2.5", "10"]]},
}
_DOCUMENTED: Final = answers(schema_of(OutcomesAnswerDocument), _ANSWER) | {
    "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": _BODY}}}
}
_FEW: Final = 10
"""Rows and groups of units that are read on the event loop; more are read in a thread, for the others would wait."""
_PRICES: Final = KnownRates()
_READERS: Final = CapacityLimiter(2)


@routes.get(
    "/v1/channels/{channel}/report-key",
    scope=Scope.REPORT,
    direct=True,
    reads=True,
    errors=(ChannelNotFound,),
    answer="report-key",
)
async def report_key(call: Call) -> Reply:
    """The secret with which clients make units and call ids.

    It is the registry's, the same on every channel; the first request makes it. Keep it as you keep a token: with it,
    calls can be invented.
    """
    key = await call.state.ask(find_report_key, call.path["channel"])
    return Reply(json.dumps(to_json(ReportKeyDocument.of(key))).encode(), JSON, NOT_KEPT)


@routes.post(
    "/v1/channels/{channel}/outcomes",
    scope=Scope.REPORT,
    direct=True,
    reads=True,
    largest=MAX_BYTES,
    elements=MAX_VALUES,
    errors=(ChannelNotFound, RegistryMismatch, Conflict),
    **_DOCUMENTED,
)
async def report_outcomes(call: Call) -> Reply:
    """Report what calls did: a document of sums, `promptops.outcomes/1`.

    A document is known by its token, client and number and counts once, so send it again until it is answered. Rows of
    apps that the channel does not have, or for which the token does not report, are left out. A document of another
    registry is refused, and so is one that comes more than 1,024 numbers after its turn.
    """
    channel = call.path["channel"]
    await call.state.channel(channel)
    report = await _read(call, channel)
    document = Document(report=report, token=call.access.owner, allows=partial(_reports, call))
    answer = await call.state.count_report(call.access.owner, document)
    assert isinstance(answer, Reported)
    written = OutcomesAnswerDocument(
        schema_=REPORTED,
        number=answer.number,
        counted=answer.counted,
        sample=answer.sample,
        left_out={reason.value: count for reason, count in sorted(answer.left_out.items())},
        rates=await _PRICES.of({series.model for series, _ in report.sums}),
    )
    return Reply(json.dumps(to_json(written)).encode(), JSON, NOT_KEPT)


class CallFeedback(Body):
    """What a call led to: an outcome by its name, or with a value a score."""

    call_id: Annotated[str, Field(min_length=1, max_length=LONGEST, examples=["pc1:0b0e6c7e:support-bot:prod:1.7s:…"])]
    name: Annotated[str, Field(max_length=64, examples=["ticket_resolved"])]
    value: Annotated[float | None, Field(ge=0, le=1, description="A score.", examples=[1.0])] = None
    at: Annotated[str | None, Field(max_length=40, description="When; now without it.", examples=[None])] = None


@routes.post(
    "/v1/outcomes",
    scope=Scope.REPORT,
    reads=True,
    errors=(RegistryMismatch,),
    **answers(schema_of(FeedbackAnswerDocument), {"counted": True, "reason": ""}),
)
async def report_feedback(call: CallOf, body: CallFeedback) -> Any:
    """Report what a call led to, by its id alone: a ticket was resolved, an answer was found helpful.

    It counts for the release that the call was of. A call and a name count once, so send it again until it is answered.
    `counted` is false for what was counted before (`again`), is more than 60 days ago (`old`), an id that no client of
    this registry made (`forged`), and an app, a prompt or a revision that is not there or not the token's (`unknown`).
    A name that the app does not declare counts as `undeclared`.
    """
    try:
        feedback = Feedback(call=body.call_id, name=body.name, score=body.value)
    except Invalid as error:
        raise RequestInvalid(error.message, hint=error.hint) from error
    minute = None if body.at is None else minute_of(read_moment(body.at))
    line = Line(feedback=feedback, minute=minute, allows=partial(_reports, call))
    answer = await call.state.count_report(call.access.owner, line)
    assert isinstance(answer, Fed)
    return answered(to_json(FeedbackAnswerDocument(counted=answer.counted, reason=answer.reason)))


def _reports(call: Call, channel: str, app: str) -> bool:
    return call.access.allows(Scope.REPORT, channel=channel, app=app)


async def _read(call: Call, channel: str) -> OutcomeReport:
    """The report in the body of a call.

    Raises:
        RequestInvalid: it is not a report.
    """
    document = call.document
    parts = document.values() if isinstance(document, dict) else ()
    few = sum(len(part) for part in parts if isinstance(part, list)) <= _FEW
    try:
        if few:
            return report_from_json(document, channel)
        return await to_thread.run_sync(report_from_json, document, channel, limiter=_READERS)
    except Invalid as error:
        raise RequestInvalid(error.message, hint=error.hint) from error
