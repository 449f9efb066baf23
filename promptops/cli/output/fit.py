"""Makes lines fit the terminal: columns, names shortened in their middle, texts that go on below themselves.

In: rows of cells and the width of the page; out: lines. The rules it keeps: nothing is shortened where there is no
width, which is a pipe; a channel and a state are shown in full as long as there is room for anything; a name keeps its
beginning and its end; and no line of a table is wider than the page.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from promptops.cli.output.escape import visible

NARROWEST: Final = 8
"""No column is cut to less than this: seven characters and the ellipsis still show a version or the start of a name."""

COMFORTABLE: Final = 16
"""Characters of a name by which people know it. Where columns would have fewer, a spare one is left out."""

LAST: Final = 12
"""Characters that the last column keeps, unless its table says otherwise."""

_WHOLE: Final = frozenset(
    {"CHANNEL", "ENDS", "LAST SEEN", "LIVE", "LIVE ON", "OUTCOME", "REV", "SEQ", "SINCE", "STATE", "VERSION", "WHEN"}
)
"""Titles of columns that are not shortened: half of a channel's name, of a state or of a time misleads."""


class Span(NamedTuple):
    """A piece of text in one style of :data:`promptops.cli.output.render.STYLES`.

    ``kept`` is how many characters at its end are never cut: the channel in ``support-bot:prod``.
    """

    text: str
    style: str = ""
    kept: int = 0


class Sent(str):
    """A line of a text that is shown as it is sent: a TAB is a TAB. Anything else that is invisible is an escape."""

    __slots__ = ()


