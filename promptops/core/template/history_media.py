"""Images, files and audio in a message that a caller gives, as chat completions have them; checked as variables are."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from promptops.core.media import SOUNDS
from promptops.core.model import Json
from promptops.core.neutral_parts import KEYS, data_of
from promptops.core.parts import PartType
from promptops.core.template.history_content import Flaw, Readers, mapping, text_at

_DETAILS: Final = ("low", "high", "auto", "original")


def _image(part: Mapping[str, Json], at: str) -> dict[str, Any]:
    at = f"{at}.image_url"
    fields = mapping(part.get("image_url"), at, ("url", "detail"), "an image")
    said = _said(PartType.IMAGE, text_at(fields, "url", at), f"{at}.url")
    detail = fields.get("detail")
    if detail is None:
        return {"image_url": said}
    if detail not in _DETAILS:
        raise Flaw(f"{at}.detail", f"is one of {', '.join(_DETAILS)}")
    return {"image_url": {**said, "detail": detail}}


def _audio(part: Mapping[str, Json], at: str) -> dict[str, Any]:
    at = f"{at}.input_audio"
    fields = mapping(part.get("input_audio"), at, ("data", "format", "url"), "audio")
    sound = fields.get("format")
    if sound is not None and sound not in SOUNDS:
        raise Flaw(f"{at}.format", f"is one of {', '.join(SOUNDS)}")
    media_type = SOUNDS[str(sound)] if sound is not None else ""
    if "url" in fields:
        return {
            "input_audio": _value(f"{at}.url", PartType.AUDIO, url=text_at(fields, "url", at), media_type=media_type)
        }
    data = _bytes(text_at(fields, "data", at), f"{at}.data")
    return {"input_audio": _value(f"{at}.data", PartType.AUDIO, data=data, media_type=media_type)}


def _file(part: Mapping[str, Json], at: str) -> dict[str, Any]:
    at = f"{at}.file"
    fields = mapping(part.get("file"), at, ("file_data", "file_url", "filename"), "a file")
    key = "file_url" if "file_url" in fields else "file_data"
    filename = text_at(fields, "filename", at) if "filename" in fields else ""
    return {"file": _said(PartType.FILE, text_at(fields, key, at), f"{at}.{key}", filename)}


READERS: Final[Readers] = {
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
}
"""What reads all of a part but its type, by that."""
_KINDS: Final = {key: kind for kind, key in KEYS.items()}
_IGNORED: Final = "annotations"
"""What no request takes, of a message or a text: it may hold bytes too."""


def without_bytes(messages: Json) -> Json:
    """Returns messages of a conversation, which were read already, as they are written down: with
    :meth:`MediaValue.described` in place of each part that has bytes, and without annotations.
    """
    return [_without_bytes(message) for message in messages] if isinstance(messages, list) else messages


def _without_bytes(message: Json) -> Json:
    assert isinstance(message, dict)
    kept = {key: value for key, value in message.items() if key != _IGNORED}
    if isinstance(content := kept.get("content"), list):
        kept["content"] = [_described(part) for part in content]
    return kept


def _described(part: Json) -> Json:
    from promptops.core.media_values import media_value

    assert isinstance(part, dict)
    key = str(part["type"])
    if key not in READERS:
        return {name: value for name, value in part.items() if name != _IGNORED}
    read = READERS[key](part, "")
    said, given = read[key], part[key]
    data = said.get("data") or said.get("file_data") or said.get("url", "")
    if "data" not in said and not data_of(data)[0]:
        return {"type": key, **read}
    assert isinstance(given, dict)
    return media_value(_KINDS[key], {"data": data, "filename": given.get("filename")}).described()


def _said(kind: PartType, url: str, at: str, filename: str = "") -> dict[str, Any]:
    media_type, data = data_of(url)
    if not media_type:
        return _value(at, kind, url=url, filename=filename)
    return _value(at, kind, data=_bytes(data, at), media_type=media_type, filename=filename)


def _value(at: str, kind: PartType, **said: Any) -> dict[str, Any]:
    from promptops.core.media_values import MediaValue  # which a conversation of texts does without

    try:
        return MediaValue(type=kind, **said).said()
    except ValueError as error:
        raise Flaw(at, f"is no part that can be sent: {error}") from error


def _bytes(text: str, at: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Flaw(at, "is not base64") from error
