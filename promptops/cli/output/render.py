"""Lines of styled text -> a terminal, a pipe or a JSON object. Beside it only fit.py and markdown.py import rich.

In: lines made of plain texts and :class:`Span`; out: bytes on stdout or stderr. Untrusted text is made visible here,
for every line but :class:`Painted` ones, so that no command can forget it. rich's styles are used alone: its tables
measure every cell several times, which is slow for a status of 1,500 lines. How lines fit is
:mod:`promptops.cli.output.fit`.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from typing import TYPE_CHECKING, TextIO

from promptops.cli.output import fit
from promptops.cli.output.escape import visible, visible_json
from promptops.cli.output.fit import Cell as Cell
from promptops.cli.output.fit import Line as Line
from promptops.cli.output.fit import Sent as Sent
from promptops.cli.output.fit import Span as Span

if TYPE_CHECKING:
    from promptops.core.model import Json

STYLES: Mapping[str, str] = {
    "strong": "bold",
    "quiet": "dim",
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "name": "bold cyan",
    "command": "cyan",
    "added": "green",
    "removed": "red",
    "added-word": "bold green reverse",
    "removed-word": "bold red reverse",
}
"""Every style by what it means; the values are rich's."""

_FORMULA = ("=", "+", "-", "@")

_ASCII = str.maketrans({"→": "->", "·": "-", "…": "...", "✓": "*", "●": "*", "✗": "x", "“": '"', "”": '"'})


class Painted(str):
    """A line of our own that has its colours already."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The output that lines are printed to. ``width`` and ``height`` are None in a pipe, where nothing is cut."""

    now: datetime
    zone: tzinfo
    stream: TextIO
    color: bool
    width: int | None
    height: int | None = None

    def print(self, lines: Iterable[Line]) -> None:
        """Write the lines in one go."""
        self.stream.write(self.text(lines))

    def text(self, lines: Iterable[Line]) -> str:
        """Returns the lines as they are written."""
        text = "".join(self._line(line) + "\n" for line in lines)
        if (self.stream.encoding or "utf-8").lower().replace("-", "") != "utf8":
            text = text.translate(_ASCII)
        return text

    def _line(self, line: Line) -> str:
        if isinstance(line, (str, Span)):
            return self._cell(line)
        return "".join(self._cell(cell) for cell in line).rstrip()

    def _cell(self, cell: Cell) -> str:
        if isinstance(cell, Painted):
            return cell
        text = visible(cell.text if isinstance(cell, Span) else cell, "\t" if isinstance(cell, Sent) else "")
        return paint(text, cell.style) if self.color and isinstance(cell, Span) and cell.style else text

    def columns(
        self,
        rows: Sequence[Sequence[Cell]],
        *,
        indent: int = 2,
        gap: int = 2,
        flexible: str = "",
        least: int = fit.LAST,
        spare: Sequence[str] = (),
        wrap: bool = False,
    ) -> list[Line]:
        """Returns rows with their cells aligned, no wider than the page: :class:`promptops.cli.output.fit.Shape`."""
        shape = fit.Shape(flexible=flexible, least=least, wrap=wrap, spare=spare)
        return fit.columns(rows, self.width, indent=indent, gap=gap, shape=shape)

    def hanging(self, head: Sequence[Cell], line: Line) -> list[Line]:
        """Returns ``head`` and the line, which goes on below itself where the page is too narrow."""
        return list(fit.hanging(head, line, self.width))


def page(*, now: datetime, zone: tzinfo, color: bool | None = None) -> Page:
    """Returns the page for stdout."""
    width = _columns(sys.stdout)
    height = None if width is None else shutil.get_terminal_size().lines
    return Page(now=now, zone=zone, stream=sys.stdout, color=_colored(sys.stdout, color), width=width, height=height)


def complain(message: str, hint: str, *, label: str = "error") -> None:
    """Write a message and what to do next to stderr."""
    color = _colored(sys.stderr, None)
    style = "bad" if label == "error" else "warn"
    lines = [(label, style, message)] + ([("hint", "name", hint)] if hint else [])
    for name, shown, text in lines:
        head = paint(f"{name}:", shown) if color else f"{name}:"
        # A message with several lines keeps them: findings, dirty files.
        body = "\n".join(visible(part) for part in text.split("\n"))
        sys.stderr.write(f"{head} {body}\n")


def print_json(value: Mapping[str, Json], *, one_line: bool = False) -> None:
    """Write one JSON object to stdout: one line for a script or with ``one_line``, else indented on a terminal."""
    indent = 2 if sys.stdout.isatty() and not one_line else None
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    sys.stdout.write(visible_json(text) + "\n")


def print_csv(names: Iterable[str], rows: Iterable[Mapping[str, Json]]) -> None:
    """Write rows to stdout as CSV, with a line of names first.

    Cells hold nothing invisible, and none begins as a spreadsheet's formula would: such a cell gets a quote in front
    (https://owasp.org/www-community/attacks/CSV_Injection).
    """
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    columns = list(names)
    writer.writerow(columns)
    for row in rows:
        texts = [visible(str(row[name])) for name in columns]
        writer.writerow(["'" + text if text.startswith(_FORMULA) else text for text in texts])


def paint(text: str, style: str) -> str:
    """Returns the text in a style, with escape codes of the terminal's 16 colours."""
    before, after = _codes(style)
    return f"{before}{text}{after}"


@cache
def _codes(style: str) -> tuple[str, str]:
    from rich.color import ColorSystem
    from rich.style import Style

    before, _, after = Style.parse(STYLES[style]).render("\0", color_system=ColorSystem.STANDARD).partition("\0")
    return before, after


def _colored(stream: TextIO, flag: bool | None) -> bool:
    from promptops.config import setting

    if flag is not None:
        return flag
    if setting("NO_COLOR"):
        return False
    return bool(setting("FORCE_COLOR")) or (stream.isatty() and setting("TERM") != "dumb")


def _columns(stream: TextIO) -> int | None:
    from promptops.config import setting

    if setting("COLUMNS").isdigit():
        return max(40, int(setting("COLUMNS")))
    return max(40, shutil.get_terminal_size().columns) if stream.isatty() else None
