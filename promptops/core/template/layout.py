"""The messages of a prompt with parts, put together from the texts that its templates were rendered to.

A part is chosen by the release alone: a value stands in a text or in a URL, whole, and never becomes another part. The
form is that of chat completions, which every other API's is made of (:mod:`promptops.core.part_forms`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from promptops.core.errors import TemplateInvalid, VariableInvalid
from promptops.core.model import Prompt
from promptops.core.neutral_parts import KEYS, address, media
from promptops.core.parts import Part, PartType, url_flaw
from promptops.core.template.simple import each_tag

Rendered: TypeAlias = dict[str, Any]
_Slot: TypeAlias = Callable[[Iterator[Rendered], Mapping[str, Any]], Rendered | None]


class Layout:
    """Where each rendered text of a prompt belongs. Immutable."""

    __slots__ = ("_messages", "_roles")

    def __init__(self, prompt: Prompt) -> None:
        """Takes a prompt with parts.

        Raises:
            TemplateInvalid: a part is the value of no input of its type.
        """
        kinds = {item.name: item.media for item in prompt.inputs}
        for part in (part for message in prompt.written for part in message.parts if part.input):
            if kinds.get(part.input) is not part.type:
                raise TemplateInvalid(f"prompt '{prompt.name}' has no input '{part.input}' of type {part.type}")
        self._messages = tuple(
            tuple(_slot(part, prompt.name) for part in message.parts) if message.parts else None
            for message in prompt.written
        )
        self._roles = tuple(str(message.role) for message in prompt.written)

    def arrange(self, texts: Sequence[Rendered], values: Mapping[str, Any]) -> list[Rendered]:
        """Returns the messages; ``texts`` are those of all templates in order, ``values`` those of variables.

        Raises:
            VariableInvalid: the values do not make a URL.
        """
        left = iter(texts)
        return [
            next(left) if slots is None else {"role": role, "content": _parts(slots, left, values)}
            for role, slots in zip(self._roles, self._messages, strict=True)
        ]


def _parts(slots: Sequence[_Slot], texts: Iterator[Rendered], values: Mapping[str, Any]) -> list[Rendered]:
    return [part for slot in slots if (part := slot(texts, values)) is not None]


def _slot(part: Part, prompt: str) -> _Slot:
    if part.type is PartType.TEXT:
        return lambda texts, values: {"type": "text", "text": next(texts)["content"]}
    key = KEYS[part.type]
    more = {"detail": part.detail} if part.detail else {}
    if part.input:
        name, named = part.input, {**more, **({"filename": part.filename} if part.filename else {})}
        return lambda texts, values: None if values[name] is None else {"type": key, key: {**values[name], **named}}
    if part.template is not None:
        return _templated(part, key, more, prompt)
    if part.blob is not None:
        fixed = media(part.type, part.media_type, part.blob.data, part.filename) | more
    else:
        fixed = address(part.type, part.url, part.media_type, part.filename) | more
    return lambda texts, values: {"type": key, key: fixed.copy()}


def _templated(part: Part, key: str, more: dict[str, str], prompt: str) -> _Slot:
    used = next((tag.name.partition(".")[0] for tag in each_tag(part.url) if tag.name), "url")

    def slot(texts: Iterator[Rendered], values: Mapping[str, Any]) -> Rendered:
        url = next(texts)["content"]
        if problem := url_flaw(url):
            raise VariableInvalid(used, f"the URL of the {part.type}: {problem}", prompt=prompt)
        return {"type": key, key: address(part.type, url, part.media_type, part.filename) | more}

    return slot
