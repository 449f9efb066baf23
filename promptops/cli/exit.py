"""How a command ends: its exit code, and an answer that cannot be written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from promptops.core.errors import PromptopsError

EXIT_CODES: Final[Mapping[str, int]] = {"Invalid": 2, "NotFound": 3, "Conflict": 4, "Refused": 5, "Unavailable": 6}
"""The exit code of each kind of error."""


def exit_code(error: PromptopsError) -> int:
    """Returns the exit code of a command that failed with this error; 1 for an unknown kind."""
    return EXIT_CODES.get(error.kind, 1)


class Unwritten(Exception):
    """The answer could not be written: its reader left, or the disk is full. The command itself has run."""


@contextmanager
def writing(refused: type[OSError] = OSError) -> Iterator[None]:
    """Turns an error of stdout into one about the answer, so that it does not look as if the change failed.

    Raises:
        Unwritten: with the reason as its cause.
    """
    try:
        yield
    except refused as error:
        raise Unwritten(error.strerror or str(error)) from error
