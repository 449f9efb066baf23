"""What a client holds: a channel's snapshot, and the releases it names, verified and compiled. Immutable.

In: pointers that :mod:`promptops.client.follow.acceptance` accepts, and the bytes of their releases. Out: a new Held.
It keeps two rules. A release is served only after every byte was verified and every prompt compiled. An app that cannot
be loaded keeps what it served before, is named, and stops no other app.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from promptops.core import compiled
from promptops.core.compiled import CompiledRelease as CompiledRelease
from promptops.core.digest import digest as digest_of
from promptops.core.errors import PromptopsError
from promptops.core.escape import one_line
from promptops.core.features import UNDERSTOOD, requires_of
from promptops.core.features import lacking as lacking_features
from promptops.core.model import ReleaseRef
from promptops.core.snapshot import MAX_CURSOR, MAX_EPOCH, Pointer, Snapshot

MAX_MESSAGE = 500
"""Characters of the message of a rejection: it quotes text of a server."""

Required: TypeAlias = "Collection[str] | Mapping[str, Collection[str]]"
"""Prompts that an application cannot do without, ``support-bot/answer``; a mapping also has the variables of each."""


class Rejection(StrEnum):
    """Why an arrival, or an app of it, is not accepted."""

    CHANNEL = "channel"
    LINEAGE = "lineage"
    EPOCH = "epoch"
    REVISION = "revision"
    CONFLICT = "conflict"
    MISSING = "missing"
    DIGEST = "digest"
    CONTENT = "content"
    REQUIRED = "required"
    FEATURE = "feature"
    """A release needs what this version does not understand."""


class Rejected(Exception):
    """An arrival is not followed; the client keeps what it holds. Counted and logged, never raised to the application.

    The message contains untrusted text, so it is one printable line.
    """

    def __init__(self, reason: Rejection, message: str) -> None:
        message = one_line(message, MAX_MESSAGE)
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Unloaded:
    """Why the newest of an app is not served: the app keeps what it served before, or serves nothing.

    ``pointer`` is that of the channel; None if it could not be read, or if the channel has no such app. ``final`` is
    True if another try of the same pointer could only end the same.
    """

    reason: str
    message: str
    pointer: Pointer | None = None
    final: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A snapshot with all bytes that it needs.

    ``contents`` are canonical bytes by digest. ``gone`` are apps that the registry does not name any more since it was
    restored from an older copy; they are served on. ``fixed`` are releases held by name, ``(app, version)``.
    ``unloaded`` are the apps whose newest is not served.
    """

    snapshot: Snapshot
    contents: Mapping[str, bytes]
    gone: Snapshot | None = None
    fixed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unloaded: Mapping[str, Unloaded] = field(default_factory=dict)
    _compiled: dict[str, CompiledRelease] = field(default_factory=dict, repr=False, compare=False)

    @property
    def compiled(self) -> Mapping[str, CompiledRelease]:
        """The releases that are ready to be served, by digest."""
        return self._compiled

    @property
    def apps(self) -> Mapping[str, Pointer]:
        """The pointer of every app that is served; of those that are gone, the last one."""
        return {**self.gone.apps, **self.snapshot.apps} if self.gone else self.snapshot.apps

    @property
    def spare(self) -> Collection[str]:
        """The digests of releases that are held and that nothing names: conversations are on them."""
        named = {ref.digest for pointer in self.apps.values() for ref in pointer.releases()}
        return self.contents.keys() - named - set(self.fixed.values())

    def release(self, app: str, digest: str) -> CompiledRelease:
        """Returns the release of a digest, which is held. It is compiled at the first call.

        Raises:
            Rejected: it is not held, or cannot be compiled.
        """
        found = self._compiled.get(digest)
        if found is None:
            if digest not in self.contents:
                raise Rejected(Rejection.MISSING, f"the release {digest} of '{app}' is not held")
            found = self._compiled.setdefault(digest, compile_release(app, digest, self.contents[digest]))
        return _of_app(found, app)

    def add(self, release: CompiledRelease) -> None:
        """Keep the compiled form of a release that is held."""
        if release.digest in self.contents:
            self._compiled.setdefault(release.digest, release)

    def versions(self, app: str) -> Mapping[str, str]:
        """Returns the versions of an app that are held, with their digests."""
        found = {version: digest for (name, version), digest in self.fixed.items() if name == app}
        pointer = self.apps.get(app)
        named = {ref.version: ref.digest for ref in pointer.releases()} if pointer else {}
        return {version: digest for version, digest in (found | named).items() if digest in self.contents}


