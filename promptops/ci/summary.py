"""The report as Markdown: a step's summary, and the one comment of a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from promptops.ci.call_words import call_lines
from promptops.ci.markdown import block, code, within
from promptops.ci.report import ChangedApp, Report, SuiteChange, worst_first
from promptops.core.finding import Finding, Severity
from promptops.core.model import Change
from promptops.core.verdict import Outcome

MAX_SUMMARY: Final = 900_000
"""Bytes of a step's summary: GitHub drops one of over 1,024 KiB whole."""
MAX_COMMENT: Final = 60_000
"""Characters of a comment, of which GitHub takes 65,536."""
MARKER: Final = "<!-- promptops ci -->"
"""The first line of the comment, by which the next run finds it."""
EARLIER: Final = 20
"""Earlier runs that a comment lists."""

_SIGNS: Final = {Outcome.PASS: "✅", Outcome.INCONCLUSIVE: "❔", Outcome.ERROR: "⚠️", Outcome.FAIL: "❌"}
_MARKS: Final = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.INFO: "i"}
_RUN = re.compile(r"^- `[0-9a-f]{12}` [a-z0-9 ,]{1,60}$", re.MULTILINE)
_IN_COMMENT: Final = 50
"""Findings and changes of an app that a comment has before it is cut by its length."""


def summary(report: Report) -> str:
    """Returns the summary of a step, in whole blocks up to :data:`MAX_SUMMARY`."""
    return within(_blocks(report, most=10_000), MAX_SUMMARY, size=bytes)


def comment(report: Report, previous: str = "") -> str:
    """Returns the comment, up to :data:`MAX_COMMENT`. ``previous`` is the text of the one that it replaces."""
    runs = [_run_line(report), *_runs_of(previous)][:EARLIER]
    history = "<details><summary>Runs</summary>\n\n" + "\n".join(runs) + "\n\n</details>"
    body = within(_blocks(report, most=_IN_COMMENT), MAX_COMMENT - len(history) - len(MARKER) - 10, size=str)
    return f"{MARKER}\n{body}\n{history}\n"


def _run_line(report: Report) -> str:
    return f"- `{report.head[:12]}` {report.verdict}"


def _runs_of(previous: str) -> list[str]:
    """Returns the runs that an earlier comment lists; of all else in it nothing is taken over."""
    return _RUN.findall(previous) if previous.startswith(MARKER) else []


def _blocks(report: Report, *, most: int) -> Iterator[str]:
    yield f"### promptops: {report.verdict}"
    yield f"{code(report.base[:12])} → {code(report.head[:12])}" + (
        f", in {code(report.folder)}" if report.folder else ""
    )
    yield from (f"> {code(note, 300)}" for note in report.notes)
    if report.checks:
        yield "\n".join(
            f"- {_SIGNS[line.outcome]} {code(line.app)} {code(line.check)}: {line.outcome.value}"
            + (f" {code(line.reason, 400)}" if line.reason else "")
            + (f" {code(line.hint, 400)}" if line.hint else "")
            for line in report.checks
        )
    if not report.apps:
        yield "No app has other content or other suites than before."
    for app in report.apps:
        yield from _app(app, most)
    yield from _findings(report, most)


def _app(app: ChangedApp, most: int) -> Iterator[str]:
    yield f"#### {code(app.name)} {_state(app)}"
    weaker = [_suite(suite) for suite in app.suites]
    if weaker:
        yield "\n".join(weaker)
    calls = [f"- {line}" for line in call_lines(app.calls)]
    if calls:
        yield "\n".join(calls)
    if app.evidence:
        yield "\n".join(f"- evidence {code(line)}" for line in app.evidence[:most])
    for change in app.changes[:most]:
        yield _change(change)
    if len(app.changes) > most:
        yield f"… and {len(app.changes) - most:,} more changes"


def _state(app: ChangedApp) -> str:
    if app.is_gone:
        return "is gone"
    if app.errors:
        return f"cannot be released: {app.errors:,} error{'s' if app.errors > 1 else ''}"
    if app.is_new:
        return f"is new: {code(app.digest[:19])}"
    if app.digest == app.old_digest:
        return "has the same content, and other suites"
    return f"would be a {app.bump.value} release: {code(app.digest[:19])}"


def _suite(suite: SuiteChange) -> str:
    parts = [
        "is new" if suite.is_new else "is gone" if suite.is_gone else "",
        "is not required any more" if suite.lowered else "",
        "has other checks" if suite.checks_changed else "",
        *(
            f"{count:,} case{'s' if count > 1 else ''} {what}"
            for count, what in ((suite.added, "added"), (suite.removed, "removed"), (suite.changed, "changed"))
            if count
        ),
    ]
    sign = "⚠️ " if suite.is_weaker else ""
    return f"- {sign}suite {code(suite.suite)}: {', '.join(filter(None, parts))}"


def _change(change: Change) -> str:
    head = f"- {change.bump.value}: {code(f'{change.prompt}: {change.summary}' if change.prompt else change.summary)}"
    sides = [(sign, text) for sign, text in (("-", change.before), ("+", change.after)) if text is not None]
    if not sides or all("\n" not in text and len(text) < 40 for _, text in sides):
        return head
    lines = "\n".join(f"{sign} {line}" for sign, text in sides for line in text.split("\n")[:8])
    return f"{head}\n\n{block(lines, 'diff')}"


def _findings(report: Report, most: int) -> Iterator[str]:
    findings = worst_first(report.new)
    if not findings:
        return
    yield f"#### {len(findings):,} new finding{'s' if len(findings) > 1 else ''}"
    shown = findings[:most]
    for start in range(0, len(shown), 25):
        yield "\n".join(map(_finding, shown[start : start + 25]))
    if len(findings) > most:
        yield f"… and {len(findings) - most:,} more findings"


def _finding(finding: Finding) -> str:
    place = code(f"{finding.path}:{finding.line}:{finding.column}", 300)
    return f"- {_MARKS[finding.severity]} {place} {code(finding.code)} {code(finding.message, 300)}"
