"""What became different in a channel, until the thread that takes turns logs it and calls the hooks."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import TypeVar

from promptops.client.follow.arrival import changes
from promptops.client.state.release_set import Held, Unloaded
from promptops.client.status import Change
from promptops.core.snapshot import Pointer

T = TypeVar("T")


class News:
    """Changes in what is served, and apps that could not be loaded, each to be taken once. Safe for threads."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._first: frozenset[str] = frozenset()
        self._changes: deque[Change] = deque()
        self._unloaded: deque[tuple[str, Unloaded]] = deque()

    def begin(self, apps: Collection[str]) -> None:
        """The first snapshot has these apps: that they are served is no change."""
        self._first = frozenset(apps)

    def add(self, before: Held | None, loaded: Mapping[str, Pointer], unloaded: Mapping[str, Unloaded]) -> None:
        """These apps were loaded, and these could not be, as was not known before."""
        self._changes.extend(changes(before, loaded, self._channel, self._first))
        self._first -= loaded.keys() | unloaded.keys()
        self._unloaded.extend(unloaded.items())

    def take_changes(self) -> tuple[Change, ...]:
        """Returns the changes since the last call."""
        return tuple(_taken(self._changes))

    def take_unloaded(self) -> tuple[tuple[str, Unloaded], ...]:
        """Returns the apps that could not be loaded since the last call."""
        return tuple(_taken(self._unloaded))


def _taken(queue: deque[T]) -> Iterator[T]:
    with suppress(IndexError):  # it is empty, or another thread took the last one
        while True:
            yield queue.popleft()
