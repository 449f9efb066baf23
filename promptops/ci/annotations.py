"""Findings as annotations of GitHub's workflow commands, which its pages show at their lines.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions has the commands, and how texts in
them are escaped. GitHub shows ten errors, ten warnings and ten notices of a step, and does not say what it left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from promptops.ci.report import CheckLine, Report, worst_first
from promptops.core.escape import one_line
from promptops.core.finding import Finding, Severity

SHOWN: Final = 10
"""Annotations of one report, all kinds together."""

_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def annotation_lines(report: Report) -> Iterator[str]:
    """Yields the lines to print: the ten worst of what is new on changed lines and of closed checks, and what is left.

    A finding on a line that the change did not write is left to the summary.
    """
    findings = worst_first(report.on_changed_lines)
    errors = [_annotation(each) for each in findings if each.severity is Severity.ERROR]
    rest = [_annotation(each) for each in findings if each.severity is not Severity.ERROR]
    shown = [*errors, *map(_check, report.closed), *rest][:SHOWN]
    yield from shown
    left = len(report.new) + len(report.closed) - len(shown)
    if left:
        kind = "warning" if all(line.startswith("::notice") for line in shown) and shown else "notice"
        what = "" if report.closed else f" finding{'' if left == 1 else 's'}"
        yield f"::{kind} title=promptops::{left:,} more{what} {'is' if left == 1 else 'are'} in the summary"


def _annotation(finding: Finding) -> str:
    place = f"file={_property(finding.path)},line={finding.line},col={finding.column}"
    message = f"{finding.message} {finding.hint}".strip()
    return f"::{_COMMANDS[finding.severity]} {place},title={_property(finding.code)}::{_text(message)}"


def _check(line: CheckLine) -> str:
    title = _property(f"{line.app}: {line.check} {line.outcome.value}")
    return f"::error title={title}::{_text(f'{line.reason} {line.hint}'.strip())}"


def _text(text: str) -> str:
    return one_line(text, 1_000).replace("%", "%25")  # a line break is an escape by now


def _property(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")
