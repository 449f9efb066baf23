"""The report as one HTML file: nothing is loaded, nothing runs, and what models wrote is text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptops.evals.reports.report import Report

_PAGE = Path(__file__).with_name("report.html.j2")


def html(report: Report) -> bytes:
    """Returns the file."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_PAGE.read_text(encoding="utf-8"))
    labels = {arm.arm: arm.label for arm in report.arms}
    text = template.render(report=report, labels=labels, cases=_cases(report))
    return text.encode("utf-8", "replace")


def _cases(report: Report) -> Sequence[Mapping[str, Any]]:
    """Returns the cases with their rows, those with the smallest share of passed answers first."""
    rows: dict[int, list[Any]] = {number: [] for number in range(len(report.cases))}
    for row in report.rows:
        rows[row.case].append(row)
    first = report.arms[0].arm
    cases = []
    for number, case in enumerate(report.cases):
        if case.earlier:
            cases.append({"number": number, "case": case, "rows": (), "share": case.passed / (case.answers or 1)})
            continue
        mine = [row.outcome == "passed" for row in rows[number] if row.arm == first]
        share = sum(mine) / len(mine) if mine else 0.0
        cases.append({"number": number, "case": case, "rows": rows[number], "share": share})
    return sorted(cases, key=lambda each: (each["share"], each["number"]))
