"""Changes over HTTP: one endpoint a use case, the same operations as the command line, and errors with its codes.

Every change that a retry could do twice carries an ``Idempotency-Key``. ``If-Match`` is the revision that the channel
is expected to be at. What a body names besides the address is checked against the token here, and an all-apps rollback
again inside its transaction, when it is known which apps it changes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from pydantic import Field
from starlette.responses import Response

from promptops.core import free_text
from promptops.core import override as overrides
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.checks import PromoteFrom, refusal
from promptops.core.errors import (
    ConcurrentDeployment,
    KeyReused,
    NeverDeployed,
    NotAllowed,
    NothingDeployed,
    NothingToRollBackTo,
    NotQuarantined,
    OverrideExpired,
    OverrideInvalid,
    OverrideOvertaken,
    PolicyRefused,
    Quarantined,
    RegistryMismatch,
    ReleaseNotFound,
    RequestInvalid,
    StillServed,
    Unloadable,
    Yanked,
)
from promptops.core.model import Quarantine, Release
from promptops.core.token import Scope
from promptops.operations import override_reconcile
from promptops.operations import promote as promoting
from promptops.operations import quarantine as withholding
from promptops.operations import rollback as rolling_back
from promptops.operations.deploy import Deployed
from promptops.operations.promote import PromoteRequest
from promptops.operations.quarantine import WithholdRequest
from promptops.operations.rollback import RollbackRequest
from promptops.server.api import publishing, queries, tokens
from promptops.server.api.arguments import key_of, moment_of, reference_of
from promptops.server.http import openapi_examples
from promptops.server.http.call import Call, CallOf
from promptops.server.http.json_schema import ACTOR, EXPECTED, KEY, answered, answers, schema_of
from promptops.server.http.routing import Body, Route, Routes
from promptops.server.settings import CHANGE, MIB
from promptops.wire.shapes import bare, written

_routes = Routes("Changes")

KEYED: Final = (KEY, ACTOR)
EXPECTING: Final = (KEY, EXPECTED, ACTOR)


class Promotion(Body):
    """Which release is to be live."""

    release: Annotated[str, Field(max_length=300, examples=["support-bot@0.2.1"])]
    reason: Annotated[str, Field(max_length=free_text.LONGEST, examples=["shorter answers"])] = ""
    dry_run: bool = False


class Rollback(Body):
    """What is to go back: the apps, or with ``all`` every app that is live on the channel."""

    apps: Annotated[list[str], Field(max_length=1000, default_factory=list, examples=[["support-bot"]])]
    all: bool = False
    to: Annotated[str, Field(max_length=100, description="A version or digest that was live there before.")] = ""
    at: Annotated[str | None, Field(description="A moment to go back to: ISO 8601 with an offset.")] = None
    reason: Annotated[str, Field(max_length=free_text.LONGEST, examples=["wrong refunds"])] = ""
    dry_run: bool = False


class Withheld(Body):
    """A release, and why."""

    release: Annotated[str, Field(max_length=300, examples=["support-bot@0.2.1"])]
    reason: Annotated[str, Field(max_length=free_text.LONGEST, examples=["wrong refunds"])]


class Recorded(Body):
    """The text of an override file."""

    pin: Annotated[
        str, Field(max_length=overrides.MAX_FILE, examples=[overrides.encode(openapi_examples.OVERRIDE).decode()])
    ]
    dry_run: bool = False


@_routes.post(
    "/v1/channels/{channel}/promote",
    scope=Scope.PROMOTE,
    largest=CHANGE,
    errors=(
        ReleaseNotFound,
        NothingDeployed,
        ConcurrentDeployment,
        KeyReused,
        PolicyRefused,
        Quarantined,
        Unloadable,
        Yanked,
    ),
    **answers(
        schema_of(Deployed),
        openapi_examples.PROMOTION,
        takes={"release": "support-bot@0.2.1", "reason": "shorter answers"},
        headers=EXPECTING,
    ),
)
def promote(call: CallOf, channel: str, body: Promotion) -> Response:
    """Make a release the stable one of a channel.

    `release` is `app@version`, `app@sha256:…`, or `app:channel` for what another channel serves. The channel's policy
    decides. A release that is live there already stays so: no new revision.
    """
    reference = reference_of(body.release)
    call.require(Scope.PROMOTE, channel=channel, app=reference.app)
    if reference.channel:
        call.require(Scope.READ, channel=reference.channel, app=reference.app)
    request = PromoteRequest(
        reference=reference,
        channel=channel,
        key=key_of(call),
        token=call.access.owner,
        reason=body.reason,
        expect_revision=call.expect_revision,
        dry_run=body.dry_run,
    )
    try:
        return answered(written(promoting.promote(call.registry, request, actor=call.actor, now=call.now)))
    except PolicyRefused as refused:
        raise _limited(call, channel, refused) from refused


def _limited(call: Call, channel: str, refused: PolicyRefused) -> PolicyRefused:
    """The refusal without hidden names: a policy may take releases from a channel that the token may not see."""
    with call.registry.read() as reader:
        sources = reader.channel(channel).policy.promote_from
    if all(call.sees(channel=source) for source in sources):
        return refused
    reason = f"{channel} takes releases that were live on a channel which this token may not see, and this one was not"
    hint = "Ask the holder of a token for every channel to promote it there first."
    return refusal(
        tuple(
            replace(verdict, reason=reason, hint=hint) if verdict.check == PromoteFrom.name else verdict
            for verdict in refused.verdicts
        )
    )


@_routes.post(
    "/v1/channels/{channel}/rollback",
    scope=Scope.ROLLBACK,
    largest=CHANGE,
    errors=(NothingToRollBackTo, NothingDeployed, NeverDeployed, ConcurrentDeployment, KeyReused, Quarantined, Yanked),
    **answers(
        schema_of(Deployed),
        openapi_examples.ROLLBACK,
        takes={"apps": ["support-bot"], "reason": "wrong refunds"},
        headers=EXPECTING,
    ),
)
def rollback(call: CallOf, channel: str, body: Rollback) -> Response:
    """Put the last good release back.

    For the apps named, or with `all` for every app that is live on the channel: all in one transaction, or none. With
    `all` the token has to cover every app that changes.
    """
    for app in body.apps:
        call.require(Scope.ROLLBACK, channel=channel, app=app)
    request = RollbackRequest(
        channel=channel,
        key=key_of(call),
        token=call.access.owner,
        apps=tuple(body.apps),
        every=body.all,
        to=body.to,
        at=moment_of(body.at) if body.at is not None else None,
        reason=body.reason,
        expect_revision=call.expect_revision,
        dry_run=body.dry_run,
    )

    def permit(app: str) -> None:
        if not call.access.allows(Scope.ROLLBACK, channel=channel, app=app):
            raise NotAllowed(
                f"this token may not roll back every app of {channel}; nothing was changed",
                scope=Scope.ROLLBACK.value,
                hint=Sentence(
                    "Name the apps: ",
                    Advice(Action.ROLLBACK, words=f"roll back some apps of {channel}", app="APP…", channel=channel),
                ),
            )

    deployed = rolling_back.rollback(call.registry, request, actor=call.actor, now=call.now, permit=permit)
    for deployment in (*deployed.deployments, *deployed.unchanged):
        permit(deployment.app)  # a repeated answer may be of an app that this token may not see
    return answered(written(deployed))


@_routes.post(
    "/v1/channels/{channel}/quarantine",
    scope=Scope.ROLLBACK,
    largest=CHANGE,
    errors=(ReleaseNotFound, StillServed, KeyReused),
    **answers(
        schema_of(Quarantine),
        openapi_examples.QUARANTINE,
        takes={"release": "support-bot@0.2.1", "reason": "wrong refunds"},
        headers=KEYED,
    ),
)
def quarantine(call: CallOf, channel: str, body: Withheld) -> Response:
    """Keep a release out of a channel.

    It cannot be promoted there and no rollback goes to it, until it is let back in.
    """
    request = _withhold(call, Scope.ROLLBACK, channel, body)
    return answered(written(withholding.quarantine(call.registry, request, actor=call.actor, now=call.now)))


@_routes.post(
    "/v1/channels/{channel}/unquarantine",
    scope=Scope.PROMOTE,
    largest=CHANGE,
    errors=(ReleaseNotFound, NotQuarantined, KeyReused),
    **answers(
        schema_of(Quarantine),
        openapi_examples.QUARANTINE,
        takes={"release": "support-bot@0.2.1", "reason": "wrong refunds"},
        headers=KEYED,
    ),
)
def unquarantine(call: CallOf, channel: str, body: Withheld) -> Response:
    """Let a quarantined release back in.

    Needs what a promotion needs, since it makes one possible.
    """
    request = _withhold(call, Scope.PROMOTE, channel, body)
    return answered(written(withholding.unquarantine(call.registry, request, actor=call.actor, now=call.now)))


@_routes.post(
    "/v1/yanks",
    scope=Scope.RELEASE,
    largest=CHANGE,
    errors=(ReleaseNotFound, StillServed, KeyReused),
    **answers(
        schema_of(Release),
        openapi_examples.YANKED,
        takes={"release": "support-bot@0.2.1", "reason": "a customer's name is in it"},
        headers=KEYED,
    ),
)
def yank(call: CallOf, body: Withheld) -> Response:
    """Mark a release as never to be served again.

    On no channel, ever; its bytes stay readable. One that a channel serves now has to be rolled back there first.
    """
    request = _withhold(call, Scope.RELEASE, "", body)
    return answered(written(bare(_yanked(call, request))))


@_routes.post(
    "/v1/channels/{channel}/reconcile",
    scope=Scope.POLICY,
    largest=2 * MIB,
    errors=(
        OverrideInvalid,
        OverrideExpired,
        OverrideOvertaken,
        RegistryMismatch,
        ReleaseNotFound,
        ConcurrentDeployment,
        Quarantined,
        Yanked,
    ),
    **answers(
        schema_of(Deployed),
        openapi_examples.RECONCILED,
        takes={"pin": overrides.encode(openapi_examples.OVERRIDE).decode()},
        headers=(EXPECTED, ACTOR),
    ),
)
def reconcile(call: CallOf, channel: str, body: Recorded) -> Response:
    """Record an override as a deployment.

    The override names itself, so no key is needed: doing it again changes nothing. Since the channel's policy is not
    checked, the token needs the scope that could change the policy.
    """
    override = overrides.decode(body.pin.encode())
    if override.channel != channel:
        raise RequestInvalid(f"the override is for the channel '{override.channel}', and the address names '{channel}'")
    call.require(Scope.POLICY, channel=channel, app=override.app)
    deployed = override_reconcile.reconcile(
        call.registry,
        override,
        expect_revision=call.expect_revision,
        dry_run=body.dry_run,
        actor=call.actor,
        now=call.now,
    )
    return answered(written(deployed))


def _yanked(call: Call, request: WithholdRequest) -> Release:
    return withholding.yank(
        call.registry, request, actor=call.actor, now=call.now, sees=lambda channel: call.sees(channel=channel)
    )


def _withhold(call: Call, scope: Scope, channel: str, body: Withheld) -> WithholdRequest:
    reference = reference_of(body.release)
    call.require(scope, channel=channel, app=reference.app)
    return WithholdRequest(
        reference=reference, channel=channel, reason=body.reason, key=key_of(call), token=call.access.owner
    )


routes: tuple[Route, ...] = (*_routes, *publishing.routes, *queries.routes, *tokens.routes)
"""Everything that the command line does through a server."""
