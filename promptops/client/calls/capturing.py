"""What the application gives to the prompt of a call, where its app declares ``capture: variables``.

Until the call ended the values are only held here. What is kept of them, and whether, is decided then: a private input
leaves the process as a keyed hash, and most calls leave nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

from promptops.core.model import Json
from promptops.core.outcomes.kept_call import MAX_VARIABLES, captured, messages_digest, rendering_digest
from promptops.core.parts import PartType
from promptops.core.template.values import plain

_VALUE: Final = 250
"""Bytes of a value beside its text."""


class Renders(Protocol):
    """Compiled messages."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def render(self, values: Mapping[str, object], /) -> list[dict[str, Any]]: ...


class CapturingTemplate:
    """The template of a call's prompt. It renders as the other does, and holds the variables of the last time."""

    __slots__ = ("_digest", "_media", "_template", "_values", "api", "names", "room")

    def __init__(self, template: Renders) -> None:
        self._template = template
        self._values: Mapping[str, Json] | None = None
        self._digest = b""
        self.names = template.names
        self._media: Mapping[str, PartType] = getattr(template, "media", {})
        self.api = ""
        self.room = 0

    def render(self, values: Mapping[str, object], /) -> list[dict[str, Any]]:
        """Returns the messages."""
        return self.render_for("", values)

    def render_for(self, api: str, values: Mapping[str, object], /) -> list[dict[str, Any]]:
        """Returns the messages that are for this API, and holds the values if they are not too large."""
        messages = self._template.render(values)
        self.api, self._values, self.room, self._digest = api, None, 0, messages_digest(messages)
        if sum(len(value) for value in values.values() if isinstance(value, str)) <= MAX_VARIABLES:
            self._hold(
                {name: value if type(value) is str else self._plain(name, value) for name, value in values.items()}
            )
        return messages

    def _plain(self, name: str, value: object) -> Json:
        """A value as it is kept: of an image and the like a few words, and never its bytes."""
        kind = self._media.get(name)
        if value is None or (kind is None and name not in getattr(self._template, "histories", ())):
            return plain(value)
        from promptops.core.media_values import media_value
        from promptops.core.template.history_media import without_bytes

        if kind is None:
            return without_bytes(plain(value))
        return media_value(kind, value).described()

    def _hold(self, values: Mapping[str, Json]) -> None:
        room = 0
        for value in values.values():
            text = value if isinstance(value, str) else json.dumps(value)
            room += _VALUE + sys.getsizeof(text) * (1 if text is value else 4)
        if room <= 8 * MAX_VARIABLES:
            self._values, self.room = values, room

    def rendered(self, secret: bytes) -> str:
        """Returns by what the messages of the last time are recognised."""
        return rendering_digest(self._digest, secret)

    def kept(self, *, private: Collection[str], secret: bytes) -> Mapping[str, object] | None:
        """Returns the variables as they are kept; None where they are too large, or nothing was rendered."""
        return None if self._values is None else captured(self._values, private=private, secret=secret)
