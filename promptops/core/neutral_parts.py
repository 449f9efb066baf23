"""What a part of a message says of bytes or of an address, in the form of chat completions.

Two keys are ours, for what they have no form for: ``file_url`` of a file, and ``url`` of audio.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from promptops.core.errors import Invalid
from promptops.core.media import FORMATS
from promptops.core.parts import PartType

Rendered: TypeAlias = dict[str, Any]

KEYS = {PartType.IMAGE: "image_url", PartType.AUDIO: "input_audio", PartType.FILE: "file"}
"""What chat completions call a kind of part."""

_URLS = {PartType.IMAGE: "url", PartType.AUDIO: "url", PartType.FILE: "file_url"}
_NAMES = {"application/pdf": "file.pdf", "text/csv": "file.csv", "text/markdown": "file.md"}


def media(kind: PartType, media_type: str, data: str, filename: str = "") -> Rendered:
    """Returns what a part of this kind says of bytes, which are in base64."""
    if kind is PartType.AUDIO:
        return {"data": data, "format": FORMATS[media_type]}
    url = f"data:{media_type};base64,{data}"
    if kind is PartType.IMAGE:
        return {"url": url}
    return {
        "filename": filename or _NAMES.get(media_type, "file.txt" if media_type[:5] == "text/" else "file"),
        "file_data": url,
    }


def address(kind: PartType, url: str, media_type: str = "", filename: str = "") -> Rendered:
    """Returns what a part of this kind says of what is at a URL."""
    said = {_URLS[kind]: url}
    if kind is PartType.AUDIO and media_type:
        said["format"] = FORMATS[media_type]
    if kind is PartType.FILE and filename:
        said["filename"] = filename
    return said


def data_of(url: str) -> tuple[str, str]:
    """Returns media type and base64 of a ``data:`` URL; an empty media type for any other URL."""
    if not url.startswith("data:"):
        return "", ""
    head, _, data = url.partition(",")
    return head.removeprefix("data:").removesuffix(";base64"), data


_WORDS: Final = {"text": "text", "image_url": "an image", "input_audio": "audio", "file": "a file"}


def untaken(api: str, kind: str, how: str = "", hint: str = "") -> Invalid:
    """Returns the error of a part that an API does not take."""
    return Invalid(f"{_WORDS.get(kind, kind)}{f' {how}' if how else ''} cannot be sent to {api}", hint=hint)
