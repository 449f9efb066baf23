"""Limits how many jobs run at once that take a thread, a database connection or much memory; the others wait.

One owner (a token) runs at most a share at once, and owners take turns: a flood from one delays only that one.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque

from promptops.core.errors import DeadlineExceeded

Ticket = asyncio.Future[None]


class Turns:
    """``slots`` at a time, ``share`` of them for one owner. Used on the event loop only."""

    def __init__(self, slots: int, share: int) -> None:
        self._free, self._share = slots, share
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[Ticket]] = OrderedDict()

    async def take(self, owner: str, seconds: float) -> None:
        """Wait for a turn; it has to be given back.

        Raises:
            DeadlineExceeded: it did not come in time.
        """
        ticket: Ticket = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(ticket)
        self._call_next()
        try:
            async with asyncio.timeout(seconds):
                await ticket
        except BaseException as error:
            self._withdraw(owner, ticket)
            if isinstance(error, TimeoutError):
                raise DeadlineExceeded(
                    f"the server is busy, and this waited for {seconds:g} s; nothing was done", hint="Ask again later."
                ) from None
            raise

    def give(self, owner: str) -> None:
        """Give a turn back."""
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._free += 1
        self._call_next()

    def _withdraw(self, owner: str, ticket: Ticket) -> None:
        if ticket.done() and not ticket.cancelled():
            self.give(owner)
            return
        ticket.cancel()
        waiting = self._waiting.get(owner)
        if waiting is not None and ticket in waiting:
            waiting.remove(ticket)
            if not waiting:
                del self._waiting[owner]

    def _call_next(self) -> None:
        while self._free:
            owner = next((each for each in self._waiting if self._held[each] < self._share), None)
            if owner is None:
                return
            waiting = self._waiting[owner]
            ticket = waiting.popleft()
            self._waiting.move_to_end(owner)
            if not waiting:
                del self._waiting[owner]
            if not ticket.done():
                self._free -= 1
                self._held[owner] += 1
                ticket.set_result(None)
