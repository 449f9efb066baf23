"""Built apps -> immutable releases, versioned by contract in one transaction.

The same content is the same release for ever: a second `release` finds it. Versions are given out under the lock of the
app, so two processes never give one version to two contents.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.advice import WHICH_REGISTRY, Action, Advice, Sentence, option
from promptops.core.archival import require_unarchived
from promptops.core.compiled import require_loadable
from promptops.core.contract import bump_of, compare_release
from promptops.core.declarations import NOTHING, DeclarationsVersion
from promptops.core.digest import canonical
from promptops.core.errors import AppOwnedElsewhere, Invalid, RegistryMismatch, VersionTaken
from promptops.core.free_text import LONGEST_NOTES, require_words
from promptops.core.json_codec import to_json
from promptops.core.model import Bump, Change, Json, Release
from promptops.core.origin import Origin
from promptops.core.version import next_version
from promptops.operations.build import Built, BuiltWorkspace
from promptops.operations.idempotency import Once

if TYPE_CHECKING:
    from promptops.store import Registry, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRequest:
    """How to version the built apps: ``bump`` can only raise the bump of the contract, ``version`` is exact.

    ``token`` is the id of the token that the key belongs to.
    """

    key: str
    bump: Bump | None = None
    version: str | None = None
    notes: str = ""
    token: str = ""

    def __post_init__(self) -> None:
        require_words(self.notes, "the notes", LONGEST_NOTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A release, whether it is new, and the changes that led to its version (none where it existed)."""

    release: Release
    created: bool
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()


def release(
    registry: Registry, workspace: BuiltWorkspace, request: ReleaseRequest, *, actor: str, now: datetime
) -> tuple[Released, ...]:
    """Release every built app in one transaction. Content that is released already is found and not released again.

    Raises:
        RegistryMismatch: the workspace names another registry.
        Unloadable: no client could load one of them.
        AppOwnedElsewhere: one of them belongs to another repository, or to another path of it.
        AppArchived: one of them is archived.
        VersionInvalid, VersionTaken: this content cannot get ``version``.
    """
    if workspace.registry != registry.name:
        raise RegistryMismatch(
            f"promptops.yml belongs to the registry '{workspace.registry}', and this is '{registry.name}'",
            hint=WHICH_REGISTRY,
        )
    for built in workspace.built:
        for name, text in asdict(built.profile).items():
            require_words(text, f"the {name} of {built.content.app}")
    if request.version and len(workspace.built) != 1:
        raise Invalid(
            Sentence(option("version", "a version"), " is about one app"),
            hint=Sentence("Name it: ", Advice(Action.RELEASE, words="release that app", app="APP", version="…")),
        )
    for built in workspace.built:
        if not built.loads:
            require_loadable(built.content)
    once = Once(
        key=request.key,
        token=request.token,
        operation="release",
        arguments={
            "digests": {built.content.app: built.digest for built in workspace.built},
            "version": request.version,
            "bump": request.bump.value if request.bump else None,
        },
        words=_words(workspace, request),
    )

    def work(writer: Writer) -> tuple[Released, ...]:
        for built in workspace.built:
            writer.lock_app(built.content.app)
        seen = once.answered(writer)
        if seen is not None:
            return tuple(_found(writer, str(app), str(digest), created=bool(new)) for app, digest, new in seen)
        _require_owned(writer, workspace)
        for built in workspace.built:
            require_unarchived(writer.archival(built.content.app))
        released = tuple(_release(writer, built, request, actor=actor, now=now) for built in workspace.built)
        once.remember(writer, [(r.release.app, r.release.digest, r.created) for r in released], now)
        return released

    return registry.write(work)


def _require_owned(writer: Writer, workspace: BuiltWorkspace) -> None:
    """Check that each app belongs to where it was read, or has no known owner yet.

    Raises:
        AppOwnedElsewhere: with all that do not.
    """
    elsewhere = {}
    for built in workspace.built:
        made = built.provenance
        here = Origin(repository=made.repository, path=made.path, root=made.root)
        owner = writer.owner(built.content.app)
        if owner is not None and not owner.origin.same(here):
            elsewhere[built.content.app] = owner, here
    if elsewhere:
        raise AppOwnedElsewhere(elsewhere)


