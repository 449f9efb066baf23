"""Untrusted text -> text that is safe to look at: what cannot be seen is written out as its escape.

Reasons, names, prompt texts and all that a server says come from strangers. A raw ESC can move the cursor or rename the
window, a bidirectional override can make a line read as its opposite, a line break can make one line two, of which the
second looks like ours. Rule: no such character reaches a terminal, a log or a health page, as text or inside JSON.
"""

from __future__ import annotations

import re

# What isprintable() refuses but is plain reading matter: no-break spaces, joiners of emoji and of several scripts.
_HARMLESS = "\u00a0\u202f\u200c\u200d\u3000\u2007"
# The flags of Scotland, Wales and England: the one proper use of tag characters (Unicode TS 51, ED-14a).
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f")
# Variation selectors 17 to 256 are "printable", have no glyph, and can carry hidden bytes.
_SELECTORS = ("\U000e0100", "\U000e01ef")


def visible(text: str, keep: str = "") -> str:
    """The text in one line with everything invisible written out, except characters of ``keep`` (``"\\n\\t"``)."""
    if text.isascii() and text.isprintable():
        return text
    flags = {position for match in _FLAG.finditer(text) for position in range(*match.span())}
    return "".join(
        char if char in keep or position in flags or _is_plain(char) else _escape(char)
        for position, char in enumerate(text)
    )


def one_line(text: str, most: int = 300) -> str:
    """The text in one printable line of at most so many characters, whatever is in it; cut where it is longer."""
    shown = "".join(char if char.isprintable() and not _is_selector(char) else _escape(char) for char in text[:most])
    return shown if len(text) <= most and len(shown) <= most else shown[: most - 1] + "…"


def visible_json(encoded: str) -> str:
    """JSON text with what is invisible as ``\\uXXXX``: the same value to every parser, and safe to look at."""
    if encoded.isascii() and encoded.replace("\n", "").isprintable():
        return encoded
    return "".join(char if char == "\n" or _is_plain(char) else _json_escape(char) for char in encoded)


def _is_plain(char: str) -> bool:
    return not _is_selector(char) and (char.isprintable() or char in _HARMLESS)


def _is_selector(char: str) -> bool:
    return _SELECTORS[0] <= char <= _SELECTORS[1]


def _escape(char: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char)
    code = ord(char)
    return short or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")


def _json_escape(char: str) -> str:
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
