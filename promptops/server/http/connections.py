"""Chooses the connection to close on a full server: the oldest resting one of the owner with most of them.

A connection rests while the server waits for its peer: for a request, for the rest of one, or to read an answer. Its
last request determines its owner: the token, or without one the address. So neither resting nor slow connections of one
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
        """The connection to close; None if none rests."""
        owner = max(self._of, key=lambda each: len(self._of[each]), default=None)
        return None if owner is None else next(iter(self._of[owner]))
