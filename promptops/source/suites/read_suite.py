"""A suite as it was read, with the places of its cases in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from promptops.core.model import Prompt
from promptops.core.suite.suite import Case, Suite
from promptops.source.suites.cases import CaseRules
from promptops.source.text.findings import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a case is: an offset in the text of a report, which is that of the file of cases where there is one."""

    report: Report
    offset: int

    @property
    def line(self) -> int:
        return self.report.line(self.offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadSuite:
    """A read suite: its file, the prompts that it is for as far as they exist, and the place of each of its cases.

    Of one whose cases are held elsewhere, :attr:`is_complete` says that it names them and their digest.

    ``data`` is the report of the file that its cases are in, and ``data_offset`` where the suite names it.
    ``held_rules`` are for cases that are held elsewhere.
    """

    report: Report
    suite: Suite
    prompts: Mapping[str, Prompt] = field(default_factory=dict)
    places: tuple[Place, ...] = ()
    data: Report | None = None
    data_offset: int = 0
    held_rules: CaseRules | None = None

    @property
    def is_complete(self) -> bool:
        """True if it could be run: it has cases, and each has a check. Test data alone is no suite."""
        if self.suite.held is not None:
            return bool(self.suite.held.digest)
        return bool(self.suite.cases) and all(map(self.has_checks, self.suite.cases))

    def has_checks(self, case: Case) -> bool:
        return bool(self.suite.checks or case.checks)
