"""Findings as annotations of GitHub's workflow commands, which its pages show at their lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from promptops.ci.report import Report, worst_first
from promptops.core.escape import one_line
from promptops.core.finding import Finding, Severity

SHOWN: Final = 10
"""GitHub shows ten of a kind for each step, and not which were left out."""

_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def annotation_lines(report: Report) -> Iterator[str]:
    """Yields the lines to print: the ten worst new findings, and how many were left out."""
    findings = worst_first(report.new)
    for finding in findings[:SHOWN]:
        yield _annotation(finding)
    if len(findings) > SHOWN:
        yield f"::notice title=promptops::{len(findings) - SHOWN:,} more findings are in the summary"
    for line in report.closed[:SHOWN]:
        title = _property(f"{line.app}: {line.check} {line.outcome.value}")
        yield f"::error title={title}::{_text(f'{line.reason} {line.hint}')}"


def _annotation(finding: Finding) -> str:
    place = f"file={_property(finding.path)},line={finding.line},col={finding.column}"
    message = f"{finding.message} {finding.hint}".strip()
    return f"::{_COMMANDS[finding.severity]} {place},title={_property(finding.code)}::{_text(message)}"


def _text(text: str) -> str:
    return one_line(text, 1_000).replace("%", "%25")  # a line break is an escape by now


def _property(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")
