"""What of the calls of all apps is worth a look, for the page of metrics: looked up once a minute at most."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from promptops.core.errors import PromptopsError
from promptops.core.outcomes.app_look import AppLook

_STANDS_FOR: Final = 60.0
"""Seconds: what is worth a look changes with days, and the rows of a week are read for it."""


class Looks:
    """What is worth a look. Used on the event loop only."""

    def __init__(self, ask: Callable[[], Awaitable[tuple[AppLook, ...]]]) -> None:
        self._ask = ask
        self._lock = asyncio.Lock()
        self._found: tuple[AppLook, ...] = ()
        self._until = 0.0

    async def now(self) -> tuple[AppLook, ...]:
        """What was found within the last minute; what was found before while the registry does not answer."""
        async with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._found = await self._ask()
                except PromptopsError:  # /readyz reports it; the page has other numbers
                    return self._found
                self._until = time.monotonic() + _STANDS_FOR
            return self._found
