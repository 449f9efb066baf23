"""Parts of a rendered message, which are those of chat completions  ->  the form that an API takes.

References:

- chat completions: https://developers.openai.com/api/reference/resources/chat/subresources/completions/methods/create
- responses: https://developers.openai.com/api/reference/resources/responses/methods/create
- messages: https://platform.claude.com/docs/en/api/messages/create

What an API has no form for is refused: when the release is made for a model of OpenAI or Anthropic, and otherwise by
the call.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from promptops.core.cache_marks import BREAKPOINT, CONTROL
from promptops.core.errors import Invalid
from promptops.core.media import IMAGES, PDF, TEXT
from promptops.core.media_blocks import bedrock_block, gemini_part
from promptops.core.model import Json, Role
from promptops.core.neutral_parts import KEYS, address, data_of, media, untaken
from promptops.core.parameters import Api, flaw_everywhere
from promptops.core.parts import Part, PartType, texts_of

_OPENAI_AUDIO: Final = ("wav", "mp3")
_USUAL: Final = {PartType.IMAGE: IMAGES[0], PartType.FILE: PDF, PartType.AUDIO: "audio/wav"}
"""What a value of a variable is at best: which it is says only the call."""
SPEAKERS: Final = frozenset((Role.USER, Role.TOOL))
"""Roles whose messages may have parts that are no text."""


def to_parts(api: Api, content: str | list[Any], role: str = "user") -> list[Json]:
    """Returns the parts of a message's content in the form of this API; a content of text as its one part.

    Raises:
        Invalid: the API does not take one of them, or not in a message of this role.
    """
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [form for part in parts if (form := _FORMS[api](api, part, role)) is not None]


def text_of(content: str | Sequence[Mapping[str, Any]], api: Api) -> str:
    """Returns the text of a message where an API takes nothing else; those of its parts one below the other.

    Raises:
        Invalid: it has parts that are no text.
    """
    if not isinstance(content, str) and any(part["type"] != "text" for part in content):
        raise Invalid(f"a message with parts that are no text cannot be sent to {api} here")
    return texts_of(content)


def part_flaw(model: str | None, part: Part, role: Role) -> str:
    """Returns why no API of the model's provider takes this part; empty if one does, or the provider is unknown."""
    key = KEYS.get(part.type)
    if key is None:
        return ""
    if part.input:
        said = media(part.type, _USUAL[part.type], "")
    elif part.blob is not None:
        said = media(part.type, part.media_type, part.blob.data, part.filename)
    else:
        said = address(part.type, part.url, part.media_type, part.filename)
    return flaw_everywhere(model, lambda api: to_parts(api, [{"type": key, key: said}], role))


def _chat(api: Api, part: Mapping[str, Any], role: str) -> dict[str, Json]:
    kind = part["type"]
    if kind != "text" and role != Role.USER and api is Api.OPENAI_CHAT:
        raise untaken(api, kind, f"in a message of role {role}")
    if kind == "image_url" and api is Api.OPENAI_CHAT:
        _require_image(api, part["image_url"]["url"])
    elif kind == "input_audio":
        sound = part["input_audio"]
        if "url" in sound:
            raise untaken(api, kind, "by a URL", "Give its bytes as `data` or `file`.")
        if api is Api.OPENAI_CHAT and sound["format"] not in _OPENAI_AUDIO:
            raise untaken(api, kind, f"as {sound['format']}", "It takes wav and mp3.")
    elif kind == "file" and "file_url" in part["file"]:
        raise untaken(api, kind, "by a URL", "The Responses API takes it: to_openai_responses().")
    return _copy(part)


