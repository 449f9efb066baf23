"""What is worth a look, on the page of metrics: looked up once a minute, and kept while the registry is away."""

from __future__ import annotations

import asyncio

from promptops.clock import now
from promptops.core.errors import RegistryUnavailable
from promptops.core.outcomes.app_look import AppLook
from promptops.core.outcomes.call_outcome import Count
from promptops.core.outcomes.sums import Sums
from promptops.operations.outcomes import Document, take
from promptops.server.live.looks import Looks
from promptops.server.live.metrics import Metrics
from promptops.store import Registry
from tests.server.conftest import Serve
from tests.support.reports import assignment, report, series

DEAR = AppLook(app="bot", code="dear-day", text="yesterday cost $9.00, and the days before $3.00")
SWAPPED = AppLook(app="bot", code="pin-mismatch", text="another model than the pinned one answered 3 of 9 calls")


def test_many_that_ask_at_once_ask_the_registry_once() -> None:
    asked = []

    async def ask() -> tuple[AppLook, ...]:
        asked.append(1)
        await asyncio.sleep(0)
        return (DEAR,)

    async def all_ask() -> list[tuple[AppLook, ...]]:
        looks = Looks(ask)
        return await asyncio.gather(*(looks.now() for _ in range(20)))

    assert asyncio.run(all_ask()) == [(DEAR,)] * 20
    assert len(asked) == 1


def test_a_registry_that_does_not_answer_leaves_the_page_and_is_asked_again() -> None:
    answers: list[RegistryUnavailable | tuple[AppLook, ...]] = [RegistryUnavailable("away"), (DEAR,)]

    async def ask() -> tuple[AppLook, ...]:
        answer = answers.pop(0)
        if isinstance(answer, RegistryUnavailable):
            raise answer
        return answer

    async def twice() -> list[tuple[AppLook, ...]]:
        looks = Looks(ask)
        return [await looks.now(), await looks.now()]

    assert asyncio.run(twice()) == [(), (DEAR,)]


def test_what_is_no_longer_worth_a_look_leaves_the_page() -> None:
    metrics = Metrics()
    metrics.set_looks([DEAR, SWAPPED])
    assert b'promptops_worth_a_look{app="bot",code="dear-day"} 1.0' in metrics.page()
    metrics.set_looks([SWAPPED])
    assert b"dear-day" not in metrics.page() and b'code="pin-mismatch"} 1.0' in metrics.page()


def test_the_page_of_a_server_has_what_its_registry_holds(world: Registry, reader: str, serve: Serve) -> None:
    minute = int(now().timestamp()) // 60
    sums = {(series(assignment(), prompt="greet"), minute): Sums(counts={Count.CALLS: 9, Count.PIN_MISMATCH: 3})}
    take(world, [Document(report=report(world.lineage, sums=sums))], now=now())
    page = serve().get("/metrics", reader).body
    assert b'promptops_worth_a_look{app="bot",code="pin-mismatch"} 1.0' in page
