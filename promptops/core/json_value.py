"""The type of a JSON value, and the classes of its objects and lists, for ``isinstance``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


class Medium(Protocol):
    """An image, a file or audio: :class:`promptops.core.media_values.MediaValue`."""

    def said(self) -> dict[str, Any]: ...


Value: TypeAlias = (
    "bool | int | float | str | bytes | Medium | Sequence[Json] | Sequence[Mapping[str, object]] | Mapping[str, Json]"
    " | Mapping[str, bytes | str] | None"
)
"""What an application gives for a variable: JSON; for a placeholder messages, which may have the types of an SDK; an
image, a file or audio as bytes, as an object of its class, or as a mapping with ``data`` or ``url``."""

OBJECTS = (dict, Mapping)
LISTS = (list, tuple)
"""Types for ``isinstance`` where many JSON values are looked at: a dict is known at once, any other Mapping is not, and
``list | tuple`` would be made anew each time."""


def has_private(schema: Json) -> bool:
    """Returns whether a JSON Schema has ``private: true``, or a part of it has."""
    if isinstance(schema, Mapping):
        return schema.get("private") is True or any(map(has_private, schema.values()))
    return isinstance(schema, list | tuple) and any(map(has_private, schema))
