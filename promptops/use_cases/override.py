"""Overrides, as rows: make one for the hours in which the registry cannot be asked, and record it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from promptops.core import free_text
from promptops.core import override as overrides
from promptops.core.digest import canonical
from promptops.core.errors import (
    ConcurrentDeployment,
    Conflict,
    OverrideExpired,
    OverrideInvalid,
    OverrideOvertaken,
    Quarantined,
    RegistryMismatch,
    ReleaseNotFound,
    RequestInvalid,
    Unloadable,
    Yanked,
)
from promptops.core.override import Override
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.deploy import Deployed
from promptops.operations.override import OverrideRequest, create
from promptops.operations.override_reconcile import reconcile
from promptops.use_cases.fields import CHANGE, REFERENCE, REVISION, SECONDS, Form, body, path
from promptops.use_cases.use_case import AnswerForm, UseCase

CREATE_OVERRIDE = UseCase(
    name="create_override",
    method="POST",
    path="/v1/channels/{channel}/pins",
    scope=Scope.READ,
    doc="""Make an override with a release.

    The answer is the file, for the hours in which the registry cannot be asked. Nothing is changed.
    """,
    run=lambda registry, request, caller: create(registry, request, actor=caller.actor, now=caller.now),
    request=OverrideRequest,
    answer=Override,
    form=AnswerForm(
        write=overrides.encode,
        read=lambda document: overrides.decode(canonical(document, limit=overrides.MAX_FILE)),
        schema={"type": "object"},
        example={"schema": overrides.SCHEMA, "app": "support-bot", "channel": "prod", "content": "…"},
    ),
    body=("NewOverride", "Which release an override serves, why, and for how long."),
    fields=(
        path("channel"),
        body("release", "reference", form=REFERENCE, max_length=300, example="support-bot@0.2.0"),
        body("reason", max_length=free_text.LONGEST, example="database gone"),
        body("seconds", "lifetime", form=SECONDS, ge=1, le=7 * 86_400, example=86_400),
    ),
    errors=(ReleaseNotFound, Quarantined, Unloadable, Yanked, Conflict),
    largest=CHANGE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileRequest:
    """An override to record, on the channel that it is for."""

    override: Override
    expect_revision: int | None = None
    dry_run: bool = False


def _read(values: Mapping[str, Any], rights: Rights) -> ReconcileRequest:
    override = overrides.decode(values["pin"].encode())
    if override.channel != (channel := values["channel"]):
        raise RequestInvalid(f"the override is for the channel '{override.channel}', and the address names '{channel}'")
    return ReconcileRequest(override=override, expect_revision=values["expect_revision"], dry_run=values["dry_run"])


RECONCILE = UseCase(
    name="reconcile",
    method="POST",
    path="/v1/channels/{channel}/reconcile",
    scope=Scope.POLICY,
    doc="""Record an override as a deployment.

    The override names itself, so no key is needed: doing it again changes nothing. Since the channel's policy is not
    checked, the token needs the scope that could change the policy.
    """,
    run=lambda registry, request, caller: reconcile(
        registry,
        request.override,
        expect_revision=request.expect_revision,
        dry_run=request.dry_run,
        actor=caller.actor,
        now=caller.now,
    ),
    request=ReconcileRequest,
    answer=Deployed,
    sample={"kind": "break-glass", "reason": "database gone"},
    body=("Recorded", "The text of an override file."),
    fields=(
        path("channel", "override.channel"),
        REVISION,
        body(
            "pin",
            "override",
            form=Form(hint=str, write=lambda override: overrides.encode(override).decode("utf-8"), read=str),
            example='{"schema":"promptops.override/1","app":"support-bot","channel":"prod",…}',
            max_length=overrides.MAX_FILE,
        ),
        body("dry_run"),
    ),
    decode=_read,
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
    largest=2 << 20,
)
