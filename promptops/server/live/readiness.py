"""Whether requests should be sent to this server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from promptops.core.errors import PromptopsError

if TYPE_CHECKING:
    from promptops.store import Registry

FEED_AGE: Final = 30.0
"""Seconds without a look for changes after which a server is not ready: it looks every few seconds."""

_READY_FOR = 1.0
"""Seconds for which one check answers all requests, so that probes cost the database nothing."""
_log = logging.getLogger("promptops.server")


Ask = Callable[[Callable[["Registry"], tuple[str, ...]]], Awaitable[tuple[str, ...]]]
"""Calls a function with the registry, in a thread, within the server's deadline."""


class Readiness:
    """Why requests should not be sent here; asked at most once a second, however many ask."""

    def __init__(self, ask: Ask, feed_age: Callable[[], float]) -> None:
        self._ask_registry, self._feed_age = ask, feed_age
        self._lock = asyncio.Lock()
        self._found: tuple[tuple[str, ...], tuple[str, ...]] = (), ()
        self._strangers: tuple[str, ...] = ()
        self._until = 0.0

    async def now(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The reasons against readiness, as codes of errors, and notes, as codes of faults, which do not count."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._found = await self._ask()
                self._until = time.monotonic() + _READY_FOR
            return self._found

    async def _ask(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        reasons = []
        try:
            self._tell(await self._ask_registry(_check))
        except PromptopsError as error:
            reasons.append(error.code)
        if self._feed_age() > FEED_AGE:
            reasons.append("feed-stopped")
        return tuple(reasons), (("schema-foreign",) if self._strangers else ())

    def _tell(self, strangers: tuple[str, ...]) -> None:
        for stranger in strangers:
            if stranger not in self._strangers:
                _log.warning(
                    "%s is not of promptops: a change that it drops or alters is refused; see the report of fsck",
                    stranger.encode("unicode_escape").decode(),
                )
        self._strangers = strangers


def _check(registry: Registry) -> tuple[str, ...]:
    registry.check()
    return registry.strangers()
