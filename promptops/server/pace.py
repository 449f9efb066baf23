"""Lets a few tasks run at a time: the server sends a change to thousands of streams and answers requests in between.

Otherwise all of them would run before anything else, because the event loop runs everything that is ready.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Final

_AT_ONCE: Final = 16
"""Some milliseconds of work."""


class Pace:
    """Lets through a few in each round of the event loop, of each owner one in turn. Used on the event loop only."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def step(self, owner: str) -> None:
        """Wait for one's turn, which comes soon."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._let_through, loop)
        ticket: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(owner, deque()).append(ticket)
        await ticket

    def _let_through(self, loop: asyncio.AbstractEventLoop) -> None:
        left = _AT_ONCE
        while left and self._waiting:
            owner, tickets = self._waiting.popitem(last=False)
            ticket = tickets.popleft()
            if tickets:
                self._waiting[owner] = tickets
            if not ticket.done():
                ticket.set_result(None)
                left -= 1
        if self._waiting:
            loop.call_soon(self._let_through, loop)
