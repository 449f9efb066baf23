"""Parts of messages and the bytes that they embed  <->  the JSON of a release (:mod:`promptops.core.release_bytes`).

A part is ``{"type", "text"}``, or ``{"type", "blob" | "url" | "input", "media_type", "detail", "filename"}`` without
the keys that it does not need; both have ``"cache": true`` where they have a mark. Its blob is the digest of bytes
that the release has once, in base64, under ``blobs``.
Reading is strict: a digest is that of the bytes, and every blob is used, so that one content has one form.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from promptops.core.digest import digest
from promptops.core.errors import Invalid
from promptops.core.media import require_kind
from promptops.core.model import OBJECTS, VARIABLE, Json, Message, Prompt
from promptops.core.parts import DETAILS, Blob, Part, PartType, url_template_flaw

_SOURCES: Final = ("blob", "url", "input")
_SAID: Final = ("media_type", "detail", "filename")
_KEYS: Final = frozenset(("type", "cache", *_SOURCES, *_SAID))
MAX_NAME: Final = 255
"""Characters of the name of a file."""


def blob_of(data: bytes) -> Blob:
    """Returns bytes as a release embeds them."""
    return Blob(digest=digest(data), data=base64.b64encode(data).decode("ascii"))


def blobs_of(prompts: tuple[Prompt, ...]) -> dict[str, Json]:
    """Returns the bytes that prompts embed, in base64, by their digests."""
    return {part.blob.digest: part.blob.data for part in _parts(prompts) if part.blob is not None}


def part_to_json(part: Part) -> dict[str, Json]:
    """Returns a part as a release has it."""
    marked: dict[str, Json] = {"cache": True} if part.cache else {}
    if part.type is PartType.TEXT:
        return {"type": "text", "text": part.text, **marked}
    written: dict[str, Json] = {"type": str(part.type), **marked}
    if part.blob is not None:
        written["blob"] = part.blob.digest
    for key in ("url", "input", *_SAID):
        if value := getattr(part, key):
            written[key] = value
    return written


class Blobs:
    """The bytes that a release embeds, each checked against its digest when a part first uses it."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Takes bytes in base64 by their digests."""
        self._texts = texts
        self._read: dict[str, Blob] = {}

    @classmethod
    def of(cls, value: Json) -> Blobs:
        """Reads the JSON at ``$.blobs``.

        Raises:
            Invalid: it is no object of texts, or has none: then a release leaves it out.
        """
        if not value or not isinstance(value, OBJECTS) or not all(isinstance(data, str) for data in value.values()):
            raise Invalid("$.blobs is not an object of texts")
        return cls({name: str(data) for name, data in value.items()})

    def read(self, name: str, path: str) -> Blob:
        """Returns a blob by its digest.

        Raises:
            Invalid: the release does not have it, or its bytes are others.
        """
        if name not in self._texts:
            raise Invalid(f"{path}: $.blobs has no {name[:80]!r}")
        if name not in self._read:
            blob = blob_of(_decoded(self._texts[name], f"$.blobs.{name}"))
            if blob.digest != name or blob.data != self._texts[name]:
                raise Invalid(f"$.blobs.{name} has other bytes: their digest is {blob.digest}")
            self._read[name] = blob
        return self._read[name]

    def require_used(self) -> None:
        """Does nothing where a part uses each of the bytes.

        Raises:
            Invalid: no part uses some.
        """
        if unused := min(self._texts.keys() - self._read.keys(), default=""):
            raise Invalid(f"$.blobs.{unused} is in no message")

    def part(self, value: Json, path: str) -> Part:
        """Returns a part that a release has.

        Raises:
            Invalid: naming the path of what is wrong.
        """
        if not isinstance(value, OBJECTS):
            raise Invalid(f"{path} is not an object")
        kind = value.get("type")
        if kind not in list(PartType):
            raise Invalid(f"{path}.type: {str(kind)[:80]!r} is not one of {', '.join(PartType)}")
        known = frozenset(("type", "text", "cache")) if kind == PartType.TEXT else _KEYS
        if unknown := min(value.keys() - known, default=""):
            hint = "A newer promptops may have written it."
            raise Invalid(f"{path} has the unknown key {unknown!r}", hint=hint)
        cache = value.get("cache", False)
        if not isinstance(cache, bool):
            raise Invalid(f"{path}.cache is not true or false")
        texts = {key: _text(item, f"{path}.{key}") for key, item in value.items() if key not in ("type", "cache")}
        if kind == PartType.TEXT:
            if "text" not in texts:
                raise Invalid(f"{path}.text is not text")
            return Part(type=PartType.TEXT, text=texts["text"], cache=cache)
        return replace(self._other(PartType(str(kind)), texts, path), cache=cache)

    def _other(self, kind: PartType, texts: Mapping[str, str], path: str) -> Part:
        if sum(key in texts for key in _SOURCES) != 1 or "" in texts.values():
            raise Invalid(f"{path} has not one of {', '.join(_SOURCES)}")
        blob = self.read(texts["blob"], path) if "blob" in texts else None
        if problem := _flaw(kind, texts, blob=blob):
            raise Invalid(f"{path}: {problem}")
        return Part(
            type=kind,
            blob=blob,
            url=texts.get("url", ""),
            input=texts.get("input", ""),
            media_type=texts.get("media_type", ""),
            detail=texts.get("detail", ""),
            filename=texts.get("filename", ""),
        )


def _flaw(kind: PartType, texts: Mapping[str, str], *, blob: Blob | None) -> str:
    if blob is not None and "media_type" not in texts:
        return "bytes need a media_type"
    if "media_type" in texts:
        try:
            if require_kind(kind, texts["media_type"]) != texts["media_type"]:
                return f"the media_type {texts['media_type']!r} has another name"
        except ValueError as error:
            return str(error)
    if "url" in texts and (problem := url_template_flaw(texts["url"])):
        return problem
    if "input" in texts and not VARIABLE.fullmatch(texts["input"]):
        return f"{texts['input'][:80]!r} is not a variable's name"
    if "detail" in texts and (kind is not PartType.IMAGE or texts["detail"] not in DETAILS):
        return f"{texts['detail'][:80]!r} is no detail of this part"
    if "filename" in texts and (problem := filename_flaw(texts["filename"])):
        return problem
    return "" if "filename" not in texts or kind is PartType.FILE else "only a file has a filename"


def filename_flaw(name: str) -> str:
    """Returns why this is no name of a file; empty if it is one."""
    if len(name) > MAX_NAME or not name.isprintable() or "/" in name or "\\" in name or name in (".", ".."):
        return f"{name[:80]!r} is not the name of a file"
    return ""


def _parts(prompts: tuple[Prompt, ...]) -> Iterator[Part]:
    for prompt in prompts:
        for message in prompt.messages:
            if isinstance(message, Message):
                yield from message.parts


def _text(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{path} is not text")
    return value


def _decoded(text: str, path: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid(f"{path} is not base64") from error
