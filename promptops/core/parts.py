"""The parts of a message's content: texts, and images, files and audio beside them.

A part that is no text has one of three: the bytes themselves, which the release carries by their digest; a URL, which
the provider fetches; or the name of a variable, whose value is one of these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_EMBEDDED: Final = 512 * 1024
"""Bytes of all files that a release embeds: in base64 they take two thirds of the 1 MiB that a release may have."""

MAX_URL: Final = 8_192
"""Characters of a URL: what servers take at least (RFC 9110, 4.1)."""

DETAILS: Final = ("auto", "low", "high", "original")
"""How closely a model looks at an image, where its API has a setting for that."""

_ONE_VALUE: Final = re.compile(r"\{\{[^{}]*\}\}")
_URL: Final = re.compile(r"https?://(?P<host>[^\s/?#\\@]+)(?:[/?#]\S*)?", re.IGNORECASE)


class PartType(StrEnum):
    """What a part of a message is."""

    TEXT = "text"
    IMAGE = "image"
    FILE = "file"
    AUDIO = "audio"


MEDIA: Final = (PartType.IMAGE, PartType.FILE, PartType.AUDIO)
"""What a part is that is no text, and what a variable may be beside the types of JSON Schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """The bytes of a file: their digest, ``sha256:<64 hex digits>``, and themselves in base64 (RFC 4648, section 4)."""

    digest: str
    data: str

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.data) // 4 * 3 - self.data[-2:].count("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a message. A text has the template ``text``; any other has one of ``blob``, ``url`` and ``input``.

    ``url`` is a template too, ``input`` the name of a variable. ``detail`` is for images, ``filename`` for files. With
    ``cache``, a provider that can is to cache what it read up to the end of the part.
    """

    type: PartType
    text: str = ""
    url: str = ""
    blob: Blob | None = None
    input: str = ""
    media_type: str = ""
    detail: str = ""
    filename: str = ""
    cache: bool = False

    @property
    def template(self) -> str | None:
        """The text in which values may stand; None where none may."""
        if self.type is PartType.TEXT:
            return self.text
        return self.url if "{" in self.url else None

    @property
    def shown(self) -> str:
        """The part in words; a text as it is."""
        if self.type is PartType.TEXT:
            return self.text
        if self.blob is not None:
            where = f"{self.blob.size:,} bytes, {self.blob.digest[:19]}"
        else:
            where = self.url or f"{{{{ {self.input} }}}}"
        known = " ".join(filter(None, (self.type, self.filename, self.media_type)))
        return f"[{known}{f' in detail {self.detail}' if self.detail else ''}: {where}]"


def url_flaw(url: str) -> str:
    """Returns why a part cannot be at this URL; empty if it can. A provider fetches it, so it is one of the web."""
    if url[:5].lower() == "data:":
        return "a `data:` URL is no address: give its bytes as `data`"
    if len(url) > MAX_URL:
        return f"it has {len(url):,} characters, and a URL has {MAX_URL:,} at most"
    if not url.isprintable() or not _URL.fullmatch(url):
        return f"{url[:80]!r} is not https:// or http:// with a host, and without blanks"
    return ""


def url_template_flaw(url: str) -> str:
    """Returns why this template makes no URL; empty if it may make one.

    The host is written out, or all of the URL is one value: a value behind half a host could name another host.
    """
    if "{" not in url:
        return url_flaw(url)
    before = url.partition("{")[0]
    scheme, _, rest = before.partition("://")
    if scheme.lower() in ("http", "https") and "/" in rest and not url_flaw(before):
        return ""
    if url.startswith("{%") or _ONE_VALUE.fullmatch(url):
        return ""
    return "the host of a URL is written out: https://example.com/{{ name }}, or {{ name }} alone"


def shown_content(content: object) -> str:
    """Returns the content of a rendered message for people to read: bytes by their type and number."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else ()
    return "\n".join(_shown_part(part) for part in parts if isinstance(part, Mapping))


def _shown_part(part: Mapping[str, object]) -> str:
    kind = str(part.get("type"))
    said = part.get(kind)
    if kind == "text" or not isinstance(said, Mapping):
        return str(said)
    settings = [f"{key} {_short_data(key, str(value))}" for key, value in said.items()]
    return f"[{kind.removeprefix('input_').removesuffix('_url')}: {', '.join(settings)}]"


def _short_data(key: str, value: str) -> str:
    head, comma, data = value.partition(",") if value.startswith("data:") else ("", "", value)
    if key != "data" and not comma:
        return value
    size = len(data) // 4 * 3 - data[-2:].count("=")
    return f"{head}{comma}… ({size:,} bytes)"


def texts_of(content: object) -> str:
    """Returns the text of a rendered message's content: that of all its text parts, one below the other."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else ()
    return "\n".join(str(part["text"]) for part in parts if isinstance(part, Mapping) and "text" in part)
