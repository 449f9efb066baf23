"""Ends a process that ran out of memory, because its behaviour after that is not predictable.

Python goes on after a MemoryError, and then resets every new connection, for ever. The process that watches over the
workers, or the service manager, starts an ended process again.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Final

EXIT_CODE: Final = 70
"""Of a process that ended so: EX_SOFTWARE of sysexits.h, and no code of a command."""

_SAID: Final = b"promptops.server: this process ran out of memory, and ends\n"


def end_if_exhausted(error: BaseException) -> None:
    """End this process at once, if memory ran out: here, or in what this error came of."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        if _is_exhaustion(at):
            os.write(sys.__stderr__.fileno() if sys.__stderr__ is not None else 2, _SAID)
            os._exit(EXIT_CODE)
        at = at.__cause__ or at.__context__


def _is_exhaustion(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # Python raises the second if there is no room for the stack of a new thread.
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "start new thread" in str(error))
