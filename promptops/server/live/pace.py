"""Begins one request or wakes a few streams in each round of the event loop, of each owner in turn.

A round of the event loop runs everything that is ready. Without a pace, a whole flood from one token would run between
two steps of another token's rollback. While a change or the lookup of a known token runs, the pace is slower: their
threads share one interpreter with the event loop.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_PAUSE: Final = 0.002
"""Seconds from one turn to the next at the slow pace: three times what a turn takes."""

_WAKES: Final = 8
"""How many streams are woken in one turn; together they are as much work as one request."""


class Pace:
    """Whose turn it is. Used on the event loop only."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[tuple[Callable[[], None], bool]]] = OrderedDict()
        self._taken = False
        self._slow = 0

    @contextmanager
    def slowly(self) -> Iterator[None]:
        """Within this context the pace is slow."""
        self._slow += 1
        try:
            yield
        finally:
            self._slow -= 1

    def goes(self) -> bool:
        """Whether one may go on now; then the turn of this round is taken."""
        if self._taken:
            return False
        self._take()
        return True

    def when(self, owner: str, go_on: Callable[[], None], *, wakes: bool = False) -> None:
        """Call ``go_on``, which begins a request or only wakes a stream, in this owner's turn, in a later round."""
        self._waiting.setdefault(owner, deque()).append((go_on, wakes))
        if not self._taken:
            self._take()

    def _take(self) -> None:
        self._taken = True
        loop = asyncio.get_running_loop()
        if self._slow:
            loop.call_later(_PAUSE, self._next)
        else:
            loop.call_soon(self._next)

    def _next(self) -> None:
        self._taken = False
        if self._waiting:
            owner, waiting = self._waiting.popitem(last=False)
            turn = [waiting.popleft()]
            while waiting and turn[0][1] and waiting[0][1] and len(turn) < _WAKES:
                turn.append(waiting.popleft())
            if waiting:
                self._waiting[owner] = waiting
            self._take()
            for go_on, _ in turn:
                go_on()
