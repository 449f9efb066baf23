"""The releases that a channel is to follow and that are not loaded yet, and which of them some thread is loading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from promptops.client.state.release_set import Unloaded
from promptops.core.snapshot import Pointer

_AGAIN: Final = frozenset(
    {"timeout", "connect", "network", *(f"status-{status}" for status in (429, 500, 502, 503, 504))}
)
"""Reasons why bytes did not come that may be over in a moment."""


class Coming:
    """Apps with the pointer to load. ``unloaded`` are always the apps that could not be loaded so far.

    A replica calls the methods that change something under its lock, except :meth:`release`.
    """

    def __init__(self) -> None:
        self.pointers: Mapping[str, Pointer] = {}
        self._claimed: dict[str, Pointer] = {}

    @property
    def is_claimed(self) -> bool:
        """True while a thread loads a release."""
        return bool(self._claimed)

    def is_new(self, unloaded: Mapping[str, Unloaded]) -> bool:
        """Returns True if a release was not tried yet, and no thread loads it."""
        return any(
            self._claimed.get(app) != pointer and not _failed(unloaded, app, pointer)
            for app, pointer in self.pointers.items()
        )

    def is_late(self, unloaded: Mapping[str, Unloaded]) -> bool:
        """Returns True if bytes did not come because no place answered, so that asking again soon may help."""
        return any(app in unloaded and unloaded[app].reason in _AGAIN for app in self.pointers)

    def digests(self) -> set[str]:
        """Returns the digests of the releases to load."""
        return {ref.digest for pointer in self.pointers.values() for ref in pointer.served()}

    def replace(self, pointers: Mapping[str, Pointer]) -> None:
        """These are the releases to load from now on."""
        self.pointers = dict(pointers)

    def claim(
        self, tried: Mapping[str, Pointer], unloaded: Mapping[str, Unloaded], *, again: bool
    ) -> dict[str, Pointer]:
        """Claim for this caller what no other loads, except what it tried. ``again``: also what failed before."""
        claimed = {
            app: pointer
            for app, pointer in self.pointers.items()
            if pointer not in (self._claimed.get(app), tried.get(app))
            and (again or not _failed(unloaded, app, pointer))
        }
        self._claimed |= claimed
        return claimed

    def release(self, claimed: Mapping[str, Pointer]) -> None:
        """Give back what was claimed. Without a lock: a generator that is collected as garbage does so anywhere."""
        for app, pointer in claimed.items():
            if self._claimed.get(app) == pointer:
                self._claimed.pop(app, None)

    def forked(self) -> None:
        """In a forked child: the threads that were loading are not there."""
        self._claimed = {}


def _failed(unloaded: Mapping[str, Unloaded], app: str, pointer: Pointer) -> bool:
    known = unloaded.get(app)
    return known is not None and known.pointer == pointer
