"""Release what was built from a workspace, as a row.

A release arrives as its canonical bytes. They are hashed, read and written again before anything is asked of the
registry, so that the stored content always matches its digest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, Final

from promptops.core import free_text
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.declarations import Declarations
from promptops.core.digest import digest as digest_of
from promptops.core.errors import (
    AppOwnedElsewhere,
    Invalid,
    KeyReused,
    NotAllowed,
    RegistryMismatch,
    RequestInvalid,
    Unloadable,
    VersionInvalid,
    VersionTaken,
)
from promptops.core.evidence.run import MOST_SUITES, SuiteRef
from promptops.core.json_codec import to_json
from promptops.core.json_size import require_few
from promptops.core.model import Bump, Profile, Provenance, is_name
from promptops.core.release_bytes import MAX_ELEMENTS, content_from_bytes, encode
from promptops.core.rights import Rights
from promptops.core.token import Scope
from promptops.operations.build import Built, BuiltWorkspace
from promptops.operations.release import Released, ReleaseRequest, release
from promptops.use_cases.fields import COMMIT_OR_EMPTY, KEY, Form, Rules, body
from promptops.use_cases.nouns import noun
from promptops.use_cases.use_case import UseCase

LARGEST: Final = 5 << 20
"""Every app of a workspace comes in one body, since they are released in one transaction."""

ELEMENTS: Final = 80_000
_OF_CONTENTS: Final = MAX_ELEMENTS
"""Values and names in a body, whose contents are texts, and in all contents together."""

MOST_AUTHORS: Final = 500
"""People of one release, as many as are read from git."""

_BEGIN = re.compile(r'\{"app":"([a-z0-9._-]{1,63})"')
_Line = Annotated[str, Rules(max_length=2000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltProfile(Profile):
    """Who and what an app is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltFrom:
    """Where the content was read."""

    repository: _Line
    commit: Annotated[str, Rules(pattern="[0-9a-f]{40}(?:[0-9a-f]{24})?")]
    path: _Line
    author: _Line
    builder: _Line
    dirty: bool = False
    root: Annotated[str, Rules(pattern=COMMIT_OR_EMPTY)] = ""
    authors: Annotated[tuple[_Line, ...], Rules(max_length=MOST_AUTHORS)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltApp:
    """One app: its canonical bytes as text, exactly, and what is known beside them."""

    content: str
    digest: Annotated[str, Rules(pattern="^sha256:[0-9a-f]{64}$")]
    profile: BuiltProfile
    provenance: BuiltFrom
    suites: Annotated[tuple[SuiteRef, ...] | None, Rules(max_length=MOST_SUITES)] = None
    suites_dirty: bool = False
    declared: Declarations | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A built workspace, and how to version its apps."""

    registry: str
    apps: tuple[Built, ...]
    key: str
    bump: Bump | None = None
    version: str | None = None
    notes: str = ""
    token: str = ""

    @classmethod
    def of(cls, workspace: BuiltWorkspace, request: ReleaseRequest) -> Publication:
        """The publication of a workspace."""
        return cls(registry=workspace.registry, apps=workspace.built, **asdict(request))


def _written(apps: Sequence[Built]) -> list[dict[str, object]]:
    return [
        {
            "content": built.data.decode("utf-8"),
            "digest": built.digest,
            "profile": to_json(built.profile),
            "provenance": to_json(built.provenance),
            # A server of an older version does not know these fields.
            **({"suites": to_json(built.suites)} if built.suites else {}),
            **({"suites_dirty": True} if built.suites_dirty else {}),
            **({"declared": to_json(built.declared)} if built.declared is not None else {}),
        }
        for built in apps
    ]


def _read(values: Mapping[str, Any], rights: Rights) -> Publication:
    """The publication, after the right to release each app is checked: reading a content costs far more."""
    apps: Sequence[BuiltApp] = values["apps"]
    names = list(map(_app_of, apps))
    _require(names, rights)
    if len(set(names)) != len(names):
        raise RequestInvalid("an app is in the body twice")
    _require_few(apps)
    return Publication(**{**values, "apps": tuple(map(_built, apps)), "token": rights.owner})


def _require(names: Sequence[str], rights: Rights) -> None:
    """Refuse openly: an app may be new, so to answer that it is not there would mislead.

    Raises:
        NotAllowed
    """
    for name in names:
        if not rights.allows(Scope.RELEASE, app=name):
            raise NotAllowed(
                f"this token may not release the app '{name}'",
                scope=Scope.RELEASE.value,
                hint=Sentence("Its patterns for apps or channels leave that out: ", Advice(Action.LIST_TOKENS)),
            )


def _app_of(app: BuiltApp) -> str:
    """The app of a content, with which canonical bytes begin.

    Raises:
        RequestInvalid: it begins with something else.
    """
    match = _BEGIN.match(app.content)
    if match is None or not is_name(match[1]):
        raise RequestInvalid(
            f"the content of {app.digest} is not in canonical form: it does not begin with its app",
            hint="RFC 8785, defaults left out.",
        )
    return match[1]


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
    origin = {field.name: getattr(app.provenance, field.name) for field in fields(BuiltFrom)}
    origin["authors"] = tuple(origin["authors"])
    if any(len(text.splitlines()) > 1 for text in (*origin.values(), *origin["authors"]) if isinstance(text, str)):
        raise RequestInvalid("a part of the provenance has several lines")
    return Built(
        content=content,
        data=data,
        digest=actual,
        profile=Profile(**{field.name: getattr(app.profile, field.name) for field in fields(Profile)}),
        provenance=Provenance(**origin),
        suites=None if app.suites is None else tuple(noun(SuiteRef, each) for each in app.suites),
        suites_dirty=app.suites_dirty,
        declared=None if app.declared is None else noun(Declarations, app.declared),
    )


PUBLISH = UseCase(
    name="publish",
    method="POST",
    path="/v1/releases",
    scope=Scope.RELEASE,
    doc="""Release apps that were built from a commit.

    All in one transaction. The version follows from what changed for the calling code. Content that is released
    already is found, and not released again.
    """,
    run=lambda registry, request, caller: release(
        registry,
        BuiltWorkspace(registry=request.registry, built=request.apps),
        ReleaseRequest(
            key=request.key, bump=request.bump, version=request.version, notes=request.notes, token=request.token
        ),
        actor=caller.actor,
        now=caller.now,
    ),
    request=Publication,
    answer=tuple[Released, ...],
    under="releases",
    body=("Publication", "Apps that were built from one workspace, and how to version them."),
    fields=(
        KEY,
        body(
            "registry",
            example="parcelwise",
            max_length=63,
            description="The name of the registry that the workspace is of.",
        ),
        body(
            "apps",
            form=Form(hint=list[BuiltApp], write=_written, read=_built),
            min_length=1,
            max_length=2000,
        ),
        body("bump", description="Raise the version by at least this much."),
        body("version", max_length=100, description="Exactly this version, of one app."),
        body("notes", max_length=free_text.LONGEST_NOTES, example="answers name their rule"),
    ),
    decode=_read,
    require=lambda request, scope, rights: _require([built.content.app for built in request.apps], rights),
    errors=(RegistryMismatch, AppOwnedElsewhere, Unloadable, VersionInvalid, VersionTaken, KeyReused),
    largest=LARGEST,
    elements=ELEMENTS,
)
