"""The grammar of durations that people type: ``90s``, ``1m30s``, ``1.5h``, ``1d 12h``, ``7 days``.

In: text. Out: a length of time. The rule it keeps: a duration means the same, and is refused with the same words,
wherever it is typed.
"""

from __future__ import annotations

import re
from datetime import timedelta

from promptops.core.errors import Invalid

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds of each unit, by its first letter."""

_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_AMOUNT = rf"({_NUMBER})\s*(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)"
_DURATION = re.compile(rf"(?:{_AMOUNT}\s*)+")
_SECONDS = re.compile(rf"{_NUMBER}(?:e[+-]?[0-9]+)?")
_MAX_TYPED = 100  # no duration needs more, and the pattern takes quadratic time of a hostile text
_CENTURY = 100 * 365 * 86_400  # far below the last day that a datetime can hold


def is_duration(text: str) -> bool:
    """True for what has the form of a duration, or of a number of seconds, also where it is too long."""
    typed = _normal(text)
    return bool(_SECONDS.fullmatch(typed) or _DURATION.fullmatch(typed))


def parse_duration(text: str) -> timedelta:
    """Reads a length of time, of which each number has a unit: ``24h``, ``90m``, ``1d 12h``, ``1.5h``.

    Raises:
        Invalid: with what was typed and the forms that are understood; also for nothing and for over a century.
    """
    seconds = amounts(text) or 0.0
    if not 0 < seconds <= _CENTURY:
        raise _refusal(text)
    return timedelta(seconds=seconds)


def parse_seconds(text: str) -> float:
    """Reads a length of time in seconds, where a number without a unit is one of seconds, and 0 is allowed.

    Raises:
        Invalid: as :func:`parse_duration`.
    """
    typed = _normal(text)
    seconds = float(typed) if _SECONDS.fullmatch(typed) else amounts(typed)
    if seconds is None or not 0 <= seconds <= _CENTURY:
        raise _refusal(text)
    return seconds


def amounts(text: str) -> float | None:
    """The sum of numbers with units, in seconds and without a bound; None where the text is something else."""
    typed = _normal(text)
    if not _DURATION.fullmatch(typed):
        return None
    return sum(float(number) * UNITS[unit[0]] for number, unit in re.findall(_AMOUNT, typed))


def duration_text(length: timedelta) -> str:
    """Returns a length of time as :func:`parse_duration` reads it, in whole seconds: ``1d 12h``."""
    left, parts = int(length.total_seconds()), []
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, UNITS[unit])
        parts += [f"{count}{unit}"] if count else []
    return " ".join(parts) or "0s"


def _normal(text: str) -> str:
    return " ".join(text.strip().lower().split()) if len(text) <= _MAX_TYPED else ""


def _refusal(text: str) -> Invalid:
    return Invalid(f"'{text[:_MAX_TYPED]}' is not a length of time", hint="Write 90s, 1m30s, 1.5h, 1d 12h or 7d.")
