"""A command as it is typed later: python tests/journey/later.py 21d promptops why CALL_ID

Nothing but the clock is moved: ``promptops.clock``, and the one that a client reads. An application is named by its
file: python tests/journey/later.py 1h application/tickets.py 400
"""

from __future__ import annotations

import runpy
import sys
import time
from datetime import timedelta


def main(later: str, program: str, *arguments: str) -> int:
    """Run a command with the clock so much later; its exit code."""
    from promptops.core.duration import parse_duration

    by = parse_duration(later)
    _move_clocks(by)
    if program == "promptops":
        from promptops.cli.main import run

        return run(list(arguments))
    sys.argv = [program, *arguments]
    runpy.run_path(program, run_name="__main__")
    return 0


def _move_clocks(by: timedelta) -> None:
    seconds = time.time
    time.time = lambda: seconds() + by.total_seconds()  # before a client is imported, which keeps it
    from promptops import clock

    now = clock.now
    clock.now = lambda: now() + by


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
