"""Looks at the canaries whose steps the policy takes: when a limit was reached, and once a minute for their times.

Each server looks by itself, however many there are: a step is taken once, by the one that comes first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from typing import Final

from promptops.core.errors import PromptopsError
from promptops.operations.canary_look import Looked
from promptops.operations.rollout_feed import Place
from promptops.server.live.exhaustion import end_if_exhausted
from promptops.server.live.tasks import end

EVERY: Final = 60.0
"""Seconds between two looks at all canaries."""
_AGAIN: Final = 1.0
"""Seconds after a look at one that reached its limit: such a canary mostly ends, or each report calls again."""
_log = logging.getLogger("promptops.server")

Look = Callable[[Collection[Place] | None], Awaitable[tuple[Looked, ...]]]
"""Looks at the canaries of these places, or at all."""


class Canaries:
    """The looks of one server. Used on the event loop only."""

    def __init__(self, look: Look, aborted: Callable[[str, str], None]) -> None:
        self._look = look
        self._aborted = aborted
        self._reached: set[Place] = set()
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="promptops canaries")

    def call(self, places: Iterable[Place]) -> None:
        """Look at the canaries of these places soon: a limit is reached."""
        self._reached.update(places)
        if self._reached:
            self._some.set()

    async def close(self) -> None:
        """Stop. What is being done is done or rolled back as a whole."""
        await end(self._task)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if loop.time() >= due:
                await self._take(None)
                due = loop.time() + EVERY
            with suppress(TimeoutError):
                await asyncio.wait_for(self._some.wait(), due - loop.time())
                self._some.clear()
                places, self._reached = self._reached, set()
                await self._take(places)
                await asyncio.sleep(_AGAIN)

    async def _take(self, places: Collection[Place] | None) -> None:
        try:
            looked = await self._look(places)
        except PromptopsError as error:  # /readyz reports a registry that does not answer; the next look is soon
            _log.warning("no canary was looked at: %s", error.message)
        except Exception as error:  # noqa: BLE001 the task has to outlive unexpected errors
            end_if_exhausted(error)
            _log.exception("no canary was looked at")
        else:
            for each in looked:
                if each.verb != "hold":
                    _log.info("canary of %s on %s: %s", each.app, each.channel, each.reason)
                if each.verb == "abort":
                    self._aborted(each.app, each.channel)
