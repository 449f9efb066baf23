"""What an API refuses of a request: the noun, and what rules of several APIs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from promptops.core.model import LISTS, OBJECTS

Messages = Sequence[Mapping[str, object]]

CAPS: Final = ("maxTokens", "maxCompletionTokens", "maxOutputTokens")
"""The parameters that say how long an answer may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One thing in a request that is refused. ``place`` is a parameter's name, or a key of a prompt file with what is
    in it: ``("messages", 2)``. ``sure`` is False where it depends on what is not known before the call.
    """

    place: tuple[str | int, ...]
    message: str
    source: str
    hint: str = ""
    sure: bool = True


def refused(name: str, message: str, source: str, hint: str = "") -> Refusal:
    """Returns the refusal of a parameter."""
    return Refusal(place=(name,), message=message, source=source, hint=hint)


def text_of(message: Mapping[str, object]) -> str:
    """Returns the text of a message, of its parts too."""
    content = message["content"]
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, LISTS) else ()
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, OBJECTS))
