"""Lines of styled text -> a terminal, a pipe or a JSON object. It imports rich, and so does markdown.py alone.

In: lines made of plain texts and :class:`Span`; out: bytes on stdout or stderr. Untrusted text is made visible here,
for every line but :class:`Painted` ones, so that no command can forget it. rich's styles are used alone: its tables
measure every cell several times, which is slow for a status of 1,500 lines.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TextIO, TypeAlias

from promptops.cli.output.escape import visible, visible_json

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

NARROWEST = 8
"""No column is cut to less than this: seven characters and the ellipsis still show a version or the start of a name."""

_ASCII = str.maketrans({"→": "->", "·": "-", "…": "...", "✓": "*", "●": "*", "✗": "x", "“": '"', "”": '"'})


class Span(NamedTuple):
    """A piece of text in one style of :data:`STYLES`."""

    text: str
    style: str = ""


class Sent(str):
    """A line of a text that is shown as it is sent: a TAB is a TAB. Anything else that is invisible is an escape."""

    __slots__ = ()


class Painted(str):
    """A line of our own that has its colours already."""

    __slots__ = ()


Cell: TypeAlias = str | Span
Line: TypeAlias = Cell | Sequence[Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The output that lines are printed to. ``width`` is None in a pipe, where nothing is cut."""

    now: datetime
    zone: tzinfo
    stream: TextIO
    color: bool
    width: int | None

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

    def columns(self, rows: Sequence[Sequence[Cell]], *, indent: int = 2, gap: int = 2, last: int = 0) -> list[Line]:
        """Returns rows with their cells aligned. Only the last column is cut at the edge of the terminal.

        With ``last`` that column keeps at least this many characters, and the widest other columns are cut instead.
        """
        widths = [max(_width(cell) for cell in column) for column in zip(*rows, strict=True)] if rows else []
        room = None
        if self.width is not None and widths:
            space = self.width - indent - gap * (len(widths) - 1)
            widths[:-1] = squeezed(widths[:-1], space - min(last, widths[-1])) if last else widths[:-1]
            room = max(space - sum(widths[:-1]), 12)
        lines: list[Line] = []
        for row in rows:
            cells: list[Cell] = [" " * indent]
            for whole, width in zip(row[:-1], widths[:-1], strict=True):
                cell = cut(whole, width)
                cells += (cell, " " * (width - _width(cell) + gap))
            cells.append(row[-1] if room is None else cut(row[-1], room))
            lines.append(cells)
        return lines


def page(*, now: datetime, zone: tzinfo, color: bool | None = None) -> Page:
    """Returns the page for stdout."""
    return Page(now=now, zone=zone, stream=sys.stdout, color=_colored(sys.stdout, color), width=_columns(sys.stdout))


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


def cut(cell: Cell, width: int) -> Cell:
    """Returns the cell, shortened with an ellipsis if it is longer than ``width``."""
    if _width(cell) <= width:
        return cell
    text = visible(cell.text if isinstance(cell, Span) else cell)
    while text and _width(text) > width - 1:
        text = text[:-1]
    return Span(text.rstrip() + "…", cell.style if isinstance(cell, Span) else "")


def cut_line(line: Line, width: int) -> Line:
    """Returns the line, shortened with an ellipsis if it is longer than ``width``."""
    cells = [line] if isinstance(line, (str, Span)) else list(line)
    if sum(map(_width, cells)) <= width:
        return line
    shown, left = list[Cell](), width - 1
    for cell in cells:
        if _width(cell) > left:
            return [*shown, cut(cell, left + 1)]
        shown.append(cell)
        left -= _width(cell)
    return [*shown, "…"]


def squeezed(widths: Sequence[int], room: int) -> list[int]:
    """Returns widths that fit the room: the widest shrink first, down to :data:`NARROWEST`."""
    fit = list(widths)
    while sum(fit) > room and max(fit) > NARROWEST:
        fit[fit.index(max(fit))] -= 1
    return fit


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


def _width(cell: Cell) -> int:
    text = cell.text if isinstance(cell, Span) else cell
    if text.isascii() and text.isprintable():
        return len(text)
    from rich.cells import cell_len

    return cell_len(visible(text))


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
