"""The named fields of an object in a result file, each of the type that a reader expects. Absent and null are one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from promptops.core.digest import MAX_NUMBER
from promptops.core.errors import Invalid
from promptops.core.model import Json
from promptops.importers.json_text import Part

MAX_NAME = 1_000
"""Characters of an id or a name."""


class Named:
    """The fields of one object. Each method raises Invalid for a field of another type, with its path."""

    def __init__(self, part: Part | None) -> None:
        self.path = part.path if part is not None else "$"
        self._parts: Mapping[str, Part] = part.members() if part is not None else {}

    def __contains__(self, name: str) -> bool:
        return self._part(name) is not None

    def value(self, name: str) -> Json:
        """Returns any JSON value."""
        part = self._part(name)
        return None if part is None else part.value()

    def text(self, name: str, most: int = MAX_NAME) -> str:
        """Returns a text; empty if it is absent."""
        value = self.value(name)
        if value is not None and (not isinstance(value, str) or len(value) > most):
            raise Invalid(f"{self.path}.{name} is not a text of at most {most:,} characters")
        return value or ""

    def flag(self, name: str) -> bool | None:
        """Returns true or false."""
        value = self.value(name)
        if value is not None and not isinstance(value, bool):
            raise Invalid(f"{self.path}.{name} is not true or false")
        return value

    def number(self, name: str) -> float | None:
        """Returns a number that is not negative."""
        value = self.value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_NUMBER:
            raise Invalid(f"{self.path}.{name} is not a number from 0 on")
        return value

    def whole(self, name: str) -> int | None:
        """Returns a whole number that is not negative."""
        number = self.number(name)
        if number is not None and number != int(number):
            raise Invalid(f"{self.path}.{name} is not a whole number")
        return None if number is None else int(number)

    def items(self, name: str) -> Iterator[Named]:
        """Yields the objects of a list; none if it is absent."""
        part = self._part(name)
        return (Named(item) for item in part.items()) if part is not None else iter(())

    def inner(self, name: str) -> Named:
        """Returns the fields of an object; none if it is absent."""
        return Named(self._part(name))

    def names(self) -> tuple[str, ...]:
        """Returns the names of all fields."""
        return tuple(self._parts)

    def _part(self, name: str) -> Part | None:
        part = self._parts.get(name)
        return None if part is None or part.is_null else part
