"""Numbers on the command line: ASCII digits within a range that has an end, so that no code behind it overflows."""

from __future__ import annotations

import math
import re

import click

from promptops.core.duration import parse_seconds
from promptops.core.errors import Invalid

LARGEST = 2**53 - 1
"""The largest number that JSON, SQLite and PostgreSQL all keep exactly."""

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_PERCENT = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,2}))? ?%?")
_DIGITS = 400
"""Longer numbers are refused before ``int()``, whose time grows with the square of the digits."""


class Whole(click.IntRange):
    """A whole number of a range."""

    def __init__(self, low: int, high: int = LARGEST) -> None:
        super().__init__(low, high)

    def _describe_range(self) -> str:
        return f"x>={self.min}" if self.max == LARGEST else super()._describe_range()

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, str):
            if not _WHOLE.fullmatch(value):
                self.fail(f"'{value[:80]}' is not a whole number.", param, ctx)
            if len(value) > _DIGITS:
                self.fail(f"{value[:20]}… is not in the range {self._describe_range()}.", param, ctx)
        number: int = super().convert(value, param, ctx)  # type: ignore[arg-type]  # it takes text
        return number


class Number(click.FloatRange):
    """A finite number within a range."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            self.fail(f"'{value[:80]}' is not a number.", param, ctx)
        number: float = super().convert(value, param, ctx)  # type: ignore[arg-type]  # it takes text
        if not math.isfinite(number):
            self.fail(f"'{str(value)[:20]}' is not in the range {self._describe_range()}.", param, ctx)
        return number


class Seconds(Number):
    """A length of time in seconds: ``90``, ``1m30s``, ``1h``."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, str):
            typed = value
            try:
                value = parse_seconds(typed)
            except Invalid as error:
                self.fail(f"{error.message}. {error.hint}", param, ctx)
            if not (self.min or 0) <= value <= (math.inf if self.max is None else self.max):
                self.fail(f"'{typed[:80]}' is not in the range {self._describe_range()}.", param, ctx)
        return super().convert(value, param, ctx)

    def _describe_range(self) -> str:
        return f"{self.min:g} s to {self.max:g} s"


class Percent(click.ParamType[int]):
    """A part in percent, with up to two decimals: ``5``, ``0.25``, ``25%``. Its value is in basis points."""

    name = "percent"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = _PERCENT.fullmatch(str(value))
        if found is None:
            self.fail(
                f"'{str(value)[:80]}' is not a number of percent, with two decimals at most: 5, 0.25.", param, ctx
            )
        return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
