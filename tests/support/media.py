"""The smallest files of each media type, by their first bytes; a PNG and a WAV are whole."""

from __future__ import annotations

import struct
import zlib


def png(width: int = 2, height: int = 2, *, noise: bytes = b"") -> bytes:
    """An image of one colour; ``noise`` makes it another file of the same picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xff\0\0" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    more = chunk(b"teXt", b"noise\0" + noise) if noise else b""
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def wav() -> bytes:
    """A tenth of a second of silence, 8-bit and mono."""
    data = b"\x80" * 800
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    body = b"WAVE" + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
GIF = b"GIF89a\x01\0\x01\0\0\0\0;"
WEBP = b"RIFF\x1a\0\0\0WEBPVP8L"
PDF = b"%PDF-1.7\n%%EOF\n"
MP3 = b"ID3\x04\0\0\0\0\0\0"
MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(16)
FLAC = b"fLaC\0\0\0\x22"
OGG = b"OggS\0\x02" + bytes(8)
