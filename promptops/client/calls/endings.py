"""What an exception that leaves a call means: an error by its class, or a caller that went away."""

from __future__ import annotations

import concurrent.futures
from typing import Final

from promptops.core.outcomes.call_outcome import LONGEST_ERROR

_TIMEOUTS: Final = frozenset({"gevent.timeout", "eventlet.timeout"})
"""Modules whose ``Timeout`` is no ``Exception``, and yet an error: a call took too long."""


def is_cancelled(kind: type[BaseException]) -> bool:
    """Returns whether the caller went away: a task was cancelled, a generator closed, a process interrupted.

    Whatever is no ``Exception`` ends the work itself, in every framework: asyncio, trio, gevent.
    """
    if issubclass(kind, concurrent.futures.CancelledError):
        return True
    return not issubclass(kind, Exception) and kind.__module__ not in _TIMEOUTS


def error_class(kind: type[BaseException]) -> str:
    """Returns the name of an error's class, ``openai.APITimeoutError``. It never has anything of the message."""
    module = getattr(kind, "__module__", "")
    name = kind.__qualname__ if module in ("", "builtins") else f"{module}.{kind.__qualname__}"
    return printable(name) or "error"


def printable(text: str) -> str:
    """Returns a text as the class of an error: one line, not too long."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:LONGEST_ERROR])
