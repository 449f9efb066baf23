"""Placeholders of f-strings and ``format`` in a message, which no template fills in: ``{name}``, ``{0}``, ``%(name)s``.

What looks the same for another reason is left out: code in backticks, LaTeX (``\\frac{a}``), shell and
JavaScript (``${x}``), paths of an API (``/users/{id}``), and what no name or format of Python is (``{return}``,
``{a: b}``).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from keyword import iskeyword

from promptops.source.origin import Origin
from promptops.source.text.findings import short

_FORMAT = (
    r"(?:(?![0-9]*\})(?:[^{}\s]?[<>=^])?[-+]?#?[0-9]{0,4}[_,]?(?:\.[0-9]{1,3})?[dfeEgGsxX%]?|%[A-Za-z%:/. -]{1,20})"
)
"""How a value is formatted: https://docs.python.org/3/library/string.html#formatspec, or strftime's for a date. What
an object of JavaScript looks like too (``{a:1}``, ``{a:b}``) is left out."""
_PLACEHOLDER = re.compile(
    r"(?<![{}$/\\\w^\])])(?:\{(?P<name>[A-Za-z_][A-Za-z0-9_.]{0,63}|[0-9]{1,2})(?:![rsa])?"
    rf"(?::{_FORMAT})?\}}(?!\}})"
    r"|%\([A-Za-z_][A-Za-z0-9_]{0,63}\)[sdifr])"
)
_NO_NAMES = frozenset(("const", "false", "function", "let", "null", "true", "typeof", "undefined", "var", "void"))
"""Words of JavaScript and JSON that stand alone in braces, as those of Python do."""
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_LISTED = 5


def scan(origin: Origin) -> None:
    """Reports the placeholders of a text in one warning, at the first of them."""
    text = origin.text
    if text.count("{") == 2 * text.count("{{") and "%(" not in text:
        return  # as most texts, whose braces are those of tags
    found = [match for match in _PLACEHOLDER.finditer(text) if not _is_word(match["name"])]
    code = [match.span() for match in _CODE.finditer(text)] if found and "`" in text else []
    starts = [start for start, _ in code]
    outside = [match for match in found if not _is_in(code, bisect_right(starts, match.start()) - 1, match.start())]
    if not outside:
        return
    names = list(dict.fromkeys(match[0] for match in outside))
    more = ", …" if len(names) > _LISTED else ""
    origin.add(
        "fstring-placeholder",
        outside[0].start(),
        f"no template fills in {', '.join(map(short, names[:_LISTED]))}{more}: a model reads it as it stands",
        "Write {{ name }} for a variable, or ignore it with a reason.",
    )


def _is_word(name: str | None) -> bool:
    return name is not None and (iskeyword(name) or name in _NO_NAMES)


def _is_in(spans: list[tuple[int, int]], at: int, place: int) -> bool:
    return at >= 0 and place < spans[at][1]
