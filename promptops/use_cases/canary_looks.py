"""What is seen of a canary, and a look at it, as rows."""

from __future__ import annotations

from typing import Final

from promptops.core.errors import AppNotFound, NoCanary
from promptops.core.token import Scope
from promptops.operations.canary_look import Looked, LookRequest, look
from promptops.operations.canary_status import CanaryFound, CanaryStatusRequest, canary_status
from promptops.use_cases.fields import CHANGE, body, path
from promptops.use_cases.use_case import UseCase

CANARY_STATUS: Final = UseCase(
    name="canary_status",
    method="GET",
    path="/v1/channels/{channel}/apps/{app}/canary",
    scope=Scope.READ,
    tag="Looking",
    doc="""A canary: both sides, the evidence of each guardrail against its limit, and what its next step needs.

    Where the channel's policy takes the steps, `coins` has the evidence of each guardrail: of keys that were bad once,
    in three different minutes, and in ten. One that reaches its limit aborts the canary. A canary whose steps a person
    takes has none.
    """,
    run=lambda registry, request, caller: canary_status(registry, request, now=caller.now),
    request=CanaryStatusRequest,
    answer=CanaryFound,
    fields=(path("channel"), path("app")),
    errors=(NoCanary,),
)

CANARY_TICK: Final = UseCase(
    name="canary_tick",
    method="POST",
    path="/v1/channels/{channel}/canary-looks",
    scope=Scope.PROMOTE,
    doc="""Look once at the canaries of a channel, and do what its policy says.

    A server does this by itself: after each report with which a guardrail reaches its limit, and once a minute. So this
    is for registries without one. `verb` is `advance`, `pause`, `abort`, `finish` or `hold`, where nothing was to do.
    """,
    run=lambda registry, request, caller: look(registry, request, now=caller.now),
    request=LookRequest,
    answer=tuple[Looked, ...],
    under="looks",
    body=("CanaryLooks", "Which canaries to look at: those of these apps, or of all."),
    fields=(path("channel"), body("apps", max_length=500, example=["support-bot"])),
    errors=(AppNotFound,),
    largest=CHANGE,
)
