"""Maps offsets in a text to offsets in the file it was read from, where the two differ character by character.

A block of YAML loses its indentation, a folded line its line end, a quoted text its escapes, a Markdown text its
suppressions. Both texts are walked once, side by side. After that every offset costs one search in a sorted list.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import zip_longest

_WORD = re.compile(r"\S+")
_APOSTROPHE = re.compile(r"[^\s']+|'")
_APOSTROPHES = re.compile(r"[^\s']+|'{1,2}")
_DOUBLE = re.compile(
    r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|\n[ \t]*+|.)"  # an escape is one character
    r"|[ \t]*+\n[ \t\n]*+"  # a line end is a space, or as many as there are empty lines
    r"|[^\\\s]+|[ \t]+|[^\\]",
    re.DOTALL,
)


class Places:
    """Maps offsets in one text to offsets in another, from pairs of offsets after which both texts are equal."""

    __slots__ = ("_from", "_to")

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        self._from = array("l", [0])
        self._to = array("l", [0])
        for source, target in pairs:
            if target - source != self._to[-1] - self._from[-1] or not source:
                self._from.append(source)
                self._to.append(target)

    def at(self, offset: int) -> int:
        """Returns the offset in the other text."""
        index = bisect_right(self._from, offset) - 1
        return self._to[index] + offset - self._from[index]


def places_of(value: str, raw: str, style: str | None) -> Places | None:
    """Maps offsets in a YAML scalar's value to offsets in its source; None if the two do not fit together.

    ``raw`` is the source without the quotes around it, or the lines below the header of a block; ``style`` is YAML's
    sign for the style: ``|``, ``>``, ``'``, ``"`` or nothing.
    """
    try:
        return Places(_of_double(value, raw) if style == '"' else _of_words(value, raw, style))
    except _Astray:
        return None


class _Astray(Exception):
    pass


def _of_words(value: str, raw: str, style: str | None) -> Iterator[tuple[int, int]]:
    """Pairs up words: folding changes only the whitespace between them; ``''`` is one character in single quotes."""
    quoted = style == "'"
    in_value, in_raw = (_APOSTROPHE, _APOSTROPHES) if quoted else (_WORD, _WORD)
    for one, other in zip_longest(in_value.finditer(value), in_raw.finditer(raw)):
        if one is None and not quoted:  # a comment below a block of text
            return
        if one is None or other is None or one[0] != (other[0] if other[0] != "''" or not quoted else "'"):
            raise _Astray
        yield one.start(), other.start()


def _of_double(value: str, raw: str) -> Iterator[tuple[int, int]]:
    here = 0
    for match in _DOUBLE.finditer(raw):
        yield here, match.start()
        token = match[0]
        if token[0] == "\\":
            here += token[1:2] != "\n"
        elif "\n" in token:
            here += max(1, token.count("\n") - 1)
        else:
            here += len(token)
    if here != len(value):
        raise _Astray
