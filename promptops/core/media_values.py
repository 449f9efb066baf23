"""The value of a variable that is an image, a file or audio: what a caller hands over -> what a part says of it.

A value is bytes, or where they are on the web. It is chosen by the application's code: a text is never one, and a
mapping that came from elsewhere cannot name a path of the machine.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from promptops.core.digest import digest
from promptops.core.media import media_type_of, require_kind
from promptops.core.model import Json
from promptops.core.neutral_parts import address, data_of, media
from promptops.core.part_bytes import filename_flaw
from promptops.core.parts import PartType, url_flaw

MAX_BYTES: Final = 20 * 1024 * 1024
"""Bytes of one value: in base64 it still fits into the smallest request of a provider, which is 32 MB (Anthropic)."""

_KEYS: Final = ("data", "url", "media_type", "filename")
_DESCRIBED: Final = frozenset(("type", "media_type", "bytes", "digest"))
_WORDS: Final = {PartType.IMAGE: "an image", PartType.FILE: "a file", PartType.AUDIO: "audio"}
_CLASSES: Final = {PartType.IMAGE: "Image", PartType.FILE: "File", PartType.AUDIO: "Audio"}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MediaValue:
    """An image, a file or audio: ``data``, or the ``url`` from which the provider fetches it.

    Raises:
        ValueError: it has not one of them, the bytes are not of this type, or the URL is not one of the web.
    """

    type: PartType
    data: bytes | None = None
    url: str = ""
    media_type: str = ""
    filename: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.data, bytes | None):
            raise ValueError(f"its data is bytes, and not {type(self.data).__name__}: a file is `path=…`")
        for key, text in (("url", self.url), ("media_type", self.media_type), ("filename", self.filename)):
            if not isinstance(text, str):
                raise ValueError(f"its {key} is no text")
        if (self.data is None) == (not self.url):
            raise ValueError(f"{_WORDS[self.type]} has `data` or a `url`, one of them")
        if self.filename and (problem := filename_flaw(self.filename)):
            raise ValueError(problem)
        if self.url:
            problem = url_flaw(self.url)
            if problem:
                raise ValueError(f"the URL of {_WORDS[self.type]}: {problem}")
            found = require_kind(self.type, self.media_type) if self.media_type else ""
        else:
            assert self.data is not None
            if len(self.data) > MAX_BYTES:
                raise ValueError(
                    f"it has {len(self.data):,} bytes, and at most {MAX_BYTES:,} are sent: give a URL, or a smaller one"
                )
            found = media_type_of(self.type, self.data, self.media_type)
        object.__setattr__(self, "media_type", found)

    def __repr__(self) -> str:
        where = self.url or f"{self.media_type}, {len(self.data or b''):,} bytes"
        return f"<{_CLASSES[self.type]} {where}>"

    def said(self) -> dict[str, Any]:
        """Returns what a part of a message says of it, in the form of chat completions."""
        if self.data is None:
            return address(self.type, self.url, self.media_type, self.filename)
        return media(self.type, self.media_type, base64.b64encode(self.data).decode("ascii"), self.filename)

    def described(self) -> dict[str, Json]:
        """Returns a few words that stand for it where it is written down: its digest and size, or its URL."""
        if self.data is None:
            return {"type": str(self.type), "url": self.url}
        known: dict[str, Json] = {"type": str(self.type), "media_type": self.media_type}
        if self.filename:
            known["filename"] = self.filename
        return {**known, "bytes": len(self.data), "digest": digest(self.data)}


def media_value(kind: PartType, value: object) -> MediaValue:
    """Returns the value of a variable of this type: itself, bytes, or a mapping with ``data`` or ``url``.

    Raises:
        ValueError: it is not one.
    """
    match value:
        case MediaValue():
            if value.type is not kind:
                raise ValueError(f"is {_WORDS[value.type]}, and the prompt takes {_WORDS[kind]}")
            return value
        case bytes() | bytearray() | memoryview():
            return MediaValue(type=kind, data=bytes(value))
        case Mapping():
            return _of_mapping(kind, value)
    name = _CLASSES[kind]
    raise ValueError(
        f"{type(value).__name__} is not {_WORDS[kind]}: give promptops.{name}(path=…), promptops.{name}(url=…) or bytes"
    )


def is_described(value: object) -> bool:
    """Returns whether a value is what :meth:`MediaValue.described` made of bytes, which it does not have."""
    return isinstance(value, Mapping) and value.keys() - {"filename"} == _DESCRIBED


def lacks_bytes(value: object) -> bool:
    """Returns whether a value, or a part in a conversation, stands for bytes that are not known here."""
    if isinstance(value, list | tuple):
        return any(map(lacks_bytes, value))
    if isinstance(value, Mapping) and isinstance(value.get("content"), list | tuple):
        return lacks_bytes(value["content"])
    return is_described(value)


def _of_mapping(kind: PartType, value: Mapping[Any, Any]) -> MediaValue:
    if is_described(value):
        raise ValueError("only its digest is known here, and not its bytes")
    for key in value:
        if key == "path":
            raise ValueError(f"a path is read by promptops.{_CLASSES[kind]}(path=…), and never from a mapping")
        if key not in _KEYS and (key != "type" or value[key] != kind):
            close = get_close_matches(str(key)[:100], _KEYS, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"its keys are {', '.join(_KEYS)}"
            if key == "file":
                path = str(value[key])[:80]
                hint = f"a case names a file of its app by it, and '{path}' is not there; "
                hint += f"a call gives {_CLASSES[kind]}(path=…)"
            raise ValueError(f"'{str(key)[:80]}' is no key of {_WORDS[kind]}: {hint}")
    texts = {key: value[key] for key in ("url", "media_type", "filename") if value.get(key) is not None}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"its {key} is no text")
    data = value.get("data")
    if isinstance(data, str) and (named := data_of(data))[0]:
        data, texts = named[1], {"media_type": named[0], **texts}
    return MediaValue(type=kind, data=_decoded(data), **texts)


def _decoded(data: object) -> bytes | None:
    if data is None or isinstance(data, bytes):
        return data
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    if not isinstance(data, str):
        raise ValueError("its data is neither bytes nor base64")
    if len(data) > 2 * MAX_BYTES:
        raise ValueError(f"it has over {MAX_BYTES:,} bytes")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("its data is not base64") from error