def _words(workspace: BuiltWorkspace, request: ReleaseRequest) -> str:
    """The notes, profiles and declarations that are recorded beside the contents.

    Without declarations the words are those of versions that had none, so that a request can be tried again.
    """
    profiles: dict[str, Json] = {built.content.app: asdict(built.profile) for built in workspace.built}
    declared = {built.content.app: to_json(built.declared) for built in workspace.built}
    declared = {app: settings for app, settings in declared.items() if settings}  # neither None nor empty
    words: dict[str, Json] = {
        "notes": request.notes,
        "profiles": profiles,
        **({"declared": declared} if declared else {}),
    }
    return canonical(words).decode("utf-8", "surrogatepass")


def _release(writer: Writer, built: Built, request: ReleaseRequest, *, actor: str, now: datetime) -> Released:
    from promptops.store.facts.kind import label

    app = built.content.app
    writer.set_profile(app, built.profile, actor=actor, at=now, key=request.key)
    _record_declarations(writer, built, request, actor=actor, now=now)
    existing = writer.release_by_digest(app, built.digest)
    if existing is not None:
        return _again(writer, existing, built, request, actor=actor, now=now)
    newest = writer.newest_release(app)
    changes = compare_release(newest.content, built.content) if newest else ()
    bump = bump_of(changes)
    version = next_version(newest.version if newest else None, bump, raised=request.bump, explicit=request.version)
    release = Release(
        app=app,
        version=version,
        digest=built.digest,
        created_at=now,
        created_by=actor,
        bump=bump,
        changes=tuple(map(str, changes)),
        notes=request.notes,
        provenance=built.provenance,
        content=built.data,
    )
    writer.record(release, before=label(newest.ref if newest else None), key=request.key)
    _record_suites(writer, built, request, actor=actor, now=now, known=False)
    return Released(release=release, created=True, changes=changes)


def _again(
    writer: Writer, existing: Release, built: Built, request: ReleaseRequest, *, actor: str, now: datetime
) -> Released:
    """The release exists. A clean commit confirms one that was cut from uncommitted files."""
    name = f"{existing.app}@{existing.version}"
    if request.version and request.version != existing.version:
        raise VersionTaken(
            f"this content is {name} already and has no second version",
            hint=Sentence("Leave ", option("version", "the version"), " out, or change the content."),
        )
    if existing.provenance.dirty and not built.provenance.dirty:
        from promptops.store.facts.confirmation import Confirmation

        fact = Confirmation(app=existing.app, release=existing.ref, provenance=built.provenance)
        writer.record(fact, actor=actor, at=now, key=request.key)
    _record_suites(writer, built, request, actor=actor, now=now)
    return _found(writer, existing.app, existing.digest, created=False)


def _record_suites(
    writer: Writer, built: Built, request: ReleaseRequest, *, actor: str, now: datetime, known: bool = True
) -> None:
    """Record which suites the app has, beside the release, where they are others than before. Of a release that was not
    ``known``, none can be recorded.
    """
    if built.suites is None:
        return
    from promptops.core.evidence.release_suites import ReleaseSuites

    app, dirty = built.content.app, built.provenance.dirty or built.suites_dirty
    before = writer.recorded_suites(app, built.digest, dirty=dirty) if known else None
    if built.suites != (before.suites if before else ()):
        number = writer.last_suites(app) + 1
        fact = ReleaseSuites(
            app=app, number=number, digest=built.digest, suites=built.suites, commit=built.provenance.commit,
            dirty=dirty, actor=actor, at=now,
        )  # fmt: skip
        writer.record(fact, key=request.key)


def _record_declarations(writer: Writer, built: Built, request: ReleaseRequest, *, actor: str, now: datetime) -> None:
    """Record what the app declares of its calls, where it is something else than before."""
    if built.declared is None:
        return
    newest = writer.declarations(built.content.app)
    if built.declared != (newest.declared if newest else NOTHING):
        number = newest.number + 1 if newest else 1
        fact = DeclarationsVersion(
            app=built.content.app, number=number, declared=built.declared, actor=actor, at=now
        )  # fmt: skip
        writer.record(fact, key=request.key)


def _found(writer: Writer, app: str, digest: str, *, created: bool) -> Released:
    release = writer.find_release(app, digest=digest)
    warnings = (f"{app}@{release.version} was yanked: {release.yank.reason}",) if release.yank else ()
    return Released(release=release, created=created, warnings=warnings)
