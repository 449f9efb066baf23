"""The report as JUnit XML, which every CI shows: a test suite for each suite and prompt, a test case for each case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from promptops.core.evidence.case_table import Arm, RowOutcome
from promptops.evals.reports.report import CaseReport, Report, RowReport

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write."""


def junit(report: Report) -> bytes:
    """Returns the XML. A case is one of the candidate; it fails if one of its answers does, with the reasons."""
    root = Xml.Element("testsuites", name=_text(report.app))
    groups: dict[tuple[str, str], list[int]] = {}
    for number, case in enumerate(report.cases):
        groups.setdefault((case.suite, case.prompt), []).append(number)
    for (suite, prompt), numbers in groups.items():
        _suite(root, report, f"{suite} · {prompt}" if suite != prompt else suite, numbers)
    Xml.indent(root)
    document: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _suite(root: Xml.Element, report: Report, name: str, numbers: Sequence[int]) -> None:
    element = Xml.SubElement(root, "testsuite", name=_text(name))
    counts = {"tests": len(numbers), "failures": 0, "errors": 0, "skipped": 0}
    for number in numbers:
        case = report.cases[number]
        rows = [row for row in report.rows if row.case == number and row.arm == Arm.CANDIDATE.value]
        took = sum(row.latency_ms or 0.0 for row in rows) / 1000
        test = Xml.SubElement(
            element, "testcase", classname=_text(f"{report.app}/{case.prompt}"), name=_text(case.id), time=f"{took:.3f}"
        )
        kind = _earlier(test, case) if case.earlier else _result(test, rows)
        if kind:
            counts[kind] += 1
    for key, count in counts.items():
        element.set(key, str(count))


def _earlier(test: Xml.Element, case: CaseReport) -> str:
    if case.passed < case.answers:
        message = f"{case.answers - case.passed} of {case.answers} answers of the run {case.earlier}, which asked it"
        Xml.SubElement(test, "failure", message=message)
        return "failures"
    return ""


def _result(test: Xml.Element, rows: Sequence[RowReport]) -> str:
    """Adds what did not go well, and returns how it is counted."""
    bad = [row for row in rows if row.outcome != RowOutcome.PASSED.value]
    if not rows:
        Xml.SubElement(test, "skipped", message="not asked")
        return "skipped"
    if not bad:
        return ""
    failed = [row for row in bad if row.outcome == RowOutcome.FAILED.value]
    reasons = "\n".join(f"repeat {row.repeat}: {row.error or row.outcome}: {row.why}" for row in bad)
    message = f"{len(bad)} of {len(rows)} answers: {bad[0].why or bad[0].error}"
    Xml.SubElement(test, "failure" if failed else "error", message=_text(message[:500])).text = _text(reasons)
    return "failures" if failed else "errors"


def _text(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
