"""The steps of a canary, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from promptops.core import free_text
from promptops.core.errors import (
    CanaryInProgress,
    ConcurrentDeployment,
    KeyReused,
    NoCanary,
    NothingReported,
    PolicyRefused,
    PromptopsError,
    Quarantined,
    ReleaseNotFound,
    Unloadable,
    Yanked,
)
from promptops.core.token import Scope
from promptops.core.trial import MAX_KEYS
from promptops.operations.canary import StartRequest, Step, StepRequest, start, step
from promptops.operations.deploy import Deployed
from promptops.use_cases.fields import CHANGE, KEY, REFERENCE, REVISION, SECONDS_OR_NONE, body, path
from promptops.use_cases.nouns import word
from promptops.use_cases.promote import BLIND, CALLERS, admitted
from promptops.use_cases.use_case import Caller, UseCase

if TYPE_CHECKING:
    from promptops.core.rights import Rights
    from promptops.store import Registry

_JUDGED: Final[tuple[type[PromptopsError], ...]] = (PolicyRefused, Quarantined, Unloadable, Yanked)
_WEIGHT: Final = "The part of the keys that gets the release, in basis points: 500 are 5 %."
_FIRST_KEYS: Final = (
    "Keys of colleagues, up to 1,000, that get the release whatever the weight is. They are kept as hashes, no"
    " comparison counts them, and a failure of theirs pauses the canary. The channel needs a rollout."
)
_LARGEST: Final = 1 << 20  # bytes of a request: a thousand keys
_REASON: Final = body("reason", max_length=free_text.LONGEST, example="shorter answers")


def _start(registry: Registry, request: StartRequest, caller: Caller) -> Deployed:
    return admitted(
        registry,
        request,
        caller,
        lambda: start(registry, request, actor=caller.actor, now=caller.now, by=caller.rights.token),
        app=request.reference.app,
    )


def _step(registry: Registry, request: StepRequest, caller: Caller) -> Deployed:
    return admitted(
        registry,
        request,
        caller,
        lambda: step(registry, request, actor=caller.actor, now=caller.now, by=caller.rights.token),
        app=request.app,
    )


def _require(request: StepRequest, scope: Scope, rights: Rights) -> None:
    """Checks the caller's scope: what takes keys away from a canary, or holds it up, is a rollback as well."""
    if request.step not in (Step.PAUSE, Step.ABORT) or not rights.allows(
        Scope.ROLLBACK, channel=request.channel, app=request.app
    ):
        rights.require(scope, channel=request.channel, app=request.app)


CANARY_START: Final = UseCase(
    name="canary_start",
    method="POST",
    path="/v1/channels/{channel}/canaries",
    scope=Scope.PROMOTE,
    doc="""Start a canary.

    Puts a release beside the stable one, for a part of the keys: each key has one of the two for all prompts of the
    app. The channel's policy and gate judge it as they judge a promotion. Where nothing of the app is stable yet, the
    release becomes that. Without `weight`, it begins at the first step of the policy's rollout.
    """,
    run=_start,
    request=StartRequest,
    answer=Deployed,
    sample={"kind": "canary", "reason": "shorter answers"},
    body=("CanaryStart", "Which release is tried, and by how many."),
    fields=(
        path("channel"),
        KEY,
        REVISION,
        body("release", "reference", form=REFERENCE, max_length=300, example="support-bot@0.2.1"),
        body("weight", ge=1, le=9_999, example=500, description=_WEIGHT),
        _REASON,
        body("dry_run"),
        body("blind", description=BLIND),
        body("callers_are_ready", description=CALLERS),
        body("first_keys", max_length=MAX_KEYS, description=_FIRST_KEYS),
        body("waive", max_length=20, description="Checks of the gate that it need not pass for a while."),
        body("waive_seconds", "waive_for", form=SECONDS_OR_NONE, ge=1, le=2**31, description="For how long."),
    ),
    errors=(ReleaseNotFound, CanaryInProgress, NothingReported, ConcurrentDeployment, KeyReused, *_JUDGED),
    largest=_LARGEST,
)

CANARY_STEP: Final = UseCase(
    name="canary_step",
    method="POST",
    path="/v1/channels/{channel}/apps/{app}/canary",
    scope=Scope.PROMOTE,
    doc="""Take a step of a canary.

    `advance` gives it more of the keys, and takes none away; without `weight`, those of the next step of its rollout.
    `finish` gives the release to everyone, and is judged as a promotion is. `pause` and `resume` say whether it may
    grow by itself. `abort` ends it and leaves the stable release; with `quarantine` its release cannot come back. For
    `pause` and `abort` the scope `rollback` is enough. With `no_abort`, the policy does not abort it while the pause
    lasts, for 24 hours at most: a waiver, which needs a reason, the scope `waive`, and a token that is a person's.
    """,
    run=_step,
    request=StepRequest,
    answer=Deployed,
    sample={"kind": "canary", "reason": "no complaints"},
    body=("CanaryStep", "What becomes of the canary, and why."),
    fields=(
        path("channel"),
        path("app"),
        KEY,
        REVISION,
        body("step", form=word(Step), example="advance"),
        body("weight", ge=1, le=9_999, example=2_500, description=_WEIGHT),
        body("quarantine", description="An abort keeps the release of the canary out of the channel from then on."),
        body("no_abort", description="The policy does not abort the canary while this pause lasts."),
        _REASON,
        body("dry_run"),
    ),
    errors=(NoCanary, CanaryInProgress, ConcurrentDeployment, KeyReused, *_JUDGED),
    largest=CHANGE,
    instead=Scope.ROLLBACK,
    require=_require,
)
