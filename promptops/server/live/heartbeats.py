"""Gathers the heartbeats of clients for a moment, and writes them in one batch.

A client never waits for the database and sees none of its errors: a lost heartbeat is followed by the next one soon.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from promptops.core.errors import PromptopsError
from promptops.core.heartbeat import Beat
from promptops.server.live.exhaustion import end_if_exhausted
from promptops.server.live.tasks import end

MOMENT: Final = 0.05
"""Seconds in which heartbeats are gathered before they are written: one transaction for many, and still at once."""

# Heartbeats kept at once bound the memory while the database is slow. One token gets half, so the others have room.
_MOST = 20_000
_MOST_OF_A_TOKEN = 10_000
# Seconds between two tries while the database refuses, which spares it a failing transaction every 50 ms.
_REST = 1.0
_log = logging.getLogger("promptops.server")

Write = Callable[[Sequence[Beat]], Awaitable[None]]
"""Writes beats to the registry."""


class Presence:
    """The heartbeats of a moment. Used on the event loop only."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._beats: dict[tuple[str, str], Beat] = {}
        self._of_tokens: Counter[str] = Counter()
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write the heartbeats."""
        self._task = asyncio.create_task(self._run(), name="promptops presence")

    def say(self, beat: Beat) -> None:
        """Take a heartbeat. A later one of the same client replaces it, except after a goodbye.

        Heartbeats beyond the limit of one token are dropped, so that those of other tokens are not.
        """
        key = beat.token, beat.id
        before = self._beats.get(key)
        if before is None:
            if len(self._beats) >= _MOST or self._of_tokens[beat.token] >= _MOST_OF_A_TOKEN:
                return
            self._of_tokens[beat.token] += 1
        if before is None or not before.leaving:
            self._beats[key] = beat
            self._some.set()

    async def close(self) -> None:
        """Stop. Heartbeats that are not yet written are lost."""
        await end(self._task)

    async def _run(self) -> None:
        failing = False
        while True:
            await self._some.wait()
            await asyncio.sleep(_REST if failing else MOMENT)
            self._some.clear()
            beats, self._beats = tuple(self._beats.values()), {}
            self._of_tokens.clear()
            try:
                await self._write(beats)
            except (PromptopsError, TimeoutError) as error:
                if not failing:
                    _log.warning("heartbeats of clients are lost: %s", error)
                failing = True
            except Exception as error:  # noqa: BLE001 the task has to outlive unexpected errors
                end_if_exhausted(error)
                if not failing:
                    _log.exception("heartbeats of clients are lost")
                failing = True
            else:
                failing = False
