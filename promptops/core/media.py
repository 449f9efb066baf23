"""Media types: what bytes are, by the first of them, and which types a part of a message may have.

Signatures: https://mimesniff.spec.whatwg.org/#matching-a-mime-type-pattern; of PDF, FLAC and Ogg those that their
formats begin with (ISO 32000-2, RFC 9639, RFC 3533). A declared type has to agree with the bytes, because an API that
looks at them refuses the request otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

IMAGES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")
AUDIO: Final = ("audio/wav", "audio/mpeg", "audio/flac", "audio/ogg")
PDF: Final = "application/pdf"
TEXT: Final = "text/plain"

KINDS: Final[Mapping[str, tuple[str, ...]]] = {"image": IMAGES, "audio": AUDIO}
"""The media types of a kind of part; a file has any other."""

SHORT: Final[Mapping[str, str]] = {
    "image/jpg": "image/jpeg",
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "application/x-pdf": PDF,
}
"""Other names of a media type."""

FORMATS: Final[Mapping[str, str]] = {
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
}
"""The formats of audio, as APIs call them."""

SOUNDS: Final[Mapping[str, str]] = {sound: media_type for media_type, sound in FORMATS.items()}
"""The media type of each format of audio."""

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,99}")
_STARTS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", PDF),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_KNOWN: Final = frozenset((*IMAGES, *AUDIO, PDF))
_NAMES: Final = {"image": "an image: PNG, JPEG, GIF or WebP", "audio": "audio: WAV, MP3, FLAC or Ogg"}


def sniff(data: bytes) -> str:
    """Returns the media type that the first bytes say; empty if they say none that is known here."""
    for start, media_type in _STARTS:
        if data.startswith(start):
            return media_type
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12], "")
    # A frame of MPEG audio without tags: eleven bits of sync, then layer III (ISO 11172-3, 2.4.1.3).
    if len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2:
        return "audio/mpeg"
    return ""


def normal(media_type: str) -> str:
    """Returns a media type by its usual name, in lower case.

    Raises:
        ValueError: it is no media type.
    """
    lowered = media_type.strip().lower()
    if not _MEDIA_TYPE.fullmatch(lowered):
        raise ValueError(f"'{media_type[:80]}' is no media type, such as image/png")
    return SHORT.get(lowered, lowered)


def require_kind(kind: str, media_type: str) -> str:
    """Returns a declared media type by its usual name.

    Raises:
        ValueError: it is no media type, or not one of this kind of part.
    """
    declared = normal(media_type)
    if kind in KINDS and declared not in KINDS[kind]:
        raise ValueError(f"{declared} is not {_NAMES[kind]}")
    if kind == "file" and (other := _kind_of(declared)):
        raise ValueError(f"{declared} belongs in a part of `type: {other}`")
    return declared


def media_type_of(kind: str, data: bytes, declared: str = "") -> str:
    """Returns the media type of the bytes of a part: what the first of them say, else what is declared.

    Raises:
        ValueError: they are not of this kind, or not of the declared type.
    """
    named = require_kind(kind, declared) if declared else ""
    if not data:
        raise ValueError("it is empty")
    found = sniff(data)
    if kind in KINDS and found not in KINDS[kind]:
        raise ValueError(f"its first bytes are those of {found}, not of {_NAMES[kind]}" if found else _not_of(kind))
    if kind == "file" and (other := _kind_of(found)):
        raise ValueError(f"its first bytes are those of {found}, which belongs in a part of `type: {other}`")
    if found:
        if named not in ("", found):
            raise ValueError(f"it says {named}, and its first bytes are those of {found}")
        return found
    return _unmarked(data, named)


def _unmarked(data: bytes, named: str) -> str:
    """Returns the media type of a file whose first bytes say none."""
    if named in _KNOWN:
        raise ValueError(f"it says {named}, and its first bytes are not those of one")
    is_text = _is_text(data)
    if named.startswith("text/") and not is_text:
        raise ValueError(f"it says {named}, and it is not UTF-8 text")
    if not named and not is_text:
        raise ValueError("its first bytes say no media type, so `mediaType` has to")
    return named or TEXT


def _not_of(kind: str) -> str:
    return f"its first bytes are not those of {_NAMES[kind]}"


def _kind_of(media_type: str) -> str:
    return next((kind for kind, types in KINDS.items() if media_type in types), "")


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False
