"""What commands answer about files, differences and damage. A server answers none of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from promptops.core.faults import Fault
from promptops.core.finding import Finding
from promptops.wire.documents.releases import ChangeDocument, MeasuredTokensDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingDocument:
    """A finding about a place in a file; ``severity`` is ``error``, ``warning`` or ``info``. Lines count from 1."""

    code: str
    severity: str
    path: str
    line: int
    column: int
    message: str
    hint: str

    @classmethod
    def of(cls, finding: Finding) -> Self:
        return cls(
            code=finding.code,
            severity=finding.severity.value,
            path=finding.path,
            line=finding.line,
            column=finding.column,
            message=finding.message,
            hint=finding.hint,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDocument:
    """A suite of an app: the prompts that it is for, how many cases it has, and the digest of all that it measures.

    The cases of one that is `held` are elsewhere, so they are not counted.
    """

    app: str
    name: str
    kind: str
    prompts: tuple[str, ...]
    cases: int
    repeats: int
    digest: str
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedDocument:
    """What `check` found in a workspace, and which apps and suites it has."""

    findings: tuple[FindingDocument, ...]
    errors: int
    warnings: int
    infos: int
    apps: tuple[str, ...]
    suites: tuple[SuiteDocument, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TypesDocument:
    """The types of prompts as a module of Python. ``path`` is the file, null where none was named, and ``changed``
    whether it was written now.
    """

    path: str | None
    changed: bool
    prompts: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedDocument:
    """A prompt as it would be sent; version and digest are null for the files of a workspace."""

    app: str
    prompt: str
    version: str | None
    digest: str | None
    model: str | None
    parameters: Mapping[str, object]
    messages: tuple[Mapping[str, object], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideDocument:
    """One of two contents that are compared; version and digest are null for the files of a workspace.

    ``measured`` are the tokens of its calls.
    """

    reference: str
    version: str | None
    digest: str | None
    measured: tuple[MeasuredTokensDocument, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceDocument:
    """What differs between two contents of an app, and how much going from old to new changes its contract."""

    app: str
    old: SideDocument
    new: SideDocument
    changes: tuple[ChangeDocument, ...]
    bump: str
    next_version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultDocument:
    """Something wrong with a registry or its history in git: ``severity`` is ``damage`` or ``pending``."""

    code: str
    severity: str
    what: str
    where: str
    repair: str

    @classmethod
    def of(cls, fault: Fault, *, repair: str) -> Self:
        return cls(
            code=fault.code,
            severity=fault.severity.value,
            what=fault.what,
            where=fault.where,
            repair=repair,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentDocument:
    """The lines of the audit log that `fsck` read. Those before `first` were verified before, from `verified_at` on."""

    first: int
    last: int
    verified_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument:
    """What `fsck` read, found and repaired; `extent` is null if the end of the audit log is not known."""

    ok: bool
    exit_code: int
    faults: tuple[FaultDocument, ...]
    repaired: tuple[FaultDocument, ...]
    notes: tuple[str, ...]
    extent: ExtentDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureDocument:
    """Why a command failed."""

    code: str
    kind: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreleasableDocument(FailureDocument):
    """Why files cannot be released."""

    findings: tuple[FindingDocument, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDocument:
    """The one object on stderr of a command with ``--json`` that failed."""

    error: FailureDocument
