"""Sends the rows of a run to the registry while the run goes on, so that none can be taken back later.

Rows are sent together every few seconds. A registry that is away is tried again, and rows wait; one that refuses a row
ends the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from typing import Final

from promptops.core.errors import PromptopsError, Unavailable
from promptops.core.evidence.case_table import Row

EVERY: Final = 5.0
"""Seconds between two reports: half of what a run has to keep to."""

AT_ONCE: Final = 1_000
"""Rows in one report: a server reads a request of this size."""

LAST_SECONDS: Final = 60.0
"""Seconds at the end of a run in which a registry that is away is tried again."""

_PAUSE: Final = 1.0  # seconds between these tries


class RowSender:
    """Collects rows from any thread, and sends them from one of its own."""

    def __init__(
        self, send: Callable[[Sequence[Row]], None], *, refused: Callable[[], None], every: float = EVERY
    ) -> None:
        """``send`` reports rows; a row that is there already, just as it is, it accepts. ``refused`` ends the run."""
        self._send = send
        self._refused = refused
        self._every = every
        self._waiting: list[Row] = []
        self._lock = Lock()
        self._closing = Event()
        self._error: PromptopsError | None = None
        self._thread = Thread(target=self._run, daemon=True, name="promptops-eval-rows")
        self._thread.start()

    def put(self, row: Row) -> None:
        """Takes a row, to be sent within a few seconds."""
        with self._lock:
            self._waiting.append(row)

    def close(self, *, seconds: float = LAST_SECONDS) -> None:
        """Sends what is left, and ends.

        Raises:
            PromptopsError: the registry refused a row, or was away until the end.
        """
        self._closing.set()
        self._thread.join()
        until = time.monotonic() + seconds
        while self._waiting and self._error is None:
            try:
                self._report()
            except Unavailable:
                if time.monotonic() + _PAUSE > until:
                    raise
                time.sleep(_PAUSE)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while not self._closing.wait(self._every):
            try:
                self._report()
            except Unavailable:
                continue
            if self._error is not None:
                self._refused()
                return

    def _report(self) -> None:
        """Sends all that waits. What is not sent goes on waiting."""
        while self._waiting and self._error is None:
            with self._lock:
                rows = tuple(self._waiting[:AT_ONCE])
            try:
                self._send(rows)
            except Unavailable:
                raise
            except PromptopsError as error:
                self._error = error
                return
            with self._lock:
                del self._waiting[: len(rows)]
