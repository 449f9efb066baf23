"""What is seen of a canary, what one would see, and a look at it, as rows."""

from __future__ import annotations

from typing import Final

from promptops.core.errors import AppNotFound, NoCanary, NothingDeployed, ReferenceInvalid, ReleaseNotFound
from promptops.core.token import Scope
from promptops.operations.canary_look import Looked, LookRequest, look
from promptops.operations.canary_plan import CanaryPlanned, CanaryPlanRequest, canary_plan
from promptops.operations.canary_status import CanaryFound, CanaryStatusRequest, canary_status
from promptops.use_cases.fields import CHANGE, body, path, query
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

CANARY_PLAN: Final = UseCase(
    name="canary_plan",
    method="GET",
    path="/v1/channels/{channel}/apps/{app}/canary-plan",
    scope=Scope.READ,
    tag="Looking",
    doc="""What a canary would see, from the keys of the last seven days: said before it starts.

    By step and guardrail: how long it takes to abort a canary that is three times as bad, and to show that an equal one
    is not worse. `proposed` is a rollout for this traffic. On a channel without a rollout, it is about one with 5, 25
    and 50 %. With `release`, a version or a digest, the limits of slow and dear calls are those of its canary.
    """,
    run=lambda registry, request, caller: canary_plan(registry, request, now=caller.now),
    request=CanaryPlanRequest,
    answer=CanaryPlanned,
    sample={
        "release": "0.2.1",
        "unseen_hours": "",
        "slow_times": 1.0,
        "dear_times": 1.3,
        "proposed": {"steps": [{"percent": 25, "bake": "20h"}], "wait": "72h", "guardrails": ["error"]},
    },
    fields=(path("channel"), path("app"), query("release", max_length=100, examples=["0.2.1"])),
    errors=(NothingDeployed, ReferenceInvalid, ReleaseNotFound),
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