def _responses(api: Api, part: Mapping[str, Any], role: str) -> dict[str, Json]:
    kind = part["type"]
    marked: dict[str, Json] = {BREAKPOINT: part[BREAKPOINT]} if BREAKPOINT in part else {}
    if kind == "text":
        return {"type": "output_text" if role == Role.ASSISTANT else "input_text", "text": part["text"], **marked}
    if role not in SPEAKERS:
        raise untaken(api, kind, f"in a message of role {role}")
    if kind == "image_url":
        image = part["image_url"]
        _require_image(api, image["url"])
        return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail", "auto"), **marked}
    if kind == "file":
        file = part["file"]
        # What is at a URL has the name of the URL.
        return {"type": "input_file", **({"file_url": file["file_url"]} if "file_url" in file else file), **marked}
    raise untaken(api, kind, "", "Chat completions take it: to_openai().")


def _anthropic(api: Api, part: Mapping[str, Any], role: str) -> dict[str, Json] | None:
    kind = part["type"]
    marked: dict[str, Json] = {CONTROL: part[CONTROL]} if CONTROL in part else {}
    if kind == "text":
        # A text without a character is refused, and what a value left empty is not worth an error.
        return {"type": "text", "text": part["text"], **marked} if part["text"] else None
    if role not in SPEAKERS:
        raise untaken(api, kind, f"in a message of role {role}")
    if kind == "image_url":
        return {"type": "image", "source": _image_source(api, part["image_url"]["url"]), **marked}
    if kind == "file":
        return {**_document(api, part["file"]), **marked}
    raise untaken(api, kind)


def _image_source(api: Api, url: str) -> dict[str, Json]:
    media_type, data = data_of(url)
    if not media_type:
        return {"type": "url", "url": url}
    _require_image(api, url)
    return {"type": "base64", "media_type": media_type, "data": data}


def _document(api: Api, file: Mapping[str, Any]) -> dict[str, Json]:
    named: dict[str, Json] = {"title": file["filename"]} if file.get("filename") else {}
    if "file_url" in file:
        return {"type": "document", "source": {"type": "url", "url": file["file_url"]}, **named}
    media_type, data = data_of(file["file_data"])
    if media_type == PDF:
        return {"type": "document", "source": {"type": "base64", "media_type": PDF, "data": data}, **named}
    if not media_type.startswith("text/"):
        raise untaken(api, "file", f"of type {media_type}", f"It takes {PDF} and text.")
    text = base64.b64decode(data).decode("utf-8", "replace")
    return {"type": "document", "source": {"type": "text", "media_type": TEXT, "data": text}, **named}


def _mistral(api: Api, part: Mapping[str, Any], role: str) -> dict[str, Json]:
    """Chat completions with other keys: https://docs.mistral.ai/api/endpoint/chat."""
    kind = part["type"]
    if kind != "text" and role != Role.USER:
        raise untaken(api, kind, f"in a message of role {role}")
    if kind == "input_audio":
        return {"type": kind, kind: part[kind].get("url") or part[kind]["data"]}
    if kind != "file":
        return _copy(part)
    if "file_url" not in part["file"] and data_of(part["file"]["file_data"])[0] != PDF:
        raise untaken(api, kind, "that is no PDF")
    file = part["file"]
    named = {"document_name": file["filename"]} if file.get("filename") else {}
    return {"type": "document_url", "document_url": file.get("file_url") or file["file_data"], **named}


_FORMS: Final[Mapping[Api, Callable[[Api, Mapping[str, Any], str], dict[str, Json] | None]]] = {
    Api.OPENAI_CHAT: _chat,
    Api.COMPATIBLE: _chat,
    Api.OPENAI_RESPONSES: _responses,
    Api.ANTHROPIC: _anthropic,
    Api.GEMINI: gemini_part,
    Api.BEDROCK: bedrock_block,
    Api.MISTRAL: _mistral,
}


def _require_image(api: Api, url: str) -> None:
    media_type, _ = data_of(url)
    if media_type and media_type not in IMAGES:
        raise untaken(api, "image_url", f"of type {media_type}")


def _copy(part: Mapping[str, Any]) -> dict[str, Json]:
    copied = ((key, dict(value) if isinstance(value, Mapping) else value) for key, value in part.items())
    return {key: value for key, value in copied if key != CONTROL}
