"""Characters that a model reads and a person does not see: bidirectional, tag, zero width and control characters.

Which ones, :mod:`promptops.core.characters` says. One finding a file for each character, at its first place.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator

from promptops.core import characters
from promptops.source.text.findings import Report

_LOW = (
    "NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC "
    "FS GS RS US"
)
_HIGH = (
    "DEL PAD HOP BPH NBH IND NEL SSA ESA HTS HTJ VTS PLD PLU RI SS2 SS3 DCS PU1 PU2 STS CCH MW SPA EPA SOS SGC SCI CSI "
    "ST OSC PM APC"
)
_CONTROLS = {
    chr(first + at): name for first, names in ((0, _LOW), (0x7F, _HIGH)) for at, name in enumerate(names.split())
}
"""Control characters by the abbreviations of https://www.unicode.org/Public/17.0.0/ucd/NameAliases.txt."""
_ESCAPES = {
    "\0": r"\0",
    "\a": r"\a",
    "\b": r"\b",
    "\v": r"\v",
    "\f": r"\f",
    "\r": r"\r",
    "\x1b": r"\e",
    "\x85": r"\N",
    "\u2028": r"\L",
    "\u2029": r"\P",
}
"""YAML's escapes in double quotes for characters that are seldom meant: ``"\approx"``, ``"\beta"``, ``"\frac"``."""
_HINTS = {
    "bidi-character": "Remove it, or ignore it with a reason where the text is right to left.",
    "tag-character": "Remove it: this is how instructions are hidden in a text.",
    "control-character": "Remove it.",
    "invisible-character": "Remove it, or ignore it with a reason.",
    "strange-character": "Remove it, or ignore it with a reason.",
}


def scan(report: Report) -> None:
    """Report the strange characters of a file's text, and of texts it holds as escapes."""
    for offset, code, char, count in strange(report.text):
        _add(report, offset, code, char, count)
    for start, text in report.escaped:
        for _, code, char, count in strange(text):
            _add(report, start, code, char, count, escape=_ESCAPES.get(char, ""))


def strange(text: str) -> Iterator[tuple[int, str, str, int]]:
    """Yields first offset, code, character and count of every strange character of a text."""
    first: dict[str, tuple[int, str]] = {}
    count: Counter[str] = Counter()
    for place, code in characters.strange(text):  # of each character in the order of the text
        first.setdefault(text[place], (place, code))
        count[text[place]] += 1
    for char in sorted(first):
        place, code = first[char]
        yield place, code, char, count[char]


def _add(report: Report, offset: int, code: str, char: str, count: int, *, escape: str = "") -> None:
    name = unicodedata.name(char, "") or _CONTROLS.get(char, "no name")
    times = f", {count} times" if count > 1 else ""
    if escape:
        message = f"U+{ord(char):04X} ({name}){times}: `{escape}` in double quotes is {name}"
        report.add(code, offset, message, "Use single quotes or `|`, where a backslash is a backslash.")
        return
    report.add(code, offset, f"U+{ord(char):04X} ({name}){times}", _HINTS[code])
