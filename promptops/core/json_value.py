"""The type of a JSON value, and the classes of its objects and lists, for ``isinstance``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

Value: TypeAlias = (
    "bool | int | float | str | Sequence[Json] | Sequence[Mapping[str, object]] | Mapping[str, Json] | None"
)
"""What an application gives for a variable: JSON; for a placeholder messages, which may have the types of an SDK."""

OBJECTS = (dict, Mapping)
LISTS = (list, tuple)
"""Types for ``isinstance`` where many JSON values are looked at: a dict is known at once, any other Mapping is not, and
``list | tuple`` would be made anew each time."""
