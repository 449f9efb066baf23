"""The documents of a channel's calls: one at a time, sent with the same number until it is acknowledged. No I/O."""

from __future__ import annotations

from collections.abc import Callable


class Mailbox:
    """Hands out the document to send. For one thread at a time.

    A registry counts a document by its client and number once, so neither ever names two documents.
    """

    def __init__(self) -> None:
        self.reported = 0
        self._client = ""
        self._number = 0
        self._pending: bytes | None = None

    @property
    def is_waiting(self) -> bool:
        """True while a document was made and not acknowledged."""
        return self._pending is not None

    def next(self, client: str, make: Callable[[str, int], bytes | None]) -> bytes | None:
        """Returns the document that waits, else a new one of this client; None if there is nothing to report."""
        if self._pending is None:
            if client != self._client:  # as after a goodbye
                self._client, self._number = client, 0
            self._pending = make(client, self._number + 1)
            if self._pending is not None:
                self._number += 1
        return self._pending

    def acknowledged(self) -> None:
        """The registry has the document."""
        self._pending = None
        self.reported += 1

    def refused(self) -> None:
        """The registry never takes the document."""
        self._pending = None
