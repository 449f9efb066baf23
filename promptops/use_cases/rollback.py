"""Roll back, as a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptops.core import free_text
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.digest import MAX_NUMBER
from promptops.core.errors import (
    AppArchived,
    ConcurrentDeployment,
    KeyReused,
    NeverDeployed,
    NotAllowed,
    NothingDeployed,
    NothingToRollBackTo,
    Quarantined,
    Yanked,
)
from promptops.core.token import Scope
from promptops.operations.deploy import Deployed
from promptops.operations.rollback import RollbackRequest, rollback
from promptops.use_cases.fields import CHANGE, KEY, MOMENT, REVISION, body, path
from promptops.use_cases.use_case import Caller, UseCase

if TYPE_CHECKING:
    from promptops.store import Registry


def _run(registry: Registry, request: RollbackRequest, caller: Caller) -> Deployed:
    channel = request.channel

    def permit(app: str) -> None:
        if not caller.rights.allows(Scope.ROLLBACK, channel=channel, app=app):
            raise NotAllowed(
                f"this token may not roll back every app of {channel}; nothing was changed",
                scope=Scope.ROLLBACK.value,
                hint=Sentence(
                    "Name the apps: ",
                    Advice(Action.ROLLBACK, words=f"roll back some apps of {channel}", app="APP…", channel=channel),
                ),
            )

    deployed = rollback(registry, request, actor=caller.actor, now=caller.now, permit=permit)
    for deployment in (*deployed.deployments, *deployed.unchanged):
        permit(deployment.app)  # a repeated answer may be of an app that this token may not see
    return deployed


ROLLBACK = UseCase(
    name="rollback",
    method="POST",
    path="/v1/channels/{channel}/rollback",
    scope=Scope.ROLLBACK,
    doc="""Put the last good release back.

    For the apps named, or with `all` for every app that is live on the channel: all in one transaction, or none. With
    `all` the token has to cover every app that changes. Of an app with a canary, the canary ends and the stable release
    stays.
    """,
    run=_run,
    request=RollbackRequest,
    answer=Deployed,
    sample={"kind": "rollback", "revision": 8, "restores": 6},
    body=("Rollback", "What is to go back: the apps, or with ``all`` every app that is live on the channel."),
    fields=(
        path("channel"),
        KEY,
        REVISION,
        body("apps", max_length=1000, example=["support-bot"]),
        body("all", "every"),
        body("to", max_length=100, description="A version or digest that was live there before."),
        body("to_revision", ge=1, le=MAX_NUMBER - 1, description="A revision of the channel's log of this app."),
        body("at", form=MOMENT, description="A moment to go back to: ISO 8601 with an offset."),
        body("reason", max_length=free_text.LONGEST, example="wrong refunds"),
        body("dry_run"),
    ),
    errors=(
        NothingToRollBackTo,
        NothingDeployed,
        NeverDeployed,
        ConcurrentDeployment,
        KeyReused,
        Quarantined,
        Yanked,
        AppArchived,
    ),
    largest=CHANGE,
)
