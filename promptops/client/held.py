"""What a client holds: a channel's snapshot, and the releases it names, verified and compiled. Immutable.

In: a snapshot that :mod:`promptops.client.acceptance` lets in, and the bytes of its releases. Out: a new Held, or
:class:`Rejected`, and then everything stays as it was. The rule it keeps: nothing becomes current of which not every
byte was proven and every prompt compiled.
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
from promptops.core.model import ReleaseRef
from promptops.core.snapshot import Pointer, Snapshot

Required: TypeAlias = "Collection[str] | Mapping[str, Collection[str]]"
"""Prompts an application cannot do without, ``support-bot/answer``; as a mapping with the variables it renders with."""


class Rejection(StrEnum):
    """Why something was not let in."""

    CHANNEL = "channel"
    LINEAGE = "lineage"
    EPOCH = "epoch"
    REVISION = "revision"
    CONFLICT = "conflict"
    MISSING = "missing"
    DIGEST = "digest"
    CONTENT = "content"
    REQUIRED = "required"


class Rejected(Exception):
    """What arrived is not followed; what is held stays. Never reaches the application: it is counted and logged."""

    def __init__(self, reason: Rejection, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A snapshot with everything it needs.

    ``contents`` are canonical bytes by digest. ``gone`` are apps that the registry does not name any more since it was
    restored from an older copy; they are served on. ``fixed`` are releases held by name, ``(app, version)``.
    """

    snapshot: Snapshot
    contents: Mapping[str, bytes]
    gone: Snapshot | None = None
    fixed: Mapping[tuple[str, str], str] = field(default_factory=dict)
    _compiled: dict[str, CompiledRelease] = field(default_factory=dict, repr=False, compare=False)

    @property
    def apps(self) -> Mapping[str, Pointer]:
        """What every app serves, of those that are gone what they served last."""
        return {**self.gone.apps, **self.snapshot.apps} if self.gone else self.snapshot.apps

    def release(self, app: str, digest: str) -> CompiledRelease:
        """The release of a digest, which is held. Compiled when it is first asked for.

        Raises:
            Rejected: it is not held, or cannot be compiled.
        """
        found = self._compiled.get(digest)
        if found is None:
            if digest not in self.contents:
                raise Rejected(Rejection.MISSING, f"the release {digest} of '{app}' is not held")
            found = self._compiled.setdefault(digest, compile_release(app, digest, self.contents[digest]))
        return _of_app(found, app)

    def versions(self, app: str) -> Mapping[str, str]:
        """The versions of an app that are held, with their digests."""
        found = {version: digest for (name, version), digest in self.fixed.items() if name == app}
        pointer = self.apps.get(app)
        named = {ref.version: ref.digest for ref in pointer.releases()} if pointer else {}
        return {version: digest for version, digest in (found | named).items() if digest in self.contents}


def compile_release(app: str, digest: str, data: bytes) -> CompiledRelease:
    """A release's bytes, verified and compiled.

    Raises:
        Rejected: not the digest's bytes, not a release of this app, or with a prompt that cannot be compiled.
    """
    _require_digest(digest, data)
    try:
        release = compiled.compile_release(data, digest=digest)
    except PromptopsError as error:
        raise Rejected(Rejection.CONTENT, f"the release {digest} of '{app}': {error.message}") from error
    return _of_app(release, app)


def needed(snapshot: Snapshot, held: Held | None) -> tuple[str, ...]:
    """The digests whose bytes are not held: what is served first, then where a rollback would go."""
    pointers = snapshot.apps.values()
    order = [ref for pointer in pointers for ref in (pointer.stable, pointer.canary)]
    order += [pointer.last_good for pointer in pointers]
    known = held.contents if held else {}
    return tuple(dict.fromkeys(ref.digest for ref in order if ref is not None and ref.digest not in known))


def build(
    snapshot: Snapshot, contents: Mapping[str, bytes], *, older: Held | None = None, required: Required = ()
) -> Held:
    """What is held once this snapshot is followed. ``contents`` are the bytes that ``older`` does not have yet.

    Releases that ``older`` compiled are not compiled again; releases held by name stay, and so does an app that the
    snapshot does not name. Bytes of ``last_good`` may be missing.

    Raises:
        Rejected: a release is missing, is not what its digest says, or cannot be compiled; or a required prompt is not
            in every release of its app that is served, or not with the variables it is rendered with.
    """
    gone = _gone(snapshot, older)
    known = {**contents, **older.contents} if older else contents
    kept: dict[str, bytes] = {}
    compiled: dict[str, CompiledRelease] = {}
    before = older._compiled if older else {}
    for app, pointer in _pointers(snapshot, gone):
        for ref in _served(pointer):
            kept[ref.digest] = _bytes(app, ref, known)
            found = before.get(ref.digest) or compile_release(app, ref.digest, kept[ref.digest])
            compiled[ref.digest] = _of_app(found, app)
        if (last := pointer.last_good) and last.digest in known and _proven(last.digest, known, older):
            kept[last.digest] = known[last.digest]
    fixed = older.fixed if older else {}
    for digest in (*fixed.values(), *kept):
        kept[digest] = known[digest]
        if digest in before:
            compiled.setdefault(digest, before[digest])
    held = Held(snapshot=snapshot, contents=kept, gone=gone, fixed=fixed, _compiled=compiled)
    _require(held, required)
    return held


def with_version(held: Held, app: str, ref: ReleaseRef, data: bytes) -> Held:
    """The same, holding one more release by its name, until the process ends.

    Raises:
        Rejected: the bytes are not those of the digest, or no release of this app that can be compiled.
    """
    release = compile_release(app, ref.digest, data)
    return replace(
        held,
        contents={**held.contents, ref.digest: data},
        fixed={**held.fixed, (app, ref.version): ref.digest},
        _compiled={**held._compiled, ref.digest: release},
    )


def keeping(held: Held, wanted: Iterable[tuple[str, str]]) -> Held:
    """The same; those of these versions, ``(app, version)``, that are held now are held by their names from now on.

    What a channel serves is let go when it goes on; what somebody asked for by its name is not.
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


def _pointers(snapshot: Snapshot, gone: Snapshot | None) -> Iterator[tuple[str, Pointer]]:
    yield from snapshot.apps.items()
    if gone is not None:
        yield from gone.apps.items()


def _served(pointer: Pointer) -> Iterator[ReleaseRef]:
    yield pointer.stable
    if pointer.canary is not None:
        yield pointer.canary


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


def _require(held: Held, required: Required) -> None:
    for name in required:
        app, _, prompt = name.partition("/")
        pointer = held.apps.get(app)
        if pointer is None:
            raise Rejected(Rejection.REQUIRED, f"'{name}' is required, and the channel has no app '{app}'")
        given = required[name] if isinstance(required, Mapping) else None
        for ref in _served(pointer):
            _require_prompt(f"{app}@{ref.version}", held.release(app, ref.digest), prompt, given)


def _require_prompt(where: str, release: CompiledRelease, name: str, given: Collection[str] | None) -> None:
    found = release.prompts.get(name)
    if found is None:
        raise Rejected(Rejection.REQUIRED, f"{where} has no prompt '{name}', which is required")
    if given is None:
        return
    if lost := sorted(set(given) - set(found.template.names)):
        raise Rejected(Rejection.REQUIRED, f"'{name}' of {where} takes no variable '{lost[0]}', which it is given")
    optional = {item.name for item in found.definition.inputs if not item.required}
    if more := sorted(set(found.template.names) - set(given) - optional):
        raise Rejected(Rejection.REQUIRED, f"'{name}' of {where} needs the variable '{more[0]}', which it is not given")
