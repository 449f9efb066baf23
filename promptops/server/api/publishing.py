"""What comes out of a workspace: releases that were built there, its channels, and overrides.

A release arrives as its canonical bytes. They are hashed, read and written again before anything is asked of the
registry, so that the stored content always matches its digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field
from starlette.responses import Response

from promptops.core import free_text
from promptops.core import override as overrides
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.digest import digest as digest_of
from promptops.core.errors import (
    Conflict,
    Invalid,
    KeyReused,
    NotAllowed,
    Quarantined,
    RegistryMismatch,
    ReleaseNotFound,
    RequestInvalid,
    Unloadable,
    VersionInvalid,
    VersionTaken,
    Yanked,
)
from promptops.core.json_size import require_few
from promptops.core.model import Bump, Policy, Profile, Provenance, is_name
from promptops.core.release import MAX_ELEMENTS, content_from_bytes, encode
from promptops.core.token import Scope
from promptops.operations import override
from promptops.operations import release as releasing
from promptops.operations.build import Built, Workspace
from promptops.operations.channels import ChannelChange, apply_channels
from promptops.operations.override import OverrideRequest
from promptops.operations.release import Released, ReleaseRequest
from promptops.server.api.arguments import key_of, reference_of
from promptops.server.http import openapi_examples
from promptops.server.http.call import Call, CallOf
from promptops.server.http.json_schema import ACTOR, KEY, answered, answers, list_of, object_of
from promptops.server.http.routing import Body, Routes
from promptops.server.settings import CHANGE, MIB
from promptops.wire.shapes import bare, written

LARGEST: Final = 5 * MIB
"""Every app of a workspace comes in one body, since they are released in one transaction."""

_ELEMENTS: Final = 80_000
_OF_CONTENTS: Final = MAX_ELEMENTS
"""Values and names in a body, whose contents are texts, and in all contents together."""

_BEGIN = re.compile(r'\{"app":"([a-z0-9._-]{1,63})"')
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

routes = Routes("Changes")

_Line = Annotated[str, Field(max_length=2000)]


class BuiltProfile(Body):
    """Who and what an app is."""

    title: str = ""
    description: str = ""
    owner: str = ""
    on_call: str = ""
    runbook: str = ""


class BuiltFrom(Body):
    """Where the content was read."""

    repository: _Line
    commit: Annotated[str, Field(pattern=_COMMIT.pattern)]
    path: _Line
    author: _Line
    builder: _Line
    dirty: bool = False


class BuiltApp(Body):
    """One app: its canonical bytes as text, exactly, and what is known beside them."""

    content: str
    digest: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]
    profile: BuiltProfile
    provenance: BuiltFrom


class Publication(Body):
    """Apps that were built from one workspace, and how to version them."""

    registry: Annotated[str, Field(max_length=63, description="The name of the registry that the workspace is of.")]
    apps: Annotated[list[BuiltApp], Field(min_length=1, max_length=2000)]
    bump: Annotated[Bump | None, Field(strict=False, description="Raise the version by at least this much.")] = None
    version: Annotated[str | None, Field(max_length=100, description="Exactly this version, of one app.")] = None
    notes: Annotated[str, Field(max_length=free_text.LONGEST_NOTES)] = ""


class DeclaredPolicy(Body):
    """What a channel asks of a release."""

    promote_from: Annotated[list[str], Field(max_length=100, default_factory=list)]
    allow_dirty: bool = False
    protected: bool = False


class Declaration(Body):
    """All channels that a workspace declares."""

    registry: Annotated[str, Field(max_length=63)]
    channels: Annotated[dict[str, DeclaredPolicy], Field(max_length=500)]


class NewOverride(Body):
    """Which release an override serves, why, and for how long."""

    release: Annotated[str, Field(max_length=300, examples=["support-bot@0.2.0"])]
    reason: Annotated[str, Field(max_length=free_text.LONGEST, examples=["database gone"])]
    seconds: Annotated[int, Field(ge=1, le=7 * 86_400, examples=[86_400])]


@routes.post(
    "/v1/releases",
    scope=Scope.RELEASE,
    largest=LARGEST,
    elements=_ELEMENTS,
    errors=(RegistryMismatch, Unloadable, VersionInvalid, VersionTaken, KeyReused),
    **answers(
        object_of(releases=list_of(Released)),
        {"releases": [written(openapi_examples.RELEASED)]},
        takes=openapi_examples.PUBLICATION,
        headers=(KEY, ACTOR),
    ),
)
def publish(call: CallOf, body: Publication) -> Response:
    """Release apps that were built from a commit.

    All in one transaction. The version follows from what changed for the calling code. Content that is released
    already is found, and not released again.
    """
    names = list(map(_app_of, body.apps))
    for name in names:
        _require(call, Scope.RELEASE, f"release the app '{name}'", app=name)
    if len(set(names)) != len(names):
        raise RequestInvalid("an app is in the body twice")
    _require_few(body.apps)
    built = tuple(map(_built, body.apps))
    workspace = Workspace(registry=body.registry, built=built)
    request = ReleaseRequest(
        key=key_of(call), token=call.access.owner, bump=body.bump, version=body.version, notes=body.notes
    )
    done = releasing.release(call.registry, workspace, request, actor=call.actor, now=call.now)
    return answered({"releases": [written(replace(each, release=bare(each.release))) for each in done]})


def _app_of(app: BuiltApp) -> str:
    """The app of a content, with which canonical bytes begin: the right to release it is checked before it is read.

    Raises:
        RequestInvalid: it begins with something else.
    """
    found = _BEGIN.match(app.content)
    if found is None or not is_name(found[1]):
        raise RequestInvalid(
            f"the content of {app.digest} is not in canonical form: it does not begin with its app",
            hint="RFC 8785, defaults left out.",
        )
    return found[1]


def _require_few(apps: Sequence[BuiltApp]) -> None:
    """Refuse contents that would take far more memory to read than they have bytes.

    Raises:
        RequestInvalid
    """
    left = _OF_CONTENTS
    for app in apps:
        try:
            left -= require_few(app.content.encode(), left)
        except Invalid:
            raise RequestInvalid(
                f"the contents of the apps have more than {_OF_CONTENTS:,} values and names in all",
                hint=Sentence(
                    "Release fewer apps at a time: ",
                    Advice(Action.RELEASE, words="release some of them", app=("APP", "…")),
                ),
            ) from None


def _built(app: BuiltApp) -> Built:
    """What was sent, if it is what it says.

    Raises:
        RequestInvalid: the content is not that of the digest, is not canonical, or cannot be a release.
    """
    data = app.content.encode()
    actual = digest_of(data)
    if actual != app.digest:
        raise RequestInvalid(f"the content has the digest {actual}, and the body says {app.digest}")
    try:
        content = content_from_bytes(data)
        canonical = encode(content)
    except Invalid as error:
        raise RequestInvalid(f"the content of {app.digest} cannot be a release: {error.message}") from error
    if canonical != data:
        raise RequestInvalid(
            f"the content of {app.digest} is not in canonical form", hint="RFC 8785, defaults left out."
        )
    fields = app.provenance.model_dump()
    if any(len(text.splitlines()) > 1 for text in fields.values() if isinstance(text, str)):
        raise RequestInvalid("a part of the provenance has several lines")
    return Built(
        content=content,
        data=data,
        digest=actual,
        profile=Profile(**app.profile.model_dump()),
        provenance=Provenance(**fields),
    )


@routes.put(
    "/v1/channels",
    scope=Scope.POLICY,
    largest=MIB,
    elements=_ELEMENTS,
    errors=(RegistryMismatch, Conflict),
    **answers(
        object_of(channels=list_of(ChannelChange)),
        {"channels": [written(openapi_examples.CHANGE)]},
        takes=openapi_examples.DECLARATION,
        headers=(ACTOR,),
    ),
)
def declare(call: CallOf, body: Declaration) -> Response:
    """Make the registry's channels those that are declared.

    Every version of a policy is kept. A channel that is not declared stays as it is. Doing it again changes nothing.
    """
    declared = {name: _policy(name, policy, body) for name, policy in body.channels.items()}
    for name in declared:
        _require(call, Scope.POLICY, f"declare the channel '{name}'", channel=name)
    done = apply_channels(call.registry, body.registry, declared, actor=call.actor, now=call.now)
    seen = [replace(change, policy=call.limited(change.policy)) for change in done if call.sees(channel=change.name)]
    return answered({"channels": [written(change) for change in seen]})


def _require(call: Call, scope: Scope, what: str, *, channel: str = "", app: str = "") -> None:
    """Refuse openly: what is named may be new, so to say that it is not there would mislead.

    Raises:
        NotAllowed
    """
    if not call.access.allows(scope, channel=channel, app=app):
        raise NotAllowed(
            f"this token may not {what}",
            scope=scope.value,
            hint=Sentence("Its patterns for apps or channels leave that out: ", Advice(Action.LIST_TOKENS)),
        )


def _policy(name: str, policy: DeclaredPolicy, body: Declaration) -> Policy:
    if not is_name(name):
        raise RequestInvalid(f"'{name[:80]}' is not a channel's name", hint="Lower case letters, digits, . _ and -.")
    unknown = [source for source in policy.promote_from if source not in body.channels]
    if unknown:
        raise RequestInvalid(f"the channel '{name}' is to take from '{unknown[0][:80]}', which is not declared")
    return Policy(promote_from=tuple(policy.promote_from), allow_dirty=policy.allow_dirty, protected=policy.protected)


@routes.post(
    "/v1/channels/{channel}/pins",
    scope=Scope.READ,
    largest=CHANGE,
    errors=(ReleaseNotFound, Quarantined, Unloadable, Yanked, Conflict),
    **answers(
        {"type": "object"},
        json.loads(overrides.encode(openapi_examples.OVERRIDE)),
        takes=openapi_examples.OVERRIDE_REQUEST,
        headers=(ACTOR,),
    ),
)
def create_override(call: CallOf, channel: str, body: NewOverride) -> Response:
    """Make an override with a release.

    The answer is the file, for the hours in which the registry cannot be asked. Nothing is changed.
    """
    reference = reference_of(body.release)
    call.require(Scope.READ, channel=channel, app=reference.app)
    if reference.channel:
        call.require(Scope.READ, channel=reference.channel)
    request = OverrideRequest(
        reference=reference, channel=channel, reason=body.reason, lifetime=timedelta(seconds=body.seconds)
    )
    made = override.create(call.registry, request, actor=call.actor, now=call.now)
    return Response(overrides.encode(made), media_type="application/json", headers={"cache-control": "no-store"})
