"""The messages of a prompt with parts, put together from the texts that its templates were rendered to.

A part is chosen by the release alone: a value stands in a text or in a URL, whole, and never becomes another part. The
form is that of chat completions, which every other API's is made of (:mod:`promptops.core.part_forms`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from promptops.core.cached import Cached
from promptops.core.errors import TemplateInvalid, VariableInvalid
from promptops.core.model import Prompt
from promptops.core.neutral_parts import KEYS, address, media
from promptops.core.parts import Part, PartType, url_flaw
from promptops.core.template.simple import each_tag

Rendered: TypeAlias = dict[str, Any]
_Late: TypeAlias = Callable[[Iterator[Rendered], Mapping[str, Any]], Rendered | None]
_Slot: TypeAlias = tuple[str, Rendered | None, _Late | None]
"""The kind of a part; what it says, where that is the same each time; else what makes it. A text has neither."""


class Layout:
    """Where each rendered text of a prompt belongs. Immutable."""

    __slots__ = ("_messages",)

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
            (str(message.role), tuple(_slot(part, prompt.name) for part in message.parts) if message.parts else None)
            for message in prompt.written
        )

    def arrange(self, texts: Sequence[Rendered], values: Mapping[str, Any]) -> list[Rendered]:
        """Returns the messages; ``texts`` are those of all templates in order, ``values`` those of variables.

        Raises:
            VariableInvalid: the values do not make a URL.
        """
        left = iter(texts)
        messages: list[Rendered] = []
        for role, slots in self._messages:
            if slots is None:
                messages.append(next(left))
                continue
            content: list[Rendered] = []
            for kind, said, late in slots:  # in place, because a call for each part costs more than the part
                if said is not None:
                    content.append({"type": kind, kind: said.copy()})
                elif late is None:
                    content.append({"type": kind, kind: next(left)["content"]})
                elif (part := late(left, values)) is not None:
                    content.append(part)
            messages.append({"role": role, "content": content or ""})
        return messages


def _slot(part: Part, prompt: str) -> _Slot:
    return _marked(*_unmarked(part, prompt)) if part.cache else _unmarked(part, prompt)


def _marked(kind: str, said: Rendered | None, late: _Late | None) -> _Slot:
    """Returns the slot of a part that is to be cached: it is made anew each time, so that others cost nothing more."""

    def slot(left: Iterator[Rendered], values: Mapping[str, Any]) -> Rendered | None:
        if late is not None:
            part = late(left, values)
            return None if part is None else Cached(part)
        return Cached({"type": kind, kind: next(left)["content"] if said is None else said.copy()})

    return kind, None, slot


def _unmarked(part: Part, prompt: str) -> _Slot:
    if part.type is PartType.TEXT:
        return "text", None, None
    key = KEYS[part.type]
    more = {"detail": part.detail} if part.detail else {}
    if part.input:
        return key, None, _given(part, key, more)
    if part.template is not None:
        return key, None, _templated(part, key, more, prompt)
    if part.blob is not None:
        return key, media(part.type, part.media_type, part.blob.data, part.filename) | more, None
    return key, address(part.type, part.url, part.media_type, part.filename) | more, None


def _given(part: Part, key: str, more: dict[str, str]) -> _Late:
    name, named = part.input, {**more, **({"filename": part.filename} if part.filename else {})}
    return lambda texts, values: None if values[name] is None else {"type": key, key: {**values[name], **named}}


def _templated(part: Part, key: str, more: dict[str, str], prompt: str) -> _Late:
    used = next((tag.name.partition(".")[0] for tag in each_tag(part.url) if tag.name), "url")

    def slot(texts: Iterator[Rendered], values: Mapping[str, Any]) -> Rendered:
        url = next(texts)["content"]
        if problem := url_flaw(url):
            raise VariableInvalid(used, f"the URL of the {part.type}: {problem}", prompt=prompt)
        return {"type": key, key: address(part.type, url, part.media_type, part.filename) | more}

    return slot
