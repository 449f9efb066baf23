"""Chooses the connection to close on a full server: the oldest resting one of the owner with most of them.

A connection rests while the server waits for its peer: for a request, for the rest of one, or to read an answer; and
while a request of it waits for its turn, since nothing of that is done yet. Its last request determines its owner: the
token, or without one the address. So neither resting nor slow connections of one
token or address keep the others out, and no connection is closed while there is room.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Resting(Generic[T]):
    """The connections that rest, by owner, longest first. Used on the event loop only."""

    def __init__(self) -> None:
        self._of: dict[str, dict[T, None]] = {}

    def add(self, owner: str, connection: T) -> None:
        """Note that a connection rests from now on."""
        self._of.setdefault(owner, {})[connection] = None

    def remove(self, owner: str, connection: T) -> None:
        """Note that a connection rests no longer, or is gone."""
        resting = self._of.get(owner)
        if resting is not None:
            resting.pop(connection, None)
            if not resting:
                del self._of[owner]

    def first(self) -> T | None:
        """Returns the connection to close, or None if no connection rests."""
        owner = max(self._of, key=lambda name: len(self._of[name]), default=None)
        return None if owner is None else next(iter(self._of[owner]))
