"""Untrusted text -> Markdown that shows it and does nothing else: no mention, no link, no picture, no HTML.

On GitHub and GitLab nothing within code is a mention, a reference or a link. So every text that a person or a model
wrote stands in a code span or a fenced block, whose fence is longer than any run of backticks or tildes in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from promptops.core.escape import one_line, visible

_TICKS = re.compile(r"`+")


def code(text: str, most: int = 200) -> str:
    """Returns a text as a code span of one line."""
    shown = one_line(text, most) or " "
    fence = "`" * (_longest(shown) + 1)
    blank = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{blank}{shown}{blank}{fence}"


def block(text: str, language: str = "", *, lines: int = 20, most: int = 2_000) -> str:
    """Returns a text as a fenced block of at most so many lines and characters."""
    cut = text[:most].split("\n")
    shown = "\n".join(visible(line, keep="\t") for line in cut[:lines])
    if len(text) > most or len(cut) > lines:
        shown += "\n…"
    fence = "`" * max(3, _longest(shown) + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def within(blocks: Iterable[str], most: int, *, size: type[bytes] | type[str]) -> str:
    """Joins whole blocks up to a limit of bytes or characters, and says how many were left out."""
    measure = (lambda text: len(text.encode())) if size is bytes else len
    kept: list[str] = []
    left, out = most - 100, 0  # room for the last line
    for each in blocks:
        left -= measure(each) + 2
        if left < 0:
            out += 1
        else:
            kept.append(each)
    if out:
        kept.append(f"… and {out:,} more that are left out here, because the platform takes no longer text.")
    return "\n\n".join(kept) + "\n"


def _longest(text: str) -> int:
    return max((len(run) for run in _TICKS.findall(text)), default=0)
