"""What the page of metrics shows of all apps, read from the database once in a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

from promptops.core.errors import PromptopsError

_STANDS_FOR: Final = 60.0
"""Seconds: what is worth a look changes with days, and the rows of a week are read for it."""
T = TypeVar("T")


class Looks(Generic[T]):
    """What is found of all apps. Used on the event loop only."""

    def __init__(self, ask: Callable[[], Awaitable[tuple[T, ...]]], stands_for: float = _STANDS_FOR) -> None:
        self._ask = ask
        self._stands_for = stands_for
        self._lock = asyncio.Lock()
        self._found: tuple[T, ...] = ()
        self._until = 0.0

    async def now(self) -> tuple[T, ...]:
        """What was found lately, within the time it stands for; while the registry does not answer, before that."""
        async with self._lock:
            if time.monotonic() >= self._until:
                try:
                    self._found = await self._ask()
                except PromptopsError:  # /readyz reports it; the page has other numbers
                    return self._found
                self._until = time.monotonic() + self._stands_for
            return self._found
