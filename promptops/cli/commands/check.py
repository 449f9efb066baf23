"""`promptops check`: shows what is wrong with the files, readable for one prompt and for 1,200."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

import click

from promptops import clock
from promptops.cli.command import command
from promptops.cli.output.json_shapes import JsonObject
from promptops.cli.output.phrases import counted, next_steps
from promptops.cli.output.render import Cell, Line, Page, Span
from promptops.cli.session import Session
from promptops.core.errors import NotFound
from promptops.core.finding import Finding, Severity

if TYPE_CHECKING:
    from promptops.core.suite.suite import Suite
    from promptops.source.load import Loaded
    from promptops.wire.documents.commands import SuiteDocument

BY_FILE = 25
"""Up to this many findings are shown file by file, about two screens; more are grouped by their code."""

EXAMPLES = {Severity.ERROR: 8, Severity.WARNING: 3, Severity.INFO: 2}
"""Places that a group shows: the more severe, the more, because errors have to be corrected first."""

_STYLE = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.INFO: "quiet"}
_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}
FAILED = 2  # as for other invalid files


@command("check")
@click.argument("path", metavar="[PATH]", required=False, type=click.Path())
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--full", is_flag=True, help="List every finding, one a line.")
def check(session: Session, /, path: str | None, strict: bool, full: bool) -> None:
    """Lint prompts and apps; needs no registry.

    PATH is a workspace, an app's folder or one prompt file; without it, the workspace you are in, or this folder.
    Errors stop a release and make the exit code 2; warnings do not. To silence a finding, give a reason in the file:

    \b
      # promptops: ignore[floating-model] the provider has no snapshots
    """
    from promptops.cli.types_file import behind
    from promptops.cli.vanished_apps import vanished
    from promptops.source.lint.lint import check_path
    from promptops.source.workspace import MARKER

    place = session.path(path) if path else (session.root() or session.directory)
    if not place.exists():
        raise NotFound(
            f"there is no file or folder '{path}'", hint="PATH is a workspace, an app's folder or a prompt file."
        )
    loaded = check_path(place, today=clock.now().date())
    if (place / MARKER).is_file():
        loaded = replace(loaded, findings=(*loaded.findings, *behind(place, loaded), *vanished(place, loaded)))
    findings = sorted(loaded.findings, key=lambda f: (_ORDER[f.severity], f.path, f.line, f.column, f.code))
    count = Counter(finding.severity for finding in findings)
    session.answer(
        lambda: _shape(findings, loaded),
        lambda page: [*(_flat(findings) if full else _report(findings, page)), *_summary(count, loaded, strict, path)],
    )
    if count[Severity.ERROR] or (strict and count[Severity.WARNING]):
        click.get_current_context().exit(FAILED)


def _shape(findings: Sequence[Finding], loaded: Loaded) -> JsonObject:
    from promptops.wire.codec import to_json
    from promptops.wire.documents.commands import CheckedDocument, FindingDocument

    count = Counter(finding.severity for finding in findings)
    return to_json(
        CheckedDocument(
            findings=tuple(map(FindingDocument.of, findings)),
            errors=count[Severity.ERROR],
            warnings=count[Severity.WARNING],
            infos=count[Severity.INFO],
            apps=tuple(app.name for app in loaded.apps),
            suites=tuple(_suite(app.name, suite) for app in loaded.apps for suite in app.suites.values()),
        )
    )


def _suite(app: str, suite: Suite) -> SuiteDocument:
    from promptops.core.suite.suite import suite_digest
    from promptops.wire.documents.commands import SuiteDocument

    return SuiteDocument(
        app=app,
        name=suite.name,
        kind=suite.kind.value,
        prompts=suite.prompts,
        cases=len(suite.cases),
        repeats=suite.repeats,
        digest=suite_digest(suite),
        held=suite.held is not None,
    )


def _report(findings: Sequence[Finding], page: Page) -> list[Line]:
    return _by_file(findings) if len(findings) <= BY_FILE else _by_code(findings)


def _flat(findings: Sequence[Finding]) -> list[Line]:
    """``path:line:column: severity[code] message``, which editors and CI logs make clickable."""
    lines: list[Line] = [
        [f"{f.path}:{f.line}:{f.column}: ", Span(f"{f.severity}[{f.code}]", _STYLE[f.severity]), f" {f.message}"]
        for f in findings
    ]
    return [*lines, ""] if lines else []


def _by_file(findings: Sequence[Finding]) -> list[Line]:
    lines: list[Line] = []
    for path, in_file in groupby(sorted(findings, key=lambda f: (f.path, f.line, f.column)), key=lambda f: f.path):
        lines.append([Span(path, "name")])
        for finding in in_file:
            mark = Span(finding.severity.value, _STYLE[finding.severity])
            place = f"{finding.line}:{finding.column}".ljust(7)
            lines.append(["  ", place, mark, f"  {finding.message}  ", Span(finding.code, "quiet")])
            if finding.hint:
                lines.append(["         ", Span(finding.hint, "quiet")])
        lines.append("")
    return lines


def _by_code(findings: Sequence[Finding]) -> list[Line]:
    """The codes with the most serious first, each with its count, what to do, and the first places."""
    groups: dict[tuple[int, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((_ORDER[finding.severity], finding.code), []).append(finding)
    lines: list[Line] = []
    for (_, code), members in sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]), item[0][1])):
        first = members[0]
        files = len({finding.path for finding in members})
        where = f"  {len(members):,} in {counted(files, 'file')}"
        lines.append([Span(f"{first.severity}  ", _STYLE[first.severity]), Span(code, "strong"), Span(where, "strong")])
        shown = members[: EXAMPLES[first.severity]]
        lines += [f"  {f.path}:{f.line}:{f.column}  {f.message}" for f in shown]
        hints = Counter(finding.hint for finding in members if finding.hint)
        if len(members) > len(shown):
            lines.append([Span(f"  … and {len(members) - len(shown):,} more", "quiet")])
        if hints:
            lines.append([Span(f"  {hints.most_common(1)[0][0]}", "quiet")])
        lines.append("")
    return lines


def _summary(count: Counter[Severity], loaded: Loaded, strict: bool, path: str | None = None) -> list[Line]:
    prompts = sum(len(app.content.prompts) for app in loaded.apps if app.content is not None)
    broken = sum(app.content is None for app in loaded.apps)
    errors, warnings = count[Severity.ERROR], count[Severity.WARNING]
    scope = counted(len(loaded.apps), "app")
    scope += f", {broken:,} of them with errors" if broken else f", {counted(prompts, 'prompt')}"
    suites = [suite for app in loaded.apps for suite in app.suites.values()]
    if suites:
        scope += f", {counted(len(suites), 'suite')} with {counted(sum(len(suite.cases) for suite in suites), 'case')}"
        held = sum(suite.held is not None for suite in suites)
        scope += f", {held} with held cases" if held else ""
    if not errors and not warnings:
        lines: list[Line] = [[Span("✓ ", "good"), Span("No errors, no warnings", "strong"), f" ({scope})"]]
    else:
        parts: list[Cell] = [Span(counted(errors, "error"), "bad" if errors else ""), ", "]
        parts += [Span(counted(warnings, "warning"), "warn" if warnings else ""), f" ({scope})"]
        lines = [parts]
    if errors:
        again = ["check", *([path] if path else [])]
        return [*lines, *next_steps([("every finding", [*again, "--full"]), ("for scripts", [*again, "--json"])])]
    if strict and warnings:
        return [*lines, "With --strict, warnings fail too."]
    return [*lines, *next_steps([("cut a release", ["release"])])]
