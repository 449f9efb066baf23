"""What `ci` answers about the change between two commits."""

from __future__ import annotations

from dataclasses import dataclass

from promptops.wire.documents.commands import FindingDocument
from promptops.wire.documents.releases import ChangeDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteChangeDocument:
    """What became of a suite; ``weaker`` is true if it may ask less than before. The numbers are of its cases."""

    suite: str
    added: int
    removed: int
    changed: int
    new: bool
    gone: bool
    lowered: bool
    checks_changed: bool
    weaker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsDocument:
    """Of the answered calls of one release: mean cost in US dollars, mean tokens, median latency in milliseconds.

    Null is not measured, or not known.
    """

    cost_usd: float | None
    tokens: float | None
    latency_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChangeDocument:
    """What the run ``run`` measured of the new content, ``now``; ``live`` is null where it did not ask what is live."""

    run: str
    cases: int
    now: CallsDocument
    live: CallsDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedAppDocument:
    """An app whose content or suites are others; a digest is null where it has errors, or is not there.

    ``evidence`` has a line of words for each piece that the registry has of this content, ``calls`` what its calls cost
    and how long they take: null without a run.
    """

    app: str
    path: str
    old_digest: str | None
    digest: str | None
    bump: str
    new: bool
    gone: bool
    errors: int
    changes: tuple[ChangeDocument, ...]
    suites: tuple[SuiteChangeDocument, ...]
    evidence: tuple[str, ...]
    calls: CallChangeDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLineDocument:
    """What one check says of an app; ``outcome`` is ``pass``, ``inconclusive``, ``error`` or ``fail``."""

    app: str
    check: str
    outcome: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CiDocument:
    """The change between two commits. ``findings`` are those that the base does not have, ``errors`` all of the head.

    Paths are relative to the repository, in which ``folder`` is the workspace.
    """

    base: str
    head: str
    folder: str
    apps: tuple[ChangedAppDocument, ...]
    findings: tuple[FindingDocument, ...]
    errors: int
    checks: tuple[CheckLineDocument, ...]
    notes: tuple[str, ...]
