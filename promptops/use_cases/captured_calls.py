"""What was captured of calls, as a row."""

from __future__ import annotations

from promptops.core.errors import AppNotFound, ChannelNotFound
from promptops.core.token import Scope
from promptops.operations.captured_calls import MOST, Captured, CapturedRequest, captured_calls
from promptops.use_cases.fields import MOMENT_OR_EMPTY, path, query
from promptops.use_cases.use_case import UseCase

CAPTURED = UseCase(
    name="captured_calls",
    method="GET",
    path="/v1/channels/{channel}/apps/{app}/captured-calls",
    scope=Scope.CONTENT,
    tag="Looking",
    doc="""The variables of the newest calls of an app on a channel, where the app captures them.

    Without `bad`, they are a sample of all calls; with it, calls that were bad. Equal ones are there once. A call
    with a private variable is left out and counted. `id` is a keyed hash of the prompt and the variables, `cluster` one
    of the call's key.
    """,
    run=lambda registry, request, caller: captured_calls(registry, request, now=caller.now),
    request=CapturedRequest,
    answer=Captured,
    fields=(
        path("channel"),
        path("app"),
        query("last", ge=1, le=MOST),
        query("bad"),
        query("prompt", max_length=200, description="The name of a prompt within the app; all of them if left out."),
        query(
            "until",
            form=MOMENT_OR_EMPTY,
            max_length=40,
            description="ISO 8601 with an offset: no call that came later.",
            examples=["2026-03-01T18:30:00Z"],
        ),
    ),
    errors=(AppNotFound, ChannelNotFound),
)
