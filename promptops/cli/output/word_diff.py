"""Two texts -> the lines that differ, with the words that differ marked in them.

With colour, the marks are colours; without, they are git's ``[-old-]{+new+}`` (git diff --word-diff=plain), so a pipe
loses nothing. Equal lines are left out, except one on either side of a difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from promptops.cli.output.render import Cell, Line, Span


class Piece(NamedTuple):
    """A run of words: the same in both texts, or what each has in its place."""

    same: bool
    old: str
    new: str


_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_MAX_WORDS = 3_000
"""Above this many words whole lines are marked: the time of the comparison grows with the square of their number."""


def compare_texts(before: str, after: str, *, color: bool) -> list[Line]:
    """The differing lines, removed ones first, and one line around them."""
    old, new = before.split("\n"), after.split("\n")
    lines: list[Line] = []
    end = 0
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        lines += _between(old, end, i1, first=not lines)
        lines += _block(old[i1:i2], new[j1:j2], color=color)
        end = i2
    if end < len(old) and lines:
        lines.append(_context(old[end]))
        lines += [Span("  …", "quiet")] if len(old) > end + 1 else []
    return lines


def whole_text(text: str, *, added: bool) -> list[Line]:
    """Every line of a text that is new or gone."""
    sign, style = ("+ ", "added") if added else ("- ", "removed")
    return [Span(sign + line, style) for line in text.split("\n")]


def _between(old: Sequence[str], start: int, end: int, *, first: bool) -> list[Line]:
    """What is shown of the equal lines before a difference."""
    gap = old[start:end]
    if first:
        return ([Span("  …", "quiet")] if len(gap) > 1 else []) + [_context(line) for line in gap[-1:]]
    if len(gap) <= 3:
        return [_context(line) for line in gap]
    return [_context(gap[0]), Span("  …", "quiet"), _context(gap[-1])]


def _context(line: str) -> Line:
    return Span("  " + line, "quiet")


def _block(old: Sequence[str], new: Sequence[str], *, color: bool) -> list[Line]:
    if not old or not new:
        return [*whole_text("\n".join(old), added=False)] if old else [*whole_text("\n".join(new), added=True)]
    words = _WORDS.findall("\n".join(old)), _WORDS.findall("\n".join(new))
    if len(words[0]) + len(words[1]) > _MAX_WORDS:
        return [*whole_text("\n".join(old), added=False), *whole_text("\n".join(new), added=True)]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    if (
        _likeness(matcher, *words) < 0.3
    ):  # below about a third the marks alternate with single words and are harder to read than whole lines
        return [*whole_text("\n".join(old), added=False), *whole_text("\n".join(new), added=True)]
    pieces = _pieces(matcher, *words)
    return _colored(pieces) if color else _plain(pieces)


def _pieces(matcher: SequenceMatcher[str], old: list[str], new: list[str]) -> list[Piece]:
    """Returns runs of words that are equal or differ.

    A space between two words that differ belongs to them: "three words" in one mark reads better than word by word.
    """
    pieces: list[Piece] = []
    opcodes = matcher.get_opcodes()
    for place, (tag, i1, i2, j1, j2) in enumerate(opcodes):
        here = Piece(same=tag == "equal", old="".join(old[i1:i2]), new="".join(new[j1:j2]))
        between = 0 < place < len(opcodes) - 1
        same = here.same and not (between and here.old.isspace())
        if pieces and not same and not pieces[-1].same:
            pieces[-1] = Piece(same=False, old=pieces[-1].old + here.old, new=pieces[-1].new + here.new)
        else:
            pieces.append(here if same else Piece(same=False, old=here.old, new=here.new))
    return pieces


def _likeness(matcher: SequenceMatcher[str], old: list[str], new: list[str]) -> float:
    """Returns the share of words that both texts have, without spaces."""
    kept = sum(not word.isspace() for i, _, size in matcher.get_matching_blocks() for word in old[i : i + size])
    return 2 * kept / max(1, sum(not word.isspace() for word in [*old, *new]))


def _colored(pieces: Sequence[Piece]) -> list[Line]:
    removed: list[Cell] = [Span("- ", "removed")]
    added: list[Cell] = [Span("+ ", "added")]
    for piece in pieces:
        removed.append(Span(piece.old, "removed" if piece.same else "removed-word"))
        added.append(Span(piece.new, "added" if piece.same else "added-word"))
    return [*_broken(removed, Span("- ", "removed")), *_broken(added, Span("+ ", "added"))]


def _plain(pieces: Sequence[Piece]) -> list[Line]:
    cells: list[Cell] = ["~ "]
    for piece in pieces:
        if piece.same:
            cells.append(piece.old)
            continue
        cells += [f"[-{piece.old}-]"] if piece.old else []
        cells += [f"{{+{piece.new}+}}"] if piece.new else []
    return _broken(cells, "~ ")


def _broken(cells: Sequence[Cell], head: Cell) -> list[Line]:
    """Splits cells at their line breaks, into lines that each begin with ``head``."""
    lines: list[list[Cell]] = [[]]
    for cell in cells:
        text, style = (cell.text, cell.style) if isinstance(cell, Span) else (cell, "")
        first, *rest = text.split("\n")
        lines[-1].append(Span(first, style))
        lines += [[head, Span(part, style)] for part in rest]
    return list(lines)
