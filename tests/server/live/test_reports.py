"""Reports that wait: answered when they are counted, bounded, and no neighbour waits for one that cannot be taken."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from promptops.core.errors import Invalid, PromptopsError, RegistryUnavailable, TooManyRequests
from promptops.core.outcomes.report import Feedback
from promptops.operations.outcomes import Document, Fed, Line, Reported, Taken
from promptops.server.live import reports
from promptops.server.live.reports import Answer, Reports
from tests.support.reports import MINUTE, calls, report, series


def document(number: int, rows: int = 1) -> Document:
    sums = {(series(model=f"m{each}"), MINUTE): calls(1) for each in range(rows)}
    return Document(report=report("0b0e11aa", number, sums))


class Registry:
    """Takes what it gets, and says what came together; some numbers it cannot take."""

    def __init__(self, **failing: Exception) -> None:
        self.batches: list[list[int]] = []
        self._failing = failing
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def take(self, items: Sequence[Document | Line]) -> Taken:
        self.begun.set()
        await self.open.wait()
        numbers = [item.report.number if isinstance(item, Document) else 0 for item in items]
        self.batches.append(numbers)
        for number in numbers:
            if f"n{number}" in self._failing:
                raise self._failing[f"n{number}"]
        answers = tuple(Reported(number=number, counted=True) if number else Fed(counted=True) for number in numbers)
        return Taken(answers=answers, sums={}, releases={}, left_out={})


async def together(registry: Registry, *items: tuple[str, Document | Line]) -> list[Answer | BaseException]:
    """What is answered to reports that come at once."""
    gathered = Reports(registry.take)
    gathered.start()
    try:
        waiting = [asyncio.ensure_future(gathered.count(owner, item)) for owner, item in items]
        return await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        await gathered.close()


def test_what_comes_together_is_taken_together_and_each_gets_its_own_answer() -> None:
    registry = Registry()
    line = Line(feedback=Feedback(call="c", name="a"))
    answers = asyncio.run(together(registry, ("a", document(1)), ("b", document(2)), ("a", line)))
    assert answers == [Reported(number=1, counted=True), Reported(number=2, counted=True), Fed(counted=True)]
    assert registry.batches == [[1, 2, 0]]


def test_large_ones_are_not_taken_together() -> None:
    registry = Registry()
    most = reports._AT_ONCE - 10
    answers = asyncio.run(together(registry, ("a", document(1, most)), ("b", document(2, 50)), ("c", document(3, 5))))
    assert not any(isinstance(answer, BaseException) for answer in answers)
    assert registry.batches == [[1], [2, 3]]


@pytest.mark.parametrize("error", [ValueError("a bug"), Invalid("a bug")])
def test_one_that_cannot_be_taken_does_not_stop_its_neighbours(error: Exception) -> None:
    registry = Registry(n2=error)
    first, second, third = asyncio.run(together(registry, ("a", document(1)), ("b", document(2)), ("c", document(3))))
    assert (first, third) == (Reported(number=1, counted=True), Reported(number=3, counted=True))
    assert isinstance(second, PromptopsError)


def test_while_the_registry_is_out_of_reach_each_is_asked_to_come_again() -> None:
    registry = Registry(n1=RegistryUnavailable("gone"))
    answers = asyncio.run(together(registry, ("a", document(1)), ("b", document(2))))
    assert [type(answer) for answer in answers] == [RegistryUnavailable] * 2
    assert registry.batches == [[1, 2]]


def test_a_token_that_floods_leaves_half_of_the_room_to_others() -> None:
    async def main() -> None:
        registry = Registry()
        registry.open.clear()
        gathered = Reports(registry.take)
        gathered.start()
        taken = asyncio.ensure_future(gathered.count("flood", document(1)))
        await registry.begun.wait()  # the first one is with the registry, which hangs
        numbers = range(2, 2 + reports._MOST // 2_000)
        waiting = [asyncio.ensure_future(gathered.count("flood", document(number, 999))) for number in numbers]
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await gathered.count("flood", document(900, 999))
        neighbour = asyncio.ensure_future(gathered.count("other", document(901)))
        registry.open.set()
        assert await neighbour == Reported(number=901, counted=True)
        assert await taken == Reported(number=1, counted=True)
        assert len(await asyncio.gather(*waiting)) == len(numbers)
        await gathered.close()

    asyncio.run(main())


def test_the_end_of_a_server_answers_those_that_wait() -> None:
    async def main() -> None:
        registry = Registry()
        registry.open.clear()
        gathered = Reports(registry.take)
        gathered.start()
        waiting = [asyncio.ensure_future(gathered.count("a", document(number))) for number in (1, 2)]
        await asyncio.sleep(0)
        await gathered.close()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(answer) for answer in answers] == [RegistryUnavailable] * 2

    asyncio.run(main())
