"""Counts the values in a JSON text without parsing it: small values cost far more memory than they have bytes.

A list of empty lists costs 56 bytes for three, an object of one key 230 for eight. So a reader of untrusted JSON counts
first, at some nanoseconds a byte and no more memory than the text has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from promptops.core.errors import Invalid

MAX_DEPTH: Final = 64
"""Deeper than any reader accepts; a reader with a lower limit reports that one itself."""

_PIECE: Final = 64 << 10
"""Bytes of one step: each holds the interpreter's lock, and other threads run between two of them."""

_STRING: Final = re.compile(rb'"[^"]*"')
_KEPT: Final = b'"{}[],:'
_OTHER: Final = bytes(byte for byte in range(256) if byte not in _KEPT)


def require_few(data: bytes, elements: int) -> int:
    """Returns how many values and names a JSON text has.

    Text that is not JSON is counted up to its first error, and the reader refuses it.

    Raises:
        Invalid: it has more than ``elements``, or is nested too deeply.
    """
    bare = b"".join(map(_bare, _pieces(data)))
    count = bare.count(b'"') // 2
    if count <= elements:
        bare = _STRING.sub(b"", bare.replace(b'""', b""))  # of most strings, these two are all that is left
        count += bare.count(b",") + bare.count(b"[") + bare.count(b"{")
    if count > elements:
        raise Invalid(f"it has more than {elements:,} values and names")
    depth = deepest = 0
    for bracket in bare.translate(None, b",:"):
        depth += 1 if bracket in b"{[" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise Invalid(f"it is nested deeper than {MAX_DEPTH} levels")
    return count


def _pieces(data: bytes) -> Iterator[bytes]:
    """The bytes in pieces of which none ends between a backslash and what it escapes."""
    start = 0
    while start < len(data):
        end = start + _PIECE
        before = data[start:end]
        if (len(before) - len(before.rstrip(b"\\"))) % 2:
            end += 1
        yield data[start:end]
        start = end


def _bare(piece: bytes) -> bytes:
    """Returns the piece without escapes and without bytes that are no structure."""
    if b"\\" in piece:
        piece = piece.replace(rb"\\", b"").replace(rb"\"", b"")
    return piece.translate(None, _OTHER)
