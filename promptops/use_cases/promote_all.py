"""Promote what a channel serves, as a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.core.errors import (
    AppArchived,
    CanaryInProgress,
    KeyReused,
    NotAllowed,
    NothingDeployed,
    PolicyRefused,
    PromotionsRefused,
    PromptopsError,
)
from promptops.core.token import Scope
from promptops.operations.deploy import Deployed
from promptops.operations.promote_all import PromoteAllRequest, promote_all
from promptops.use_cases.fields import CHANGE, KEY, body, path
from promptops.use_cases.promote import WORDS, limited, require_waives
from promptops.use_cases.use_case import Caller, UseCase

if TYPE_CHECKING:
    from promptops.store import Registry


def _run(registry: Registry, request: PromoteAllRequest, caller: Caller) -> Deployed:
    def permit(app: str) -> None:
        if not caller.rights.allows(Scope.PROMOTE, channel=request.channel, app=app):
            raise NotAllowed(
                f"this token may not promote every app of {request.source} to {request.channel}; nothing was changed",
                scope=Scope.PROMOTE.value,
                hint="Name the apps that it may promote.",
            )
        caller.rights.require(Scope.READ, channel=request.source, app=app)
        if request.waive:
            require_waives(request, caller, app)

    caller.rights.require(Scope.READ, channel=request.source)
    try:
        deployed = promote_all(
            registry, request, actor=caller.actor, now=caller.now, by=caller.rights.token, permit=permit
        )
    except PromotionsRefused as refused:
        reasons = {app: _known(registry, request, error, caller) for app, error in refused.errors.items()}
        raise PromotionsRefused(reasons, others=refused.others, hint=refused.hint) from refused
    for deployment in (*deployed.deployments, *deployed.unchanged):
        permit(deployment.app)  # a repeated answer may be of an app that this token may not see
    return deployed


def _known(registry: Registry, request: PromoteAllRequest, error: PromptopsError, caller: Caller) -> PromptopsError:
    """The reason of one app without names that the caller may not know of."""
    if isinstance(error, PolicyRefused):
        return limited(registry, request.channel, error, caller)
    if isinstance(error, AppArchived):
        return error.limited(lambda app: caller.rights.sees(app=app))
    return error


PROMOTE_ALL = UseCase(
    name="promote-all",
    method="POST",
    path="/v1/channels/{channel}/promotions",
    scope=Scope.PROMOTE,
    doc="""Promote what another channel serves.

    Of the apps named, or with `all` of every app that is live on `from` and not archived: all in one transaction, or
    none. With `all` the token has to cover each of them. Each release is judged as by a promotion of its own; an app
    that serves the same there already stays as it is.
    """,
    run=_run,
    request=PromoteAllRequest,
    answer=Deployed,
    sample={"from": "staging", "reason": "the release of Tuesday"},
    body=("Promotions", "What is to be live: the apps, or with ``all`` every app that is live on ``from``."),
    fields=(
        path("channel"),
        KEY,
        body("from", "source", example="staging"),
        body("apps", max_length=1000, example=["support-bot"]),
        body("all", "every"),
        *WORDS,
    ),
    errors=(CanaryInProgress, KeyReused, NothingDeployed, PolicyRefused, PromotionsRefused),
    largest=CHANGE,
)
