"""Untrusted text -> text that is safe to display: invisible characters are written as escapes.

Reasons, names, prompt texts and the answers of a server are untrusted. A raw ESC can move the cursor or rename the
window, a bidirectional override can make a line read as its opposite, a line break can make one line two, of which the
second looks like ours. Rule: no such character reaches a terminal, a log or a health page, as text or inside JSON.
"""

from __future__ import annotations

import unicodedata

from promptops.core.characters import strange

# isprintable() refuses these spaces, which texts use: no-break spaces, and those of East Asia.
_HARMLESS = "\u00a0\u202f\u3000\u2007"


def visible(text: str, keep: str = "") -> str:
    """Returns the text with every invisible character as an escape, except those of ``keep`` (``"\\n\\t"``)."""
    if text.isascii() and text.isprintable():
        return text
    hidden = _hidden(text)
    return "".join(
        char if char in keep or (place not in hidden and _is_plain(char)) else _escape(char)
        for place, char in enumerate(text)
    )


def one_line(text: str, most: int = 300) -> str:
    """Returns any text as one printable line of at most ``most`` characters; a longer one is cut.

    For a log, a health page and an error: stricter than :func:`visible`, which keeps characters that some scripts need.
    """
    hidden = _hidden(text[:most])
    shown = "".join(
        char if char.isprintable() and place not in hidden else _escape(char) for place, char in enumerate(text[:most])
    )
    return shown if len(text) <= most and len(shown) <= most else shown[: most - 1] + "…"


def visible_json(encoded: str) -> str:
    """Returns JSON text with invisible characters as ``\\uXXXX``: every parser reads the same value, and it is safe to
    display.
    """
    if encoded.isascii() and encoded.replace("\n", "").isprintable():
        return encoded
    hidden = _hidden(encoded)
    return "".join(
        char if char == "\n" or (place not in hidden and _is_plain(char)) else _json_escape(char)
        for place, char in enumerate(encoded)
    )


def _hidden(text: str) -> set[int]:
    return {place for place, _ in strange(text)}


def _is_plain(char: str) -> bool:
    """True for visible characters, and for format characters, such as joiners, in their proper place."""
    return char.isprintable() or char in _HARMLESS or unicodedata.category(char) == "Cf"


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
