"""Fields of JSON and of objects of SDKs, by name, each taken only if it has the type that the API defines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from promptops.core.answers.reading import Usage
from promptops.core.escape import one_line
from promptops.core.model import LISTS

MOST_TOKENS: Final = 10**9
"""Tokens that no call has: a thousand times the longest context. A larger number is a mistake, and is not taken."""

_MOST_LETTERS: Final = 200  # of a model's name or an id: the longest of them, ARNs of Amazon, have half of it


class Unread(Exception):
    """The shape is not that of the API. It never leaves the reader."""


def get(thing: object, name: str) -> object:
    """Returns a field of a dict or of an object; None where it has none."""
    if isinstance(thing, dict):
        return thing.get(name)
    try:
        return getattr(thing, name)
    except AttributeError:
        return thing.get(name) if isinstance(thing, Mapping) else None


def whole(thing: object) -> object:
    """Returns a dict or an object.

    Raises:
        Unread: it is a single value, a list, or missing.
    """
    if thing is None or isinstance(thing, str | bytes | int | float | list | tuple):
        raise Unread
    return thing


def items(value: object) -> Sequence[object]:
    """Returns a list; an empty one where it is missing.

    Raises:
        Unread: it is something else.
    """
    if value is None:
        return ()
    if not isinstance(value, LISTS):
        raise Unread
    return value


def string(value: object) -> str:
    """Returns a text, also that of a member of an enum.

    Raises:
        Unread: it is something else.
    """
    if not isinstance(value, str):
        raise Unread
    return str.__str__(value)


def word(value: object) -> str:
    """Returns a name or an id as one short printable line; empty if it is no text."""
    if not isinstance(value, str):
        return ""
    text = str.__str__(value)
    return text if len(text) <= _MOST_LETTERS and text.isascii() and text.isprintable() else one_line(text, 200)


def count(value: object) -> int | None:
    """Returns a number of tokens; None if it is no such number."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def total(*values: object) -> int | None:
    """Returns the sum of numbers that are reported apart, where a missing one is 0; None if the first is no number."""
    counted = [count(values[0]), *(0 if value is None else count(value) for value in values[1:])]
    return None if None in counted else count(sum(number for number in counted if number is not None))


def usage(*, read: int | None, cached: object, cache_written: object, wrote: int | None, reasoning: object) -> Usage:
    """Returns the tokens of a call. A part that is larger than the whole is a mistake, and is not taken."""
    cached, cache_written, reasoning = count(cached), count(cache_written), count(reasoning)
    if read is not None and (cached or 0) + (cache_written or 0) > read:
        cached = cache_written = None
    if wrote is not None and (reasoning or 0) > wrote:
        reasoning = None
    return Usage(
        input_tokens=read,
        cached_tokens=cached,
        cache_written_tokens=cache_written,
        output_tokens=wrote,
        reasoning_tokens=reasoning,
    )
