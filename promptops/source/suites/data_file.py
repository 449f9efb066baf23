"""Reads a file of cases: JSON lines, one object a line, or CSV with a header. Yields each case with its place.

A cell of CSV is text. Where the prompt's input takes something else, a cell that is JSON is that value. An empty cell
is no value.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator

from promptops.core.digest import parse_canonical
from promptops.core.errors import Invalid
from promptops.core.model import Json
from promptops.source.text.fields import Fields, shown
from promptops.source.text.findings import Report
from promptops.source.text.strict_yaml import Document

ENDINGS = (".jsonl", ".csv")

MAX_DATA = 16 << 20
"""Bytes of the largest file of cases: 10,000 cases with a page of text each."""

MAX_CASES = 20_000
"""Cases of one suite: asking each of them once takes a model hours."""

MAX_HEADER = 64 << 10
"""Bytes of the names of all columns."""

_LINE = re.compile(r"[^\n]+")


def read_rows(report: Report, typed: Collection[str], texts: Collection[str]) -> Iterator[Fields]:
    """Yields the cases of a file's text. ``typed`` are the variables whose cells may be JSON.

    ``texts`` are the names that prompts use as variables: a column ``tags`` among them is no list of tags.
    """
    if "\0" in report.text:  # of which there is a finding: no cell with one has a digest
        return
    rows = _csv(report, typed, texts) if report.path.endswith(".csv") else _json_lines(report)
    for number, (offset, value) in enumerate(rows):
        if number == MAX_CASES:
            report.add("too-many-values", offset, f"over {MAX_CASES:,} cases", "Split the file, and the suite.")
            return
        yield Fields(report, Document(text="", base=offset, value=value), value, ())


def _json_lines(report: Report) -> Iterator[tuple[int, dict[str, Json]]]:
    for match in _LINE.finditer(report.text):
        if match[0].isspace():
            continue
        try:
            value = parse_canonical(match[0].encode("utf-8", "surrogatepass"))
        except Invalid as error:
            offset = match.start() + getattr(error.__cause__, "pos", 0)
            report.add("json-syntax", offset, f"this line is not a case: {error.message}")
            continue
        if isinstance(value, dict):
            yield match.start(), value
        else:
            report.add("wrong-type", match.start(), f"a line is a mapping, got {shown(value)}")


def _csv(report: Report, typed: Collection[str], texts: Collection[str]) -> Iterator[tuple[int, dict[str, Json]]]:
    starts = [0, *(match.end() for match in re.finditer("\n", report.text))]
    if starts[1:2] > [MAX_HEADER] or (len(starts) == 1 and len(report.text) > MAX_HEADER):
        report.add(
            "wrong-value", 0, f"a first line of over {MAX_HEADER // 1024} KiB", "It has the names of the columns."
        )
        return
    reader = csv.reader(io.StringIO(report.text, newline="\n"), strict=True)
    header: list[str] | None = None
    line = 0
    try:
        for row in reader:
            offset, line = starts[line], reader.line_num
            if not row:
                continue
            if header is None:
                header = _header(report, row)
                if header is None:
                    return
            elif len(row) > len(header):
                report.add("wrong-value", offset, f"{len(row)} cells in a table of {len(header)} columns")
            else:
                yield offset, _row(dict(zip(header, row, strict=False)), typed, texts)
    except csv.Error as error:
        report.add("wrong-value", starts[min(line, len(starts) - 1)], f"not CSV: {error}")


def _header(report: Report, names: list[str]) -> list[str] | None:
    names = [name.strip() for name in names]
    if "" in names:
        report.add("wrong-value", 0, "a column has no name", "The first line names the columns.")
        return None
    twice = next((name for name, count in Counter(names).items() if count > 1), "")
    if twice:
        report.add("duplicate-key", 0, f"the column '{twice[:80]}' is here twice", "Keep one of them.")
        return None
    return names


def _row(cells: dict[str, str], typed: Collection[str], texts: Collection[str]) -> dict[str, Json]:
    row: dict[str, Json] = {}
    for name, cell in cells.items():
        if cell == "":
            continue
        if name in typed:
            row[name] = _value(cell)
        elif name == "tags" and name not in texts:
            row[name] = [tag.strip() for tag in cell.split(",") if tag.strip()]
        else:
            row[name] = cell
    return row


def _value(cell: str) -> Json:
    try:
        return parse_canonical(cell.encode())
    except Invalid:
        return cell
