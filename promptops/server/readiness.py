"""Whether requests should be sent to this server."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from promptops.core.errors import PromptopsError

if TYPE_CHECKING:
    from promptops.server.state import State
    from promptops.store import Registry

FEED_AGE: Final = 30.0
"""A server that could not look for changes for so many seconds is not ready."""

_READY_FOR = 1.0


class Readiness:
    """Why requests should not be sent here; asked at most once a second, however many ask."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = asyncio.Lock()
        self._found: tuple[str, ...] = ()
        self._until = 0.0

    async def now(self) -> tuple[str, ...]:
        """The reasons, as codes of errors; none: it is ready."""
        async with self._lock:
            if time.monotonic() >= self._until:
                self._found = await self._ask()
                self._until = time.monotonic() + _READY_FOR
            return self._found

    async def _ask(self) -> tuple[str, ...]:
        reasons = []
        try:
            await self._state.ask(_check)
        except PromptopsError as error:
            reasons.append(error.code)
        if self._state.feed.age > FEED_AGE:
            reasons.append("feed-stopped")
        return tuple(reasons)


def _check(registry: Registry) -> None:
    registry.check()
