"""Which connection gives way when there are as many as the server takes: of whoever has most that rest, the oldest.

A connection rests while the server waits for its peer: for a request, for the rest of one, or that an answer is read.
Whose it is follows from its last request: its token's, or without one its address's. So neither idle connections nor
slow ones of one token or address keep the others out, and nobody is closed while there is room.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Resting(Generic[T]):
    """The connections that rest, by owner, longest first. Used on the event loop only."""

    def __init__(self) -> None:
        self._of: dict[str, dict[T, None]] = {}

    def add(self, owner: str, connection: T) -> None:
        """It rests from now on."""
        self._of.setdefault(owner, {})[connection] = None

    def remove(self, owner: str, connection: T) -> None:
        """It has something to do, or is gone."""
        found = self._of.get(owner)
        if found is not None:
            found.pop(connection, None)
            if not found:
                del self._of[owner]

    def first(self) -> T | None:
        """The one that gives way; None where none rests."""
        owner = max(self._of, key=lambda each: len(self._of[each]), default=None)
        return None if owner is None else next(iter(self._of[owner]))
