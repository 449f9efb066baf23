"""Releases: which there are, what each is made of, and what releasing did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self

from promptops.core.model import Bump, Change, Profile, Provenance, Release, ReleaseRef, Yank
from promptops.core.outcomes.measured_tokens import MeasuredTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseNameDocument:
    """A release as a deployment names it."""

    version: str
    digest: str

    @classmethod
    def of(cls, release: ReleaseRef | None) -> Self | None:
        return cls(version=release.version, digest=release.digest) if release else None

    def ref(self) -> ReleaseRef:
        return ReleaseRef(version=self.version, digest=self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceDocument:
    """Where a content was read: ``dirty`` says that the files were not those of the commit.

    ``root`` is the first commit of the repository, empty where it is not known. ``authors`` wrote what is new in it.
    """

    repository: str
    commit: str
    path: str
    author: str
    builder: str
    dirty: bool
    root: str = ""
    authors: tuple[str, ...] = ()

    @classmethod
    def of(cls, provenance: Provenance) -> Self:
        return cls(**_same(cls, provenance))

    def provenance(self) -> Provenance:
        return Provenance(**_same(Provenance, self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileDocument:
    """Who and what an app is, for people."""

    title: str
    description: str
    owner: str
    on_call: str
    runbook: str

    @classmethod
    def of(cls, profile: Profile | None) -> Self | None:
        return cls(**_same(cls, profile)) if profile else None

    def profile(self) -> Profile:
        return Profile(**_same(Profile, self))


@dataclass(frozen=True, slots=True, kw_only=True)
class YankDocument:
    """Who took a release back for ever, why and when."""

    reason: str
    actor: str
    at: datetime

    @classmethod
    def of(cls, yank: Yank | None) -> Self | None:
        return cls(**_same(cls, yank)) if yank else None

    def yank(self) -> Yank:
        return Yank(**_same(Yank, self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseDocument:
    """A release without its content. ``commit`` and ``dirty`` are those of its provenance.

    ``bump`` is how much it changes the contract with the calling code: ``none``, ``patch``, ``minor`` or ``major``.
    """

    app: str
    version: str
    digest: str
    commit: str
    dirty: bool
    bump: str
    changes: tuple[str, ...]
    notes: str
    created_at: datetime
    created_by: str
    yanked: bool
    yank_reason: str | None
    yank: YankDocument | None
    provenance: ProvenanceDocument

    @classmethod
    def of(cls, release: Release, **more: Any) -> Self:
        return cls(
            app=release.app,
            version=release.version,
            digest=release.digest,
            commit=release.provenance.commit,
            dirty=release.provenance.dirty,
            bump=release.bump.value,
            changes=release.changes,
            notes=release.notes,
            created_at=release.created_at,
            created_by=release.created_by,
            yanked=release.yank is not None,
            yank_reason=release.yank.reason if release.yank else None,
            yank=YankDocument.of(release.yank),
            provenance=ProvenanceDocument.of(release.provenance),
            **more,
        )

    def release(self, content: bytes = b"") -> Release:
        """Returns the release, with its content if it is given.

        Raises:
            ValueError: this version does not know ``bump``.
        """
        return Release(
            app=self.app,
            version=self.version,
            digest=self.digest,
            created_at=self.created_at,
            created_by=self.created_by,
            bump=Bump(self.bump),
            changes=self.changes,
            notes=self.notes,
            provenance=self.provenance.provenance(),
            yank=self.yank.yank() if self.yank else None,
            content=content,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDocument(ReleaseDocument):
    """A release in a list: ``channels`` serve it now, ``on_trial`` has those where it is a canary with its part of the
    keys in basis points, and ``quarantined`` says of each channel that keeps it out why.
    """

    channels: tuple[str, ...]
    quarantined: Mapping[str, str]
    on_trial: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTokensDocument:
    """The tokens that ``calls`` of a prompt of a release took together in the last seven days.

    ``cached_tokens`` are among the input tokens.
    """

    version: str
    prompt: str
    calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int

    @classmethod
    def of(cls, measured: MeasuredTokens) -> Self:
        return cls(**_same(cls, measured))

    def tokens(self) -> MeasuredTokens:
        return MeasuredTokens(**_same(MeasuredTokens, self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownDocument(ListedDocument):
    """One release with its content: a JSON object whose canonical bytes (RFC 8785) have the digest.

    ``inputs`` are the schemas of the variables that a caller of each prompt has to give: also of the fields that a
    message uses of a variable which no file declares.
    """

    profile: ProfileDocument | None
    prompts: tuple[str, ...]
    content: Mapping[str, object]
    measured: tuple[MeasuredTokensDocument, ...] = ()
    inputs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeDocument:
    """One difference between two contents. ``before`` and ``after`` are texts, null where that side has none."""

    bump: str
    prompt: str
    field: str
    summary: str
    before: str | None
    after: str | None

    @classmethod
    def of(cls, change: Change) -> Self:
        return cls(**{**_same(cls, change), "bump": change.bump.value})

    def change(self) -> Change:
        return Change(**{**_same(Change, self), "bump": Bump(self.bump)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedDocument(ReleaseDocument):
    """What releasing an app did: ``created`` is false for a content that was released before.

    ``differences`` led to its version; ``changes`` are their summaries.
    """

    created: bool
    differences: tuple[ChangeDocument, ...]
    warnings: tuple[str, ...]


def _same(kind: type, value: object) -> dict[str, Any]:
    """The fields of a class from another one that has them under the same names."""
    return {field.name: getattr(value, field.name) for field in fields(kind)}
