"""Gathers what clients report for a moment, and takes it in one transaction. Each is answered when it is counted.

A fleet costs few commits so, and a report waits for no other request. What waits is bounded: a client is asked to come
again, since it numbers its documents and none is lost by that. One token has half of the room, and what the database
does not take because of one report is taken one by one, so that the others count.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from promptops.core.errors import PromptopsError, RegistryUnavailable, TooManyRequests, Unavailable
from promptops.operations.outcomes import Document, Fed, Line, Reported, Taken
from promptops.server.live.exhaustion import end_if_exhausted
from promptops.server.live.tasks import end

MOMENT: Final = 0.05
"""Seconds in which reports are gathered, as heartbeats are."""

# In parts of reports (rows, units, lines), a few hundred bytes each: what waits, and what one transaction takes, which
# then holds the lock of a SQLite registry for a fraction of a second.
_MOST = 40_000
_AT_ONCE = 1_000
_log = logging.getLogger("promptops.server")

Answer = Reported | Fed
Take = Callable[[Sequence[Document | Line]], Awaitable[Taken]]
"""Takes reports into the registry."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    owner: str
    item: Document | Line
    size: int
    answer: asyncio.Future[Answer]

    def settle(self, answer: Answer | BaseException) -> None:
        if self.answer.done():  # the client is gone; what it sent counts all the same
            return
        if isinstance(answer, BaseException):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


class Reports:
    """The reports of a moment. Used on the event loop only."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._waiting: deque[_Waiting] = deque()
        self._sizes: Counter[str] = Counter()
        self._some = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to take reports."""
        self._task = asyncio.create_task(self._run(), name="promptops reports")

    async def count(self, owner: str, item: Document | Line) -> Answer:
        """Take a report of the token with this id, and return what came of it when it is stored.

        Raises:
            TooManyRequests: too much waits. RegistryUnavailable: it was not counted. Or why it does not count.
        """
        size = _size(item)
        if self._sizes.total() + size > _MOST or (self._sizes[owner] and self._sizes[owner] + size > _MOST // 2):
            raise TooManyRequests("too many reports of outcomes wait", retry_after=1)
        waiting = _Waiting(owner, item, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._sizes[owner] += size
        self._some.set()
        return await waiting.answer

    async def close(self) -> None:
        """Stop. Reports that wait are answered by an error, so that their clients send them again."""
        await end(self._task)
        self._fail(self._waiting, RegistryUnavailable("the server ends; nothing was counted"))

    async def _run(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(MOMENT)
            batch = self._next()
            try:
                await self._count(batch)
            except BaseException:
                self._fail(batch, RegistryUnavailable("the server ends, and it is not known whether this was counted"))
                raise

    def _next(self) -> list[_Waiting]:
        """What came first, as much as one transaction takes."""
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and (not batch or size + self._waiting[0].size <= _AT_ONCE):
            batch.append(self._waiting.popleft())
            size += batch[-1].size
            self._sizes[batch[-1].owner] -= batch[-1].size
        self._sizes += Counter()  # without those of which nothing waits
        if not self._waiting:
            self._some.clear()
        return batch

    async def _count(self, batch: list[_Waiting]) -> None:
        try:
            taken = await self._take([each.item for each in batch])
        except Unavailable as error:
            self._fail(batch, error)
        except Exception as error:  # noqa: BLE001 the task has to outlive unexpected errors
            end_if_exhausted(error)
            if len(batch) > 1:
                for each in batch:
                    await self._count([each])
                return
            if not isinstance(error, PromptopsError):
                _log.exception("a report of outcomes was not counted")
                error = RegistryUnavailable("the registry did not take this report")
            self._fail(batch, error)
        else:
            for each, answer in zip(batch, taken.answers, strict=True):
                each.settle(answer)

    def _fail(self, batch: Sequence[_Waiting], error: BaseException) -> None:
        for each in batch:
            each.settle(error)


def _size(item: Document | Line) -> int:
    if isinstance(item, Line):
        return 1
    report = item.report
    units = len(report.bad_units) + len(report.sampled_units)
    return 1 + len(report.sums) + len(report.feedback) + units // 4
