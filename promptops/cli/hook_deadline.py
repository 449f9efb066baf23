"""The time that a hook of git has: it answers in time, since one that git's server ends refuses without a reason."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer
from typing import NoReturn

from promptops.cli.exit import EXIT_CODES
from promptops.operations.pushes import PushLate

_FOR_REGISTRY, _FOR_ANSWER = 0.4, 0.1
"""Shares of the time: what has to be left for an answer of the registry, and what the hook needs after it."""

_START = 0.5
"""Seconds that a process may take to start before they count: half of that where a machine is not busy."""


class Deadline:
    """When a hook has to have answered, in seconds since its process began and was loaded."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.left_at_start = max(0.1 * seconds, seconds - max(0.0, _age() - _START))
        self._until = time.monotonic() + self.left_at_start

    def for_registry(self, *, fair: bool) -> float:
        """Returns how long one question may take.

        ``fair`` asks that enough is left: where a registry that does not answer lets a push through, one could be made
        so large that no time is left to ask.

        Raises:
            PushLate: too little is left.
        """
        left = self._until - time.monotonic()
        if fair and left < self._seconds * _FOR_REGISTRY:
            self.end()
        return max(0.001, left - self._seconds * _FOR_ANSWER)

    def end(self, *_: object) -> NoReturn:
        """Refuses the push; a handler of a signal too."""
        raise PushLate(
            f"the push could not be judged within {self._seconds:g} seconds",
            hint="Push again, or fewer changes at once.",
        )


@contextmanager
def in_time(seconds: float) -> Iterator[Deadline]:
    """Ends what takes too long: an answer that comes late is a refusal without a reason."""
    deadline = Deadline(seconds)
    watchdog = Timer(
        deadline.left_at_start + seconds * _FOR_ANSWER, _give_up
    )  # a call that looks up a name hears no signal
    watchdog.daemon = True
    watchdog.start()
    signal.signal(signal.SIGALRM, deadline.end)
    signal.setitimer(signal.ITIMER_REAL, deadline.left_at_start)
    try:
        yield deadline
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        watchdog.cancel()


def _give_up() -> None:
    sys.stderr.write("promptops: the registry does not answer, so the push is refused. Push again.\n")
    sys.stderr.flush()
    os._exit(EXIT_CODES["Unavailable"])


def _age() -> float:
    """Returns for how many seconds this process has run; 0 where the system does not say it as Linux does (proc(5))."""
    try:
        with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
            ticks = int(file.read().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError, IndexError):
        return 0.0
