"""The content of a message that a caller gives: text, or a list of parts in the form of chat completions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

from promptops.core.model import LISTS, OBJECTS, Json

Readers: TypeAlias = "Mapping[str, Callable[[Mapping[str, Json], str], dict[str, Any]]]"
"""The types of parts, each with what reads all of a part but its type."""


class Flaw(ValueError):
    """What is wrong with a given message, after its place in the list: ``[2].role is 'usr'``."""

    def __init__(self, at: str, problem: str) -> None:
        super().__init__(f"{at} {problem}" if at else problem)


def read_content(value: Json, at: str, readers: Readers) -> str | list[dict[str, Any]]:
    """Returns the content of a message as it is sent in chat completions; a list as new objects. ``readers`` are of its
    parts, by their types.

    Raises:
        Flaw: it is neither text nor a list of parts that can be sent.
    """
    if isinstance(value, str):
        return value
    if not isinstance(value, LISTS):
        raise Flaw(at, "must be text, or a list of parts")
    if not value:
        raise Flaw(at, "is an empty list")
    return [_part(item, f"{at}[{number}]", readers) for number, item in enumerate(value)]


def _part(value: Json, at: str, readers: Readers) -> dict[str, Any]:
    if not isinstance(value, OBJECTS):
        raise Flaw(at, "must be a part: {'type': 'text', 'text': …}")
    kind = text_at(value, "type", at)
    if kind not in readers:
        raise Flaw(f"{at}.type", f"is {kind[:80]!r}; {_OTHERS.get(kind, 'it is one of ' + ', '.join(readers))}")
    return {"type": kind, **readers[kind](value, at)}


def _text(part: Mapping[str, Json], at: str) -> dict[str, Any]:
    fields = mapping(part, at, ("type", "text", "annotations"), "a part of text")
    return {"text": text_at(fields, "text", at)}


TEXT: Final[Readers] = {"text": _text}
"""What reads a part of text."""
_OTHERS: Final = {
    "tool_use": "write a call of a tool as `tool_calls` of the message",
    "tool_result": "write the answer of a tool as a message of role tool with `tool_call_id`",
    "image": "write it as {'type': 'image_url', 'image_url': {'url': …}}",
    "input_image": "write it as {'type': 'image_url', 'image_url': {'url': …}}",
    "audio": "write it as {'type': 'input_audio', 'input_audio': {'data': …, 'format': …}}",
    "document": "write it as {'type': 'file', 'file': {'file_data': …}}",
    "input_file": "write it as {'type': 'file', 'file': {'file_data': …}}",
    "input_text": "write it as {'type': 'text', 'text': …}",
    "output_text": "write it as {'type': 'text', 'text': …}",
}
"""Parts of other APIs, and what they are in chat completions."""


def mapping(value: Json, at: str, known: Sequence[str], what: str) -> Mapping[str, Json]:
    """Returns a mapping without the keys whose value is null, which count as not given.

    Raises:
        Flaw: it is no mapping, or has a key that is not known.
    """
    if not isinstance(value, OBJECTS):
        raise Flaw(at, f"must be a mapping: {what}")
    fields = {key: item for key, item in value.items() if item is not None}
    for key in fields:
        if key not in known:
            close = get_close_matches(key[:100], known, n=1, cutoff=0.7)
            hint = f"did you mean '{close[0]}'?" if close else f"its keys are {', '.join(known)}"
            raise Flaw(f"{at}.{key[:80]}", f"is no key of {what}; {hint}")
    return fields


def text_at(fields: Mapping[str, Json], key: str, at: str) -> str:
    """Returns the text at a key.

    Raises:
        Flaw: it is missing, or no text.
    """
    value = fields.get(key)
    if not isinstance(value, str):
        raise Flaw(f"{at}.{key}", "must be text" if key in fields else "is missing")
    return value


def name_at(fields: Mapping[str, Json], key: str, at: str) -> str:
    """Returns the text at a key, which is not empty.

    Raises:
        Flaw: it is missing, empty or no text.
    """
    if text := text_at(fields, key, at):
        return text
    raise Flaw(f"{at}.{key}", "is empty")
