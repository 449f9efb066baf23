"""Characters that a model reads and a person does not see: bidirectional, tag, zero width and control characters.

What is legitimate stays: joiners inside emoji (families, professions) and between letters of scripts that join,
variation selectors behind a symbol, the flags of Unicode's emoji tag sequences
(https://www.unicode.org/reports/tr51/#valid-emoji-tag-sequences). One finding a file for each character, at its first
place.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator

from promptops.source.findings import Report

_PLAIN = frozenset(map(chr, range(0x20, 0x7F))) | {"\n", "\t"}
_PLAIN_BYTES = "".join(_PLAIN).encode("ascii")
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ZERO_WIDTH = frozenset(
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060\u2061\u2062\u2063\u2064\u3164\ufeff\uffa0"
)
_BREAKS = frozenset("\u2028\u2029")
_JOINERS = frozenset("\u200c\u200d")
_ODD = re.compile(r"[^\n\t\x20-\x7e]")
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f")
_CONTROLS = {"\0": "NUL", "\a": "BEL", "\b": "BS", "\v": "VT", "\f": "FF", "\x1b": "ESC", "\x85": "NEL"}
_ESCAPES = {"\0": r"\0", "\a": r"\a", "\b": r"\b", "\v": r"\v", "\f": r"\f", "\x1b": r"\e", "\x85": r"\N"} | {
    "\u2028": r"\L",
    "\u2029": r"\P",
}
"""What YAML writes in double quotes for characters that are seldom meant: ``"\approx"``, ``"\beta"``, ``"\frac"``."""
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
    """First offset, code, character and count of every kind of strange character in a text."""
    if text.isascii() and not text.encode("ascii").translate(None, _PLAIN_BYTES):
        return
    odd = set(text) - _PLAIN
    found = {char: code for char in odd if (code := _code(char))}
    if not found:
        return
    bare = _FLAG.sub(lambda match: "x" * len(match[0]), text)
    first: dict[str, int] = {}
    count: Counter[str] = Counter()
    for match in _ODD.finditer(bare):
        char = match[0]
        if char in found and not ((char in _JOINERS or _is_selector(char)) and _belongs(bare, match.start())):
            first.setdefault(char, match.start())
            count[char] += 1
    for char in sorted(first):
        yield first[char], found[char], char, count[char]


def _code(char: str) -> str:
    point = ord(char)
    if char in _BIDI:
        return "bidi-character"
    if 0xE0000 <= point <= 0xE007F:
        return "tag-character"
    if char in _ZERO_WIDTH or char in _BREAKS or char in _JOINERS or _is_selector(char):
        return "invisible-character"
    category = unicodedata.category(char)
    if category == "Cc":
        return "control-character"
    return "strange-character" if category in ("Co", "Cn") else ""


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _belongs(text: str, place: int) -> bool:
    """True for a joiner or selector where Unicode has a use for it."""
    before = _neighbour(text, range(place - 1, max(place - 4, -1), -1))
    if _is_selector(text[place]):
        return unicodedata.category(before)[0] in "SLM" or before in "#*0123456789\u203c\u2049\u3030"
    after = _neighbour(text, range(place + 1, min(place + 4, len(text))))
    kinds = unicodedata.category(before)[0] + unicodedata.category(after)[0]
    letters = not before.isascii() and not after.isascii() and set(kinds) <= {"L", "M"}
    return letters or (text[place] == "\u200d" and kinds == "SS")


def _neighbour(text: str, places: Iterable[int]) -> str:
    """The nearest character that is neither a selector nor a skin tone; a space where there is none."""
    for place in places:
        if not _is_selector(text[place]) and not "\U0001f3fb" <= text[place] <= "\U0001f3ff":
            return text[place]
    return " "


def _add(report: Report, offset: int, code: str, char: str, count: int, *, escape: str = "") -> None:
    name = unicodedata.name(char, "") or _CONTROLS.get(char, "no name")
    times = f", {count} times" if count > 1 else ""
    if escape:
        said = f"U+{ord(char):04X} ({name}){times}: `{escape}` in double quotes is {name}"
        report.add(code, offset, said, "Use single quotes or `|`, where a backslash is a backslash.")
        return
    report.add(code, offset, f"U+{ord(char):04X} ({name}){times}", _HINTS[code])
