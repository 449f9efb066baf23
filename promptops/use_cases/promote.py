"""Promote, as a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from promptops.core import free_text
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import (
    AppArchived,
    CanaryInProgress,
    ConcurrentDeployment,
    KeyReused,
    NotAllowed,
    NothingDeployed,
    NothingReported,
    PolicyRefused,
    Quarantined,
    ReleaseNotFound,
    Unloadable,
    Yanked,
)
from promptops.core.policy import PromoteFrom, refusal
from promptops.core.token import Scope
from promptops.operations import promote
from promptops.operations.deploy import Deployed
from promptops.operations.promote import PromoteRequest
from promptops.use_cases.fields import CHANGE, KEY, REFERENCE, REVISION, SECONDS_OR_NONE, body, path
from promptops.use_cases.use_case import Caller, UseCase

if TYPE_CHECKING:
    from promptops.operations.gate_desk import Promotion
    from promptops.store import Registry


def _run(registry: Registry, request: PromoteRequest, caller: Caller) -> Deployed:
    return admitted(
        registry,
        request,
        caller,
        lambda: promote.promote(registry, request, actor=caller.actor, now=caller.now, by=caller.rights.token),
        app=request.reference.app,
    )


def admitted(
    registry: Registry, request: Promotion, caller: Caller, admit: Callable[[], Deployed], *, app: str
) -> Deployed:
    """Let a release into a channel, with the caller's rights to waive checks; a refusal names no hidden channel.

    Raises:
        NotAllowed: the caller may not waive checks there.
    """
    if request.waive:
        require_waives(request, caller, app)
    try:
        return admit()
    except PolicyRefused as refused:
        raise limited(registry, request.channel, refused, caller) from refused


def require_waives(request: Promotion, caller: Caller, app: str) -> None:
    """Checks that the caller may waive checks there; through a server only a person may.

    Raises:
        NotAllowed
    """
    caller.rights.require(Scope.WAIVE, channel=request.channel, app=app)
    token = caller.rights.token
    if token is not None and not token.person:
        raise NotAllowed(
            "a waiver is a person's word, and this token is of no person",
            scope=Scope.WAIVE.value,
            hint=Sentence(
                "A token of a person is made by: ",
                Advice(Action.CREATE_TOKEN, words="an administrator", scope=Scope.WAIVE.value, person="ADDRESS"),
            ),
        )


def limited(registry: Registry, channel: str, refused: PolicyRefused, caller: Caller) -> PolicyRefused:
    """The refusal without hidden names: a policy may take releases from a channel that the token may not see."""
    if all(caller.rights.sees(channel=source) for source in promote.sources(registry, channel)):
        return refused
    reason = f"{channel} takes releases that were live on a channel which this token may not see, and this one was not"
    hint = "Ask the holder of a token for every channel to promote it there first."
    return refusal(
        tuple(
            replace(verdict, reason=reason, hint=hint) if verdict.check == PromoteFrom.name else verdict
            for verdict in refused.verdicts
        )
    )


CALLERS: Final = "Callers are ready for what it changes for them, which a protected channel asks; needs a reason."
BLIND: Final = "A canary starts though no client reports what calls of the app do."

WORDS: Final = (
    body("reason", max_length=free_text.LONGEST, example="shorter answers"),
    body("dry_run"),
    body("blind", description=BLIND),
    body("callers_are_ready", description=CALLERS),
    body("waive", max_length=20, description="Checks of the gate that it need not pass for a while, and `rollout`."),
    body(
        "waive_seconds",
        "waive_for",
        form=SECONDS_OR_NONE,
        ge=1,
        le=2**31,
        description="For how long.",
    ),
)
"""What is said with a promotion."""

PROMOTE = UseCase(
    name="promote",
    method="POST",
    path="/v1/channels/{channel}/promote",
    scope=Scope.PROMOTE,
    doc="""Make a release the stable one of a channel.

    `release` is `app@version`, `app@sha256:…`, or `app:channel` for what another channel serves. The channel's policy
    decides. A release that is live there already stays so: no new revision. Where the policy has a rollout, the release
    becomes the canary at its first step, unless `waive` has `rollout`; one that is on trial already stays so. `waive`
    needs the scope `waive` as well, and a token that is a person's. `contract` in the answer is what changes for
    callers of what was live there; a protected channel refuses a major change unless `callers_are_ready`.
    """,
    run=_run,
    request=PromoteRequest,
    answer=Deployed,
    sample={"reason": "shorter answers"},
    body=("Promotion", "Which release is to be live."),
    fields=(
        path("channel"),
        KEY,
        REVISION,
        body("release", "reference", form=REFERENCE, max_length=300, example="support-bot@0.2.1"),
        *WORDS,
    ),
    errors=(
        ReleaseNotFound,
        NothingDeployed,
        ConcurrentDeployment,
        CanaryInProgress,
        NothingReported,
        KeyReused,
        AppArchived,
        PolicyRefused,
        Quarantined,
        Unloadable,
        Yanked,
    ),
    largest=CHANGE,
)
