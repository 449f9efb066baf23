"""What a command's answer meets at its end: a reader that left, or no room for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Unwritten(Exception):
    """The answer could not be written: its reader left, or there is no room for it. What was done is done."""


@contextmanager
def writing(refused: type[OSError] = OSError) -> Iterator[None]:
    """Whatever stdout refuses is about the answer, and not about what was done.

    Raises:
        Unwritten: with the reason as its cause.
    """
    try:
        yield
    except refused as error:
        raise Unwritten(error.strerror or str(error)) from error
