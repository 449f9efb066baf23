"""The report on a change between two commits: which apps are others now, what is wrong, and what checks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from promptops.core.evidence.calls import CallChange
from promptops.core.finding import Finding, Severity
from promptops.core.model import Bump, Change
from promptops.core.suite.suite import Suite
from promptops.core.verdict import Outcome

ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteChange:
    """What became of a suite: its cases that are new, gone, or others now. ``lowered``: it is not required any more."""

    suite: str
    added: int = 0
    removed: int = 0
    changed: int = 0
    is_new: bool = False
    is_gone: bool = False
    lowered: bool = False
    checks_changed: bool = False

    @property
    def is_weaker(self) -> bool:
        """Whether it may ask less than before."""
        return self.is_gone or self.lowered or self.removed > 0 or self.changed > 0 or self.checks_changed


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedApp:
    """An app whose content or suites are others than at the base. A digest is empty where it has errors or is gone.

    ``content`` are the canonical bytes of the new content, which has the suites ``suites_now``. ``evidence`` has a line
    of words for each piece that there is of this content already, ``calls`` what its newest run says of cost and time.
    """

    name: str
    path: str
    old_digest: str = ""
    digest: str = ""
    bump: Bump = Bump.NONE
    changes: tuple[Change, ...] = ()
    suites: tuple[SuiteChange, ...] = ()
    is_new: bool = False
    is_gone: bool = False
    errors: int = 0
    content: bytes = b""
    suites_now: Mapping[str, Suite] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    calls: CallChange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckLine:
    """What one check says of an app, with the next step."""

    app: str
    check: str
    outcome: Outcome
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The change from ``base`` to ``head``. Paths are relative to the repository, in which ``folder`` is the workspace.

    ``findings`` are all of the head, ``new`` those that the base does not have; ``meanings`` are those of their codes.
    ``changed_lines`` are those of the files that have new findings; None for a head that is compared with no commit.
    """

    base: str
    head: str
    folder: str = ""
    apps: tuple[ChangedApp, ...] = ()
    findings: tuple[Finding, ...] = ()
    new: tuple[Finding, ...] = ()
    checks: tuple[CheckLine, ...] = ()
    notes: tuple[str, ...] = ()
    changed_lines: Mapping[str, frozenset[int]] | None = None
    meanings: Mapping[str, str] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        return sum(finding.severity is Severity.ERROR for finding in self.findings)

    @property
    def on_changed_lines(self) -> tuple[Finding, ...]:
        """The new findings on lines that the change wrote. Others follow from it: an input that is unused now."""
        if self.changed_lines is None:
            return self.new
        return tuple(each for each in self.new if each.line in self.changed_lines.get(each.path, ()))

    @property
    def closed(self) -> tuple[CheckLine, ...]:
        """The checks that did not pass."""
        return tuple(line for line in self.checks if line.outcome is not Outcome.PASS)

    @property
    def verdict(self) -> str:
        """The whole report in a few words."""
        if self.errors:
            return f"{self.errors:,} error{'s' if self.errors > 1 else ''}"
        if self.closed:
            return f"{len(self.closed):,} check{'s' if len(self.closed) > 1 else ''} not passed"
        return "no errors"


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Returns the findings, errors first, each kind in the order of files and lines."""
    return sorted(findings, key=lambda f: (ORDER[f.severity], f.path, f.line, f.column, f.code))
