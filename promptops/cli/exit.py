"""How a command ends: its exit code, and an answer that cannot be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from promptops.core.errors import PromptopsError

EXIT_CODES: Final[Mapping[str, int]] = {"Invalid": 2, "NotFound": 3, "Conflict": 4, "Refused": 5, "Unavailable": 6}
"""The exit code of each kind of error."""


def exit_code(error: PromptopsError) -> int:
    """The exit code of a command that failed with this error."""
    return EXIT_CODES.get(error.kind, 1)


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
