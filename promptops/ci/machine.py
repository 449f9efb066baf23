"""The report for programs: SARIF 2.1.0, JUnit's XML, and GitLab's code quality."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from promptops._version import __version__
from promptops.ci.report import CheckLine, Report, worst_first
from promptops.core.escape import one_line
from promptops.core.finding import Finding, Severity
from promptops.core.model import Json
from promptops.core.verdict import Outcome

MAX_RESULTS: Final = 5_000
"""Findings in one file: GitHub shows as many of SARIF and refuses 25,000."""

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_SEVERITIES: Final = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.INFO: "info"}


def sarif(report: Report) -> str:
    """Returns all findings of the head as SARIF: the platform compares them with those of earlier runs itself."""
    findings = worst_first(report.findings)
    shown = findings[:MAX_RESULTS]
    rules = sorted({finding.code for finding in shown})
    places = {code: place for place, code in enumerate(rules)}
    run: dict[str, Json] = {
        "tool": {
            "driver": {
                "name": "promptops",
                "version": __version__,
                "rules": [
                    {"id": code, "shortDescription": {"text": report.meanings.get(code) or code}} for code in rules
                ],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(finding, places[finding.code], print_)
            for finding, print_ in zip(shown, _fingerprints(shown), strict=True)
        ],
        "properties": {"leftOut": len(findings) - len(shown)},
    }
    document: dict[str, Json] = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def code_quality(report: Report) -> str:
    """Returns all findings of the head as GitLab's code quality reads them."""
    findings = worst_first(report.findings)[:MAX_RESULTS]
    listed: list[Json] = [
        {
            "description": one_line(f"{finding.message} {finding.hint}".strip(), 1_000),
            "check_name": finding.code,
            "fingerprint": print_,
            "severity": _SEVERITIES[finding.severity],
            "location": {"path": _path(finding), "lines": {"begin": finding.line}},
        }
        for finding, print_ in zip(findings, _fingerprints(findings), strict=True)
    ]
    return json.dumps(listed, ensure_ascii=False, indent=1) + "\n"


def junit(report: Report) -> str:
    """Returns a test for the files of each app, and one for each check that was made of it."""
    errors = defaultdict(list)
    for finding in worst_first(report.findings):
        if finding.severity is Severity.ERROR:
            errors[_owner(report, finding)].append(finding)
    names = sorted({*(app.name for app in report.apps), *errors})
    cases = [_files(name, errors[name]) for name in names] + [_check(line) for line in report.checks]
    count = Counter("failure" if "<failure" in case else "error" if "<error" in case else "" for case in cases)
    numbers = f'tests="{len(cases)}" failures="{count["failure"]}" errors="{count["error"]}"'
    inside = "".join(f"  {case}\n" for case in cases)
    suite = f'<testsuite name="promptops" {numbers}>\n{inside}</testsuite>'
    return f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="promptops" {numbers}>\n{suite}\n</testsuites>\n'


def _result(finding: Finding, rule: int, fingerprint: str) -> Mapping[str, Json]:
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": _without_links(one_line(f"{finding.message} {finding.hint}".strip(), 1_000))},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(_path(finding)), "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": finding.line, "startColumn": finding.column},
                }
            }
        ],
        "partialFingerprints": {"promptops/v1": fingerprint},
    }


def _path(finding: Finding) -> str:
    """Returns the path in what UTF-8 can hold: a name in a repository may be any bytes."""
    return finding.path.encode("utf-8", "replace").decode()


def _without_links(text: str) -> str:
    """Returns a message in which ``[text](target)`` is no link: section 3.11.6 of SARIF 2.1.0."""
    return text.replace("](", "\\](")


def _fingerprints(findings: list[Finding]) -> Iterator[str]:
    """Yields what stays the same while a finding moves to another line. Equal findings of a file are numbered."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for finding in findings:
        key = (finding.code, finding.path, finding.message)
        seen[key] += 1
        yield hashlib.sha256("\0".join((*key, str(seen[key]))).encode("utf-8", "replace")).hexdigest()


def _owner(report: Report, finding: Finding) -> str:
    """Returns the app whose folder a finding is in; a path for one that is in none that changed."""
    owners = [app for app in report.apps if app.path and finding.path.startswith(f"{app.path}/")]
    return max(owners, key=lambda app: len(app.path)).name if owners else finding.path


def _files(name: str, errors: list[Finding]) -> str:
    head = f"<testcase classname={_attribute(name)} name={_attribute('files')}"
    if not errors:
        return f"{head}/>"
    lines = [f"{each.path}:{each.line}: {each.message}" for each in errors[:100]]
    lines += [f"and {len(errors) - 100:,} more"] if len(errors) > 100 else []
    said = f"{len(errors):,} error{'s' if len(errors) > 1 else ''}"
    return f"{head}><failure message={_attribute(said)}>{_xml(lines)}</failure></testcase>"


def _check(line: CheckLine) -> str:
    head = f"<testcase classname={_attribute(line.app)} name={_attribute(line.check)}"
    if line.outcome is Outcome.PASS:
        return f"{head}/>"
    element = "error" if line.outcome is Outcome.ERROR else "failure"
    said = _attribute(f"{line.outcome.value}: {line.reason}")
    return f"{head}><{element} message={said}>{_xml([line.hint])}</{element}></testcase>"


def _xml(lines: list[str]) -> str:
    return escape("\n".join(one_line(line, 1_000) for line in lines))


def _attribute(text: str) -> str:
    return quoteattr(one_line(text, 500))
