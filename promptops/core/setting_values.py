"""One mapping of settings, of which every value has a form and every key is known: wrong ones are refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Final, NoReturn, TypeVar

from promptops.core.duration import parse_duration
from promptops.core.errors import Invalid

_PERCENT: Final = re.compile(r"\s*([0-9]{1,3}(?:\.[0-9]*)?|\.[0-9]+)\s*%\s*")
_SHOWN: Final = 60
T = TypeVar("T")

OFF: Final = ("off", False, None)
"""Values that say a check is not asked."""


class Values:
    """The settings below one key. Each method reads a key once; :meth:`done` refuses what no method has read."""

    def __init__(self, value: object, path: str) -> None:
        if value is True:
            value = {}
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise Invalid(f"{path} is {_said(value)}, and takes keys with values")
        self.path = path
        self._value: Mapping[str, object] = value
        self._known: set[str] = set()

    def __contains__(self, key: str) -> bool:
        self._known.add(key)
        return self._value.get(key) is not None

    def raw(self, key: str) -> object:
        """Returns the value as it is; None without one."""
        self._known.add(key)
        return self._value.get(key)

    def names(self) -> list[str]:
        """Returns all keys, each of which is then known."""
        self._known.update(self._value)
        return list(self._value)

    def share(self, key: str, default: T, *, most: float = 1.0, zero: bool = False) -> float | T:
        """Returns ``5%`` as 0.05; from 0, or above it, up to ``most``."""
        if key not in self:
            return default
        value = self._value[key]
        found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
        number = float(found[1]) / 100 if found else math.nan
        if not (0 < number <= most or (zero and number == 0)):
            self.refuse(key, f"a share above 0% and up to {most:.0%}, such as {min(most, 0.05):.0%}")
        return number

    def number(self, key: str, default: T, *, least: float = 0.0, most: float = 1e12) -> float | T:
        """Returns a number above ``least``."""
        if key not in self:
            return default
        value = self._value[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not least < value <= most:
            self.refuse(key, f"a number above {least:g}")
        return float(value)

    def whole(self, key: str, default: T, *, least: int = 1, most: int = 1_000_000_000) -> int | T:
        """Returns a whole number within these bounds."""
        if key not in self:
            return default
        value = self._value[key]
        if type(value) is not int or not least <= value <= most:
            self.refuse(key, f"a whole number from {least} to {most}" if most < 1_000_000 else f"{least} or more")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Returns true or false."""
        if key not in self and self.raw(key) is None:
            return default
        value = self._value[key]
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return value

    def choice(self, key: str, default: str, choices: Collection[str]) -> str:
        """Returns one of several words."""
        if key not in self:
            return default
        value = self._value[key]
        if not isinstance(value, str) or value not in choices:
            self.refuse(key, f"one of {', '.join(choices)}")
        return value

    def text(self, key: str) -> str:
        """Returns a text, which has to be there."""
        value = self.raw(key)
        if not isinstance(value, str) or not value:
            self.refuse(key, "a text")
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Returns a list of texts, at least one; a single text is a list of it."""
        if key not in self:
            return default
        value = self._value[key]
        given = [value] if isinstance(value, str) else value
        if not isinstance(given, list | tuple) or not given or not all(isinstance(one, str) and one for one in given):
            self.refuse(key, "a list of names")
        return tuple(given)

    def time(self, key: str, default: T) -> timedelta | T:
        """Returns a length of time: ``14d``."""
        if key not in self:
            return default
        value = self._value[key]
        if not isinstance(value, str):
            self.refuse(key, "a length of time, such as 14d")
        try:
            return parse_duration(value)
        except Invalid as error:
            raise Invalid(f"{self.path}.{key}: {error.message}", hint=error.hint) from error

    def day(self, key: str) -> date:
        """Returns a date, which has to be there: ``2026-12-23``."""
        value = self.raw(key)
        if type(value) is date:
            return value
        try:
            return date.fromisoformat(value if isinstance(value, str) and len(value) == 10 else "")
        except ValueError:
            self.refuse(key, "a date, such as 2026-12-23")

    def refuse(self, key: str, wanted: str) -> NoReturn:
        """Raises Invalid: with what the key takes."""
        if self._value.get(key) is None:
            raise Invalid(f"{self.path} lacks {key}", hint=f"It takes {wanted}.")
        raise Invalid(f"{self.path}.{key} is {_said(self._value[key])}, and takes {wanted}")

    def done(self) -> None:
        """Raises Invalid: a key is not known; the hint names the nearest one that is."""
        unknown = next((key for key in self._value if key not in self._known), None)
        if unknown is None:
            return
        from difflib import get_close_matches

        close = get_close_matches(unknown.lower().replace("-", "_"), sorted(self._known), n=1, cutoff=0.6)
        hint = f"Did you mean '{close[0]}'?" if close else f"Known are {', '.join(sorted(self._known))}."
        raise Invalid(f"{self.path} has no key '{unknown[:_SHOWN]}'", hint=hint)


def _said(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
