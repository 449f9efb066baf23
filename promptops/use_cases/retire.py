"""Retire, as a row."""

from __future__ import annotations

from promptops.core import free_text
from promptops.core.errors import ConcurrentDeployment, KeyReused, NothingDeployed
from promptops.core.token import Scope
from promptops.operations.deploy import Deployed
from promptops.operations.retire import RetireRequest, retire
from promptops.use_cases.fields import CHANGE, KEY, REVISION, body, path
from promptops.use_cases.use_case import UseCase

RETIRE = UseCase(
    name="retire",
    method="POST",
    path="/v1/channels/{channel}/apps/{app}/retire",
    scope=Scope.ROLLBACK,
    doc="""Take an app off a channel.

    Nothing of it is served there any more: its clients answer with their fallbacks. A canary ends. A release that has
    no good one before it is quarantined, unless `keep`. A rollback or a promotion puts the app back.
    """,
    run=lambda registry, request, caller: retire(registry, request, actor=caller.actor, now=caller.now),
    request=RetireRequest,
    answer=Deployed,
    sample={"kind": "off", "reason": "its first release invents refunds", "revision": 2},
    body=("Retirement", "Why the app is taken off."),
    fields=(
        path("channel"),
        path("app"),
        KEY,
        REVISION,
        body("reason", max_length=free_text.LONGEST, example="its first release invents refunds"),
        body("keep", description="Do not quarantine the release, so that a rollback puts it back."),
        body("dry_run"),
    ),
    errors=(NothingDeployed, ConcurrentDeployment, KeyReused),
    largest=CHANGE,
)