def compile_release(app: str, digest: str, data: bytes) -> CompiledRelease:
    """Returns a release from its bytes, verified and compiled.

    Raises:
        Rejected: not the digest's bytes, not a release of this app, with a prompt that cannot be compiled, or with the
            need of a feature that this version does not understand.
    """
    _require_digest(digest, data)
    if lacks := lacking_features(requires_of(data), UNDERSTOOD):
        raise Rejected(
            Rejection.FEATURE,
            f"the release {digest} of '{app}' needs {', '.join(lacks)}, which this version of promptops does not"
            " understand: upgrade it in this application",
        )
    try:
        release = compiled.compile_release(data, digest=digest)
    except PromptopsError as error:
        raise Rejected(Rejection.CONTENT, f"the release {digest} of '{app}': {error.message}") from error
    return _of_app(release, app)


def needed(snapshot: Snapshot, held: Held | None) -> tuple[str, ...]:
    """Returns the digests whose bytes are not held: what is served first, then where a rollback would go."""
    pointers = snapshot.apps.values()
    order = [ref for pointer in pointers for ref in (pointer.stable, pointer.canary)]
    order += [pointer.last_good for pointer in pointers]
    known = held.contents if held else {}
    return tuple(dict.fromkeys(ref.digest for ref in order if ref is not None and ref.digest not in known))


def load(
    app: str,
    pointer: Pointer,
    known: Mapping[str, bytes],
    compiled: Mapping[str, CompiledRelease],
    *,
    required: Required = (),
) -> Mapping[str, CompiledRelease]:
    """Returns the releases that a pointer serves, by digest, ready to serve; those in ``compiled`` as they are.

    It leaves out a canary that needs a feature which this version does not understand: all keys have stable then.

    Raises:
        Rejected: one is missing, is not what its digest says, or cannot be compiled; or a required
            prompt of the app is not in it, or not with the variables it is rendered with.
    """
    found = {}
    for ref in pointer.served():
        try:
            found[ref.digest] = _ready(app, ref, known, compiled, required)
        except Rejected as rejected:
            if ref != pointer.canary or rejected.reason is not Rejection.FEATURE:
                raise
    return found


def _ready(
    app: str,
    ref: ReleaseRef,
    known: Mapping[str, bytes],
    compiled: Mapping[str, CompiledRelease],
    required: Required,
) -> CompiledRelease:
    try:
        data = _bytes(app, ref, known)
        release = _of_app(compiled.get(ref.digest) or compile_release(app, ref.digest, data), app)
        for name in required:
            if name.partition("/")[0] == app:
                given = required[name] if isinstance(required, Mapping) else None
                _require_prompt(f"{app}@{ref.version}", release, name.partition("/")[2], given)
    except Rejected:
        raise
    except Exception as error:  # an error in one app must not stop the others
        raise Rejected(Rejection.CONTENT, f"'{app}' cannot be loaded: {type(error).__name__}: {error}") from error
    return release


def build(
    snapshot: Snapshot,
    contents: Mapping[str, bytes],
    *,
    older: Held | None = None,
    required: Required = (),
    kept: Collection[str] = (),
) -> Held:
    """Returns what is held once this snapshot is followed. ``contents`` are the bytes that ``older`` does not have yet,
    and ``kept`` the digests of releases to keep beside those that it names.

    Releases that ``older`` compiled are not compiled again; releases held by name stay, and so does an app that the
    snapshot does not name or that cannot be loaded. Bytes of ``last_good`` may be missing.
    """
    known = {**contents, **older.contents} if older else contents
    compiled = dict(older.compiled) if older else {}
    loaded, unloaded = dict[str, Pointer](), dict[str, Unloaded]()
    for app, pointer in snapshot.apps.items():
        try:
            compiled |= load(app, pointer, known, compiled, required=required)
            loaded[app] = pointer
        except Rejected as rejected:
            unloaded[app] = unloaded_of(rejected, pointer)
    if older is not None and (older.snapshot.lineage, older.snapshot.epoch) == (snapshot.lineage, snapshot.epoch):
        loaded |= {app: pointer for app, pointer in older.snapshot.apps.items() if app in unloaded}
    return holding(replace(snapshot, apps=loaded), contents, compiled, older=older, unloaded=unloaded, kept=kept)


def unloaded_of(rejected: Rejected, pointer: Pointer) -> Unloaded:
    """Returns the note about an app that could not be loaded. Missing or damaged bytes may still come."""
    final = rejected.reason in (Rejection.CONTENT, Rejection.REQUIRED, Rejection.FEATURE)
    return Unloaded(reason=rejected.reason, message=rejected.message, pointer=pointer, final=final)


