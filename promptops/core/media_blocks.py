"""Parts of a rendered message as Gemini and Bedrock take them. Bytes are base64 here, as in JSON.

References: https://ai.google.dev/api/caching#Part and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html. The package google-genai decodes
base64, and boto3 does not: :func:`with_bytes`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

from promptops.core.json_value import LISTS, OBJECTS, Json
from promptops.core.media import SOUNDS
from promptops.core.neutral_parts import data_of, untaken
from promptops.core.parameters import Api

_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
_NAME: Final = re.compile(r"[^A-Za-z0-9()\[\]-]+")


def gemini_part(api: Api, part: Mapping[str, Any], role: str) -> dict[str, Json]:
    """Returns a part of a message of Gemini. It fetches what is at a URL itself.

    Raises:
        Invalid: it takes no such part in a message of this role.
    """
    kind = part["type"]
    if kind == "text":
        return {"text": part["text"]}
    if role != "user":
        raise untaken(api, kind, f"in a message of role {role}")
    said = part[kind]
    if kind == "input_audio" and "data" in said:
        return _inline(SOUNDS[said["format"]], said["data"])
    url = said.get("file_data") or said.get("file_url") or said["url"]
    media_type, data = data_of(url)
    if media_type:
        return _inline(media_type, data)
    known: dict[str, Json] = {"mime_type": SOUNDS[said["format"]]} if said.get("format") in SOUNDS else {}
    return {"file_data": {"file_uri": url, **known}}


def bedrock_block(api: Api, part: Mapping[str, Any], role: str) -> dict[str, Json] | None:
    """Returns a block of a message of Converse, which takes no URLs; None for a text without a character.

    Raises:
        Invalid: it takes no such part, or not in a message of this role.
    """
    kind = part["type"]
    if kind == "text":
        return {"text": part["text"]} if part["text"] else None
    if role not in ("user", "tool") or (role == "tool" and kind == "input_audio"):
        raise untaken(api, kind, f"in a message of role {role}")
    said = part[kind]
    if kind == "input_audio" and "data" in said:
        return {"audio": {"format": said["format"], "source": {"bytes": said["data"]}}}
    media_type, data = data_of(said.get("file_data") or said.get("url") or "")
    if not media_type:
        raise untaken(api, kind, "by a URL", "Give its bytes as `data` or `file`.")
    if kind == "image_url":
        return {"image": {"format": media_type.partition("/")[2], "source": {"bytes": data}}}
    if media_type not in _DOCUMENTS:
        raise untaken(api, kind, f"of type {media_type}")
    stem = said.get("filename", "").rpartition(".")[0]
    name = _NAME.sub(" ", stem).strip()[:200] or "file"
    return {"document": {"format": _DOCUMENTS[media_type], "name": name, "source": {"bytes": data}}}


def with_bytes(call: Json) -> Any:
    """Returns the arguments of boto3's ``converse`` with bytes in place of their base64."""
    if isinstance(call, LISTS):
        return [with_bytes(item) for item in call]
    if not isinstance(call, OBJECTS):
        return call
    return {name: _source(value) if name == "source" else with_bytes(value) for name, value in call.items()}


def _source(source: Json) -> Any:
    data = source.get("bytes") if isinstance(source, OBJECTS) else None
    return {"bytes": base64.b64decode(data)} if isinstance(data, str) else source


def _inline(media_type: str, data: str) -> dict[str, Json]:
    return {"inline_data": {"mime_type": media_type, "data": data}}
