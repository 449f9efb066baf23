"""The registry itself, and to whom its apps belong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from promptops.core.origin import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityDocument:
    """Which registry this is. ``lineage`` tells it from every other one of its name.

    ``epoch`` counts how often it came back from a backup or from git.
    """

    registry: str
    lineage: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginDocument:
    """A path in a repository; ``root`` is its first commit, empty where it is not known."""

    repository: str
    path: str
    root: str

    @classmethod
    def of(cls, origin: Origin) -> Self:
        return cls(repository=origin.repository, path=origin.path, root=origin.root)

    def origin(self) -> Origin:
        return Origin(repository=self.repository, path=self.path, root=self.root)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnershipDocument:
    """Where an app comes from after a transfer, and before: null while that was not known.

    ``changed`` is false if it came from there already.
    """

    app: str
    changed: bool
    origin: OriginDocument
    before: OriginDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalKeyDocument:
    """With which key the journal is signed. ``mode`` is off, on or required; ``number`` is how often a key was set.

    ``fingerprint`` is that of ``key``, and ``before`` the fingerprint of the key before; all empty without one.
    """

    lineage: str
    mode: str
    number: int
    key: str
    fingerprint: str
    actor: str
    at: datetime | None
    reason: str
    before: str
    changed: bool