def holding(
    snapshot: Snapshot,
    contents: Mapping[str, bytes],
    compiled: Mapping[str, CompiledRelease],
    *,
    older: Held | None,
    unloaded: Mapping[str, Unloaded],
    kept: Collection[str] = (),
) -> Held:
    """Returns what is held of a snapshot whose apps are all loaded; drops the releases that it does not name, except
    those that are ``kept`` by their digests.
    """
    gone = _gone(snapshot, older)
    known = {**contents, **older.contents} if older else contents
    ready = {**older.compiled, **compiled} if older else compiled
    named = dict[str, bytes]()
    maybe = set(kept)
    for pointer in _pointers(snapshot, gone):
        for ref in pointer.served():
            named[ref.digest] = known[ref.digest]
        if last := pointer.last_good:
            maybe.add(last.digest)
    for digest in maybe - named.keys():
        if digest in known and _proven(digest, known, older):
            named[digest] = known[digest]
    fixed = older.fixed if older else {}
    named |= {digest: known[digest] for digest in fixed.values()}
    return Held(
        snapshot=snapshot,
        contents=named,
        gone=gone,
        fixed=fixed,
        unloaded=unloaded,
        _compiled={digest: ready[digest] for digest in named if digest in ready},
    )


def lacking(apps: Collection[str], required: Required) -> Mapping[str, Unloaded]:
    """Returns the apps of required prompts that are not among these."""
    return {
        app: Unloaded(
            reason=Rejection.REQUIRED, message=f"'{name}' is required, and the channel has no app '{app}'", final=False
        )
        for name in required
        if (app := name.partition("/")[0]) not in apps
    }


def with_version(held: Held, app: str, ref: ReleaseRef, data: bytes) -> Held:
    """Returns the same, with one more release held by its version until the process ends.

    Raises:
        Rejected: the bytes are not those of the digest, or not a release of this app, or it cannot be compiled.
    """
    release = compile_release(app, ref.digest, data)
    return replace(
        held,
        contents={**held.contents, ref.digest: data},
        fixed={**held.fixed, (app, ref.version): ref.digest},
        _compiled={**held._compiled, ref.digest: release},
    )


def keeping(held: Held, wanted: Iterable[tuple[str, str]]) -> Held:
    """Returns the same, and holds these versions, ``(app, version)``, from now on, as far as they are held now.

    A release of a channel is dropped when the channel moves on; one that was requested by version is not.
    """
    found = {
        (app, version): digest
        for app, version in wanted
        if (app, version) not in held.fixed and (digest := held.versions(app).get(version))
    }
    return replace(held, fixed={**held.fixed, **found}) if found else held


def _gone(snapshot: Snapshot, older: Held | None) -> Snapshot | None:
    if older is None:
        return None
    left = {app: pointer for app, pointer in older.apps.items() if app not in snapshot.apps}
    return replace(older.gone or older.snapshot, apps=left) if left else None


def _pointers(snapshot: Snapshot, gone: Snapshot | None) -> Iterator[Pointer]:
    yield from snapshot.apps.values()
    if gone is not None:
        yield from gone.apps.values()


def _bytes(app: str, ref: ReleaseRef, known: Mapping[str, bytes]) -> bytes:
    if ref.digest not in known:
        raise Rejected(Rejection.MISSING, f"the release {app}@{ref.version} ({ref.digest}) did not arrive")
    return known[ref.digest]


def _proven(digest: str, known: Mapping[str, bytes], older: Held | None) -> bool:
    return (older is not None and digest in older.contents) or digest_of(known[digest]) == digest


def _of_app(release: CompiledRelease, app: str) -> CompiledRelease:
    if release.app != app:
        raise Rejected(Rejection.CONTENT, f"{release.digest} is a release of '{release.app}', not of '{app}'")
    return release


def _require_digest(digest: str, data: bytes) -> None:
    actual = digest_of(data)
    if actual != digest:
        raise Rejected(Rejection.DIGEST, f"the bytes of {digest} are {actual}: damaged on the way")


def _require_prompt(where: str, release: CompiledRelease, name: str, given: Collection[str] | None) -> None:
    found = release.prompts.get(name)
    if found is None:
        raise Rejected(Rejection.REQUIRED, f"{where} has no prompt '{name}', which is required")
    if given is None:
        return
    if lost := sorted(set(given) - set(found.template.names)):
        raise Rejected(Rejection.REQUIRED, f"'{name}' of {where} takes no variable '{lost[0]}', which it is given")
    optional = {item.name for item in found.definition.variables if not item.required}
    if more := sorted(set(found.template.names) - set(given) - optional):
        raise Rejected(Rejection.REQUIRED, f"'{name}' of {where} needs the variable '{more[0]}', which it is not given")


def require_possible(snapshot: Snapshot) -> None:
    """Check that a registry can reach the numbers of a snapshot.

    Raises:
        Rejected: it cannot; the message has the number.
    """
    if snapshot.epoch > MAX_EPOCH or snapshot.cursor > MAX_CURSOR:
        raise Rejected(Rejection.EPOCH, f"no registry reaches epoch {snapshot.epoch} and change {snapshot.cursor}")
