"""The budget of one rendering of a Jinja template: steps, which are its time, and characters, which are its memory.

A step is about half a microsecond. Code that reads values or makes text pays before it does so, so that no work goes
unpaid.
"""

from __future__ import annotations

from collections.abc import Mapping

from promptops.core.errors import OutputTooLarge, TemplateInvalid

MADE = 16
"""Characters that are made in the time of one step."""

READ = 256
"""Characters that are compared in the time of one step."""

SEARCHED = 32
"""Characters that are searched in the time of one step."""


class Budget:
    """The budget that one rendering has left. ``size`` is the limit of one piece of text."""

    __slots__ = ("_left", "_limit", "_size", "_steps")

    def __init__(self, steps: int, size: int, limit: int) -> None:
        self._steps = self._left = steps
        self._size = size
        self._limit = limit

    def spend(self, steps: int) -> None:
        """Pay for this many steps.

        Raises:
            TemplateInvalid: more than are left.
        """
        self._left -= steps
        if self._left < 0:
            raise TemplateInvalid(
                f"rendering takes more than {self._steps:,} steps",
                hint="Loop over less, or do the work in the application.",
            )

    def text(self, size: int) -> None:
        """Pay for text of this many characters, if possible before it is made."""
        if size > max(self._size, 0):
            raise OutputTooLarge(self._limit)
        self.spend(1 + size // MADE)

    def json(self, value: object, indent: int = 0) -> None:
        """Pay for a value as JSON before it is made: at least as many characters as it will have without escapes."""
        size = 0
        pending: list[tuple[object, int]] = [(value, 1)]
        while pending:
            item, depth = pending.pop()
            self.spend(1)
            if isinstance(item, str):
                size += len(item)
                continue
            if isinstance(item, Mapping):
                size += sum(len(key) for key in item if isinstance(key, str))
                pending += [(each, depth + 1) for each in item.values()]
            elif isinstance(item, list | tuple):
                pending += [(each, depth + 1) for each in item]
            else:
                continue
            size += len(item) * (2 + indent * depth)
        self.text(size)


def same(budget: Budget, one: object, other: object) -> bool:
    """``one == other``, paid for as far as the two have to be looked at."""
    budget.spend(1)
    if isinstance(one, str) and isinstance(other, str):
        if len(one) != len(other):
            return False
        budget.spend(len(one) // READ)
        return one == other
    if isinstance(one, list | tuple) and type(one) is type(other):
        assert isinstance(other, list | tuple)
        return len(one) == len(other) and all(same(budget, a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        budget.spend(len(one))
        return one.keys() == other.keys() and all(same(budget, item, other[key]) for key, item in one.items())
    return bool(one == other)


def contains(budget: Budget, items: object, wanted: object) -> bool:
    """``wanted in items``, paid for as far as it has to be searched."""
    if isinstance(items, list | tuple):
        return any(same(budget, item, wanted) for item in items)
    if isinstance(items, str) and isinstance(wanted, str):
        # At each character the search may compare as much of the wanted text as fits there, and go back.
        budget.spend(1 + len(items) * (1 + min(len(wanted), len(items), READ) // 16) // SEARCHED)
    elif isinstance(wanted, str):
        budget.spend(1 + len(wanted) // READ)
    return wanted in items  # type: ignore[operator]


def weigh(budget: Budget, value: object, times: int = 1) -> None:
    """Pay for reading all of a value, this many times."""
    pending = [value]
    while pending:
        item = pending.pop()
        size = 1 + len(item) // READ if isinstance(item, str) else 1
        budget.spend(size * times)
        if isinstance(item, Mapping):
            pending += item.values()
        elif isinstance(item, list | tuple):
            pending += item


def compared(budget: Budget, one: object, operator: str, other: object) -> bool:
    """``one <operator> other``, by Jinja's names of the operators.

    Raises:
        TemplateInvalid: there are not enough steps left.
        TypeError: two that have no order.
    """
    match operator:
        case "eq":
            return same(budget, one, other)
        case "ne":
            return not same(budget, one, other)
        case "in":
            return contains(budget, other, one)
        case "notin":
            return not contains(budget, other, one)
    # No more of the longer one is looked at than the shorter one has; both pay.
    weigh(budget, one)
    weigh(budget, other)
    match operator:
        case "lt":
            return bool(one < other)  # type: ignore[operator]
        case "lteq" | "le":
            return bool(one <= other)  # type: ignore[operator]
        case "gt":
            return bool(one > other)  # type: ignore[operator]
    return bool(one >= other)  # type: ignore[operator]
