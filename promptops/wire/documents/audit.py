"""Lines of the audit log."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Self

from promptops.core.model import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntryDocument:
    """One line: who did what to which app and channel, from what to what, why and when.

    ``hash`` seals the line and the one before it; ``record`` is the digest of the fact that the line is about.
    """

    seq: int
    at: datetime
    actor: str
    action: str
    app: str
    channel: str
    before: str
    after: str
    reason: str
    key: str
    previous: str
    hash: str
    record: str

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(**{field.name: getattr(entry, field.name) for field in fields(cls)})

    def entry(self) -> AuditEntry:
        return AuditEntry(**{field.name: getattr(self, field.name) for field in fields(AuditEntry)})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPageDocument:
    """Lines, newest first. ``before`` is where the next page begins; null on the last page."""

    entries: tuple[AuditEntryDocument, ...]
    before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHeadDocument:
    """The number and hash of the newest line."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditTrailDocument:
    """Lines, oldest first, and the head of the log at the moment they were read."""

    head: AuditHeadDocument
    entries: tuple[AuditEntryDocument, ...]
