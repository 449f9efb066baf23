"""Ends what runs beside requests."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancels a task and waits until it has ended; None is one that never began."""
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
