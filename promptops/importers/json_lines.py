"""Reads JSON lines for all that has no importer: one result a line, behind a line that names the format.

``{"schema": "promptops.results/1", "suite": "answer", "tools": {"own": "1.0"}}`` and then
``{"case": "q1", "repeat": 1, "passed": true}``. An error is a word in ``error``; a case that was not run is a line with
``"skipped": true``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from promptops.core.errors import Invalid
from promptops.core.escape import one_line
from promptops.importers.json_text import parsed
from promptops.importers.named_fields import Named
from promptops.importers.results import ERROR, FAILED, PASSED, Asked, Collector, Results, Target

SCHEMA: Final = "promptops.results/1"
_FIELDS: Final = frozenset(
    (
        "case",
        "variables",
        "expected",
        "repeat",
        "passed",
        "error",
        "skipped",
        "score",
        "latency_ms",
        "input_tokens",
        "output_tokens",
        "cost_usd",
        "cluster",
        "tags",
        "judged",
    )
)


def read(data: bytes, target: Target) -> Results:
    """Reads a file.

    Raises:
        Invalid: the first line names no known format, or a line is no result; with the number of the line.
    """
    lines = _lines(data)
    head = next(lines, None)
    schema = head.value("schema") if head is not None else None
    if head is None or schema != SCHEMA:
        shown = one_line(repr(schema), 60)
        raise Invalid(f"the first line has the schema {shown}", hint=f'It has to be {{"schema": "{SCHEMA}"}}.')
    collector = target.collector(head.text("suite", 200))
    for line in lines:
        _add(collector, line)
    tools = head.inner("tools")
    return collector.results({name: tools.text(name, 80) for name in tools.names()[:20]})


def _lines(data: bytes) -> Iterator[Named]:
    start = number = 0
    while start < len(data):
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        line, start, number = data[start:end], end + 1, number + 1
        if line.strip():
            yield Named(parsed(line, f"line {number}"))


def _add(collector: Collector, line: Named) -> None:
    unknown = set(line.names()) - _FIELDS
    if unknown:
        raise Invalid(f"{line.path}: '{one_line(min(unknown), 60)}' is no field of a result", hint=_KNOWN)
    asked = _asked(line)
    case = collector.case(asked)
    error, passed, skipped = line.text("error", 80), line.flag("passed"), line.flag("skipped")
    if (bool(error), passed is not None, bool(skipped)).count(True) != 1:
        raise Invalid(f"{line.path} has to have one of passed, error and skipped", hint=_KNOWN)
    if skipped:
        return
    score = line.number("score")
    collector.row(
        case,
        ERROR if error else PASSED if passed else FAILED,
        repeat=line.whole("repeat") or 0,
        score=score,
        error=error,
        latency_ms=line.number("latency_ms"),
        input_tokens=line.whole("input_tokens"),
        output_tokens=line.whole("output_tokens"),
        cost_usd=line.number("cost_usd"),
    )


_KNOWN: Final = f"A result has: {', '.join(sorted(_FIELDS))}."


def _asked(line: Named) -> Asked:
    variables, tags = line.value("variables"), line.value("tags")
    given = line.text("case", 400)
    if variables is None and given:
        variables = {"case": given}
    if not isinstance(variables, dict):
        raise Invalid(f"{line.path} has no case and no variables", hint=_KNOWN)
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise Invalid(f"{line.path}: tags is not a list of texts")
    return Asked(
        id=given,
        variables=variables,
        expected=line.text("expected", 1 << 20) or None,
        cluster=line.text("cluster", 400),
        tags=tuple(str(tag) for tag in tags or ()),
        judged=line.flag("judged") is True,
    )
