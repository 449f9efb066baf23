"""Two runs, or the two releases of one, case by case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptops.cli.output.phrases import counted
from promptops.cli.output.render import Line, Page, Span
from promptops.core.errors import Invalid, NotFound

if TYPE_CHECKING:
    from promptops.evals.reports.report import CaseReport, Report, RowReport

_STYLES = {"passed": "good", "failed": "bad", "error": "warn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The rows of one run and arm for a case."""

    label: str
    rows: tuple[RowReport, ...]

    @property
    def share(self) -> float | None:
        """How often it passed, errors left out; None where nothing is known."""
        known = [row.outcome == "passed" for row in self.rows if row.outcome != "error"]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One case on both sides."""

    case: CaseReport
    sides: tuple[Side, ...]

    @property
    def differs(self) -> bool:
        return len({side.share for side in self.sides}) > 1


def pairs(reports: Sequence[Report], case: str) -> list[Pair]:
    """Returns the cases that came out differently, or the one that is named, by its id or the beginning of it.

    Raises:
        NotFound: there is no such case. Invalid: there is nothing to compare.
    """
    if len(reports) == 1 and len(reports[0].arms) == 1 and not case:
        raise Invalid("the run asked one release, so there is nothing to compare", hint="Name a second run.")
    arms = [(report, arm.arm, arm.label) for report in reports for arm in report.arms]
    if len(reports) > 1:
        arms = [(report, report.arms[0].arm, f"{report.arms[0].label}, run {report.run[:8]}") for report in reports]
    found: dict[tuple[str, str, str], tuple[CaseReport, list[Side]]] = {}
    for report, arm, label in arms:
        for number, each in enumerate(report.cases):
            rows = tuple(row for row in report.rows if row.case == number and row.arm == arm)
            key = (each.suite, each.prompt, each.id)
            found.setdefault(key, (each, []))[1].append(Side(label=label, rows=rows))
    made = [Pair(case=each, sides=tuple(sides)) for each, sides in found.values()]
    if not case:
        return [pair for pair in made if pair.differs]
    chosen = [pair for pair in made if pair.case.id == case or pair.case.id.startswith(case)]
    if not chosen:
        raise NotFound(f"the run has no case '{case[:80]}'", known=sorted({pair.case.id[:40] for pair in made})[:20])
    return chosen


def shape(found: Sequence[Pair]) -> dict[str, Any]:
    """Returns the pairs as JSON, with the texts of the answers."""
    return {
        "cases": [
            {
                "suite": pair.case.suite,
                "prompt": pair.case.prompt,
                "case": pair.case.id,
                "sides": [
                    {
                        "label": side.label,
                        "share": side.share,
                        "answers": [
                            {"outcome": row.outcome, "why": row.why, "answer": row.answer} for row in side.rows
                        ],
                    }
                    for side in pair.sides
                ],
            }
            for pair in found
        ]
    }


def lines(found: Sequence[Pair], page: Page, *, whole: bool) -> list[Line]:
    """Returns the pairs; ``whole`` with what was asked and answered."""
    if not found:
        return ["No case came out differently."]
    if not whole:
        table = [
            [pair.case.prompt, pair.case.id[:40], *(f"{side.label}: {_said(side)}" for side in pair.sides)]
            for pair in found
        ]
        return [Span(f"{counted(len(found), 'case')} came out differently", "strong"), *page.columns(table)]
    said: list[Line] = []
    for pair in found:
        said += [[Span(f"{pair.case.prompt} {pair.case.id}", "name")], "", Span("asked", "quiet")]
        said += [f"  {line}" for line in pair.case.input.splitlines()]
        if pair.case.expected is not None:
            said += [Span("expected", "quiet"), *(f"  {line}" for line in pair.case.expected.splitlines())]
        for side in pair.sides:
            for row in side.rows:
                mark = Span(row.error or row.outcome, _STYLES[row.outcome])
                said += ["", [Span(side.label, "strong"), "  ", mark, Span(f"  {row.why}", "quiet")]]
                said += [f"  {line}" for line in (row.answer or str(list(row.tool_calls) or "")).splitlines()]
        said.append("")
    return said[:-1]


def _said(side: Side) -> str:
    return "no answer" if side.share is None else f"{side.share:.0%} passed"