Cell: TypeAlias = str | Span
Line: TypeAlias = Cell | Sequence[Cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a table gives way where it is wider than the page.

    ``flexible`` is the title of the column that is cut first, down to ``least`` characters, the last one if it is
    empty; with ``wrap`` that column goes on below itself instead. Then the widest of the others are shortened. Columns
    with a title of ``spare`` are left out before that, the first one first.
    """

    flexible: str = ""
    least: int = LAST
    wrap: bool = False
    spare: Sequence[str] = ()


def columns(
    rows: Sequence[Sequence[Cell]], room: int | None, *, indent: int = 2, gap: int = 2, shape: Shape | None = None
) -> list[Line]:
    """Returns rows with their cells aligned, no wider than ``room``."""
    if not rows:
        return []
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    if room is None:
        return [_row(row, widths, indent, gap) for row in rows]
    shape = shape or Shape()
    titles = [_text(cell) for cell in rows[0]]
    ends = [max(cell.kept if isinstance(cell, Span) else 0 for cell in column) for column in zip(*rows, strict=True)]
    least = [
        width if title in _WHOLE else min(width, end + NARROWEST - 1 if end else NARROWEST)
        for title, width, end in zip(titles, widths, ends, strict=True)
    ]
    flexible = titles.index(shape.flexible) if shape.flexible in titles else len(titles) - 1
    least[flexible] = max(least[flexible], min(widths[flexible], shape.least))
    shown = _kept(titles, widths, least, flexible, room - indent, gap, shape.spare)
    flexible = shown.index(flexible) if flexible in shown else len(shown) - 1
    fit = _fitted(
        [widths[place] for place in shown],
        [least[place] for place in shown],
        [titles[place] in _WHOLE for place in shown],
        flexible,
        room - indent - gap * (len(shown) - 1),
    )
    lines: list[Line] = []
    for row in rows:
        cells = [row[place] for place in shown]
        if not shape.wrap:
            lines.append(cut_line(_row(cells, fit, indent, gap), room))
            continue
        first, *more = wrapped(cells[flexible], fit[flexible])
        parts = cells_of(first)
        cells[flexible] = Span("".join(map(_text, parts)), _style(parts[0]))
        lines.append(_row(cells, fit, indent, gap, whole=flexible))
        margin = " " * (indent + sum(fit[:flexible]) + gap * flexible)
        lines += [[margin, *cells_of(part)] for part in more]
    return lines


def cut(cell: Cell, width: int) -> Cell:
    """Returns the cell, shortened with an ellipsis at its end if it is longer than ``width``."""
    if width_of(cell) <= width:
        return cell
    return Span(_beginning(visible(_text(cell)), width - 1).rstrip() + "…", _style(cell))


def shortened(cell: Cell, width: int) -> Cell:
    """Returns the cell in ``width`` characters: of a name the middle is left out, of a text its end."""
    text, kept = visible(_text(cell)), cell.kept if isinstance(cell, Span) else 0
    if width_of(text) <= width or (" " in text and not kept):
        return cut(cell, width)
    end = _ending(text, max((width - 1) // 2, min(kept, width - 2)))
    return Span(f"{_beginning(text, width - 1 - width_of(end))}…{end}", _style(cell))


def _beginning(text: str, width: int) -> str:
    """As many letters as fit, found by halves: a reason may have 10,000 of them, and to measure one takes its time."""
    return text[: bisect_right(range(1, len(text) + 1), width, key=lambda count: width_of(text[:count]))]


def _ending(text: str, width: int) -> str:
    starts = range(len(text) - 1, -1, -1)
    return text[len(text) - bisect_right(starts, width, key=lambda start: width_of(text[start:])) :]


def cut_line(line: Line, width: int) -> Line:
    """Returns the line, shortened with an ellipsis if it is longer than ``width``."""
    cells = cells_of(line)
    if sum(map(width_of, cells)) <= width:
        return line
    shown, left = list[Cell](), width - 1
    for cell in cells:
        if width_of(cell) > left:
            return [*shown, cut(cell, left + 1)]
        shown.append(cell)
        left -= width_of(cell)
    return [*shown, "…"]


def wrapped(line: Line, width: int) -> list[Line]:
    """Returns the line as lines of ``width`` characters; a longer word stays whole, so that it can be pasted."""
    cells = cells_of(line)
    if sum(map(width_of, cells)) <= width:
        return [line]
    words: list[list[Cell]] = [[]]
    for cell in cells:
        first, *others = visible(_text(cell)).split(" ")
        words[-1].append(Span(first, _style(cell)))
        words += [[Span(word, _style(cell))] for word in others]
    lines: list[list[Cell]] = [[]]
    used = 0
    for word in words:
        long = sum(map(width_of, word))
        if used and used + 1 + long > width:
            lines.append([])
            used = 0
        lines[-1] = _joined(lines[-1], word, " " if used else "")
        used += long + (1 if used else 0)
    return list(lines)


def _joined(line: Sequence[Cell], word: Sequence[Cell], space: str) -> list[Cell]:
    """Adds a word to a line, to its last cell where both have one style."""
    if line and _style(line[-1]) == _style(word[0]):
        return [*line[:-1], Span(f"{_text(line[-1])}{space}{_text(word[0])}", _style(word[0])), *word[1:]]
    return [*line, *([space] if space else []), *word]


def hanging(head: Sequence[Cell], line: Line, room: int | None) -> Iterator[Line]:
    """Yields ``head`` and the line, which goes on below itself where it does not fit."""
    margin = sum(map(width_of, head))
    first, *more = [line] if room is None else wrapped(line, max(room - margin, COMFORTABLE))
    yield [*head, *cells_of(first)]
    yield from ([" " * margin, *cells_of(part)] for part in more)


def squeezed(widths: Sequence[int], room: int, least: Sequence[int] = ()) -> list[int]:
    """Returns widths that fit the room: the widest shrink first, down to ``least`` or :data:`NARROWEST`."""
    fit = list(widths)
    floors = [min(pair) for pair in zip(widths, least or [NARROWEST] * len(fit), strict=True)]
    while sum(fit) > room and (loose := [place for place, width in enumerate(fit) if width > floors[place]]):
        fit[max(loose, key=fit.__getitem__)] -= 1
    return fit


def width_of(cell: Cell) -> int:
    """Returns the columns of the terminal that the cell takes."""
    text = _text(cell)
    if text.isascii() and text.isprintable():
        return len(text)
    from rich.cells import cell_len

    return cell_len(visible(text))


def _kept(
    titles: Sequence[str],
    widths: Sequence[int],
    least: Sequence[int],
    flexible: int,
    room: int,
    gap: int,
    spare: Sequence[str],
) -> list[int]:
    """The columns that are shown: without spare ones, where names would not have a comfortable width beside them."""
    need = [max(floor, min(width, COMFORTABLE)) for width, floor in zip(widths, least, strict=True)]
    need[flexible] = least[flexible]
    shown = list(range(len(titles)))
    for title in spare:
        if title in titles and sum(need[place] + gap for place in shown) - gap > room:
            shown.remove(titles.index(title))
    return shown


def _fitted(widths: Sequence[int], least: Sequence[int], whole: Sequence[bool], flexible: int, space: int) -> list[int]:
    """Returns the widths of columns that fit the space: the flexible one is cut first, then the widest of the others.

    In a terminal that is too narrow for the least of each, names are cut further, and whole columns last.
    """
    others = [width for place, width in enumerate(widths) if place != flexible]
    narrower = [floor if kept else min(floor, 4) for floor, kept in zip(least, whole, strict=True)]
    for floors in (least, narrower, [2] * len(widths)):
        rest = [floor for place, floor in enumerate(floors) if place != flexible]
        fit = squeezed(others, space - floors[flexible], rest)
        if sum(fit) + floors[flexible] <= space:
            break
    return [*fit[:flexible], max(space - sum(fit), 1), *fit[flexible:]]


def _row(row: Sequence[Cell], widths: Sequence[int], indent: int, gap: int, whole: int = -1) -> list[Cell]:
    cells: list[Cell] = [" " * indent]
    for place, (each, width) in enumerate(zip(row, widths, strict=True)):
        cell = each if place == whole else shortened(each, width)
        cells += (cell, " " * (width - width_of(cell) + gap))
    return cells[:-1]


def visible_text(cell: Cell) -> str:
    """Returns the text of the cell as a terminal may show it."""
    return visible(_text(cell))


def cells_of(line: Line) -> list[Cell]:
    """Returns the cells of a line."""
    return [line] if isinstance(line, (str, Span)) else list(line)


def _text(cell: Cell) -> str:
    return cell.text if isinstance(cell, Span) else cell


def _style(cell: Cell) -> str:
    return cell.style if isinstance(cell, Span) else ""
