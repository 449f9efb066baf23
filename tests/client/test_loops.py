"""An ``AsyncClient`` between tasks and event loops: one set of threads, no task of its own, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from promptops import AsyncClient, Invalid, PromptUnavailable
from promptops.client.follow.open_places import GRACE
from tests.client import made
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.waiting import until


def _client(url: str, *more: str) -> AsyncClient:
    return AsyncClient([url, *more], channel="prod", cache_dir=False, start_timeout=20.0)


def _ours() -> list[str]:
    """The threads that follow. Those that only work are not named: some wait for work, others are at their last."""
    names = sorted(thread.name for thread in threading.enumerate())
    return [name for name in names if name.startswith("promptops") and name.endswith(("follow", "listen"))]


FOLLOWING = ["promptops prod: follow", "promptops prod: listen"]


@pytest.fixture
def elsewhere() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_started_by_several_tasks_at_once_it_follows_once(server: FakeServer) -> None:
    async def use() -> None:
        client = _client(server.url)
        await asyncio.gather(*(client.start() for _ in range(5)))
        assert _ours() == FOLLOWING
        await client.close()
        assert _ours() == []

    asyncio.run(use())


def test_a_start_that_is_cancelled_leaves_nothing_behind(server: FakeServer) -> None:
    go, asked = threading.Event(), threading.Event()

    def hang(_: Asked) -> Reply | None:
        asked.set()
        go.wait(20)
        return None

    server.script = hang

    async def use() -> None:
        client = _client(server.url)
        starting = asyncio.create_task(client.start())
        while not asked.is_set():
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert _ours() == []
        assert not client.status().running
        go.set()
        async with client:
            assert client.get_prompt("bot/answer").version == "1.0.0"

    asyncio.run(use())


def test_no_thread_is_started_after_the_start_was_cancelled(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended, too_late, start = threading.Event(), threading.Event(), list[str](), threading.Thread.start

    def slowly(thread: threading.Thread) -> None:
        if thread.name == "promptops prod: listen":
            begun.set()
            ended.wait(0.2)
            too_late.extend([thread.name] if ended.is_set() else [])
        start(thread)

    async def use() -> None:
        starting = asyncio.create_task(_client(server.url).start())
        while not begun.is_set():
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        ended.set()
        await asyncio.sleep(0.3)

    monkeypatch.setattr(threading.Thread, "start", slowly)
    asyncio.run(use())
    assert too_late == []
    assert _ours() == []


def test_a_start_that_fails_for_one_task_fails_for_the_others_and_leaves_nothing() -> None:
    async def use() -> None:
        client = AsyncClient("https://127.0.0.1:1", channel="prod", cache_dir=False, verify="/nowhere/authority.pem")
        answered = await asyncio.gather(*(client.start() for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in answered] == [Invalid] * 3
        assert _ours() == []

    asyncio.run(use())


def test_closed_while_it_starts_it_does_not_follow(server: FakeServer) -> None:
    async def use() -> None:
        client = _client(server.url)
        starting = asyncio.create_task(client.start())
        await asyncio.sleep(0)
        await client.close()
        await starting
        assert _ours() == []
        assert not client.status().running

    asyncio.run(use())


def test_it_follows_on_when_its_loop_has_ended_without_a_close(server: FakeServer) -> None:
    client = _client(server.url)
    asyncio.run(_started(client))
    assert client.status().running
    server.serve(made.served(2, "2.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")

    async def again() -> None:
        assert await client.refresh()
        assert (await client.fetch("bot@2.0.0")).version == "2.0.0"
        await client.start()
        assert _ours() == FOLLOWING
        await client.close()
        assert _ours() == []
        assert await client.refresh() is False

    asyncio.run(again())
    asyncio.run(_started(client))
    asyncio.run(client.close())
    assert _ours() == []


def test_a_client_that_was_never_started_asks_nothing(server: FakeServer) -> None:
    async def use() -> None:
        client = _client(server.url)
        assert await client.refresh() is False
        with pytest.raises(PromptUnavailable, match="not started"):
            await client.fetch("bot@0.7.0")
        await client.close()

    asyncio.run(use())
    assert server.asked == []


def test_its_hooks_are_called_in_the_loop_that_it_was_started_in_last(
    server: FakeServer, elsewhere: asyncio.AbstractEventLoop
) -> None:
    called = list[asyncio.AbstractEventLoop]()
    client = AsyncClient(
        server.url,
        channel="prod",
        cache_dir=False,
        start_timeout=20.0,
        on_change=lambda change: called.append(asyncio.get_running_loop()),
    )
    asyncio.run(_started(client))  # a loop that has ended takes no calls, and is no trouble
    server.serve(made.served(2, "2.0.0"))
    until(lambda: client.get_prompt("bot/answer").version == "2.0.0")
    asyncio.run_coroutine_threadsafe(client.start(), elsewhere).result(40)
    assert asyncio.run(client.refresh())  # any loop may ask, and takes no hooks away
    server.serve(made.served(3, "3.0.0"))
    until(lambda: called)
    assert called == [elsewhere]
    asyncio.run(client.close())


@pytest.mark.usefixtures("patient")
def test_a_client_that_is_dropped_without_a_close_leaves_nothing_behind(server: FakeServer) -> None:
    client = _client(server.url)
    asyncio.run(_started(client))
    until(server.beats)
    alive = weakref.ref(client)
    del client
    until(lambda: gc.collect() >= 0 and alive() is None)
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("promptops")])
    assert server.beats()[-1]["leaving"] is True


async def _started(client: AsyncClient) -> None:
    await client.start()
    assert client.status().running


def test_it_is_closed_from_another_loop(server: FakeServer, elsewhere: asyncio.AbstractEventLoop) -> None:
    client = _client(server.url)
    asyncio.run_coroutine_threadsafe(client.start(), elsewhere).result(40)
    assert _ours() == FOLLOWING
    asyncio.run(client.close())
    assert _ours() == []
    assert not client.status().running


def test_started_in_another_loop_it_follows_once(server: FakeServer, elsewhere: asyncio.AbstractEventLoop) -> None:
    client = _client(server.url)
    asyncio.run_coroutine_threadsafe(client.start(), elsewhere).result(40)

    async def here() -> None:
        await client.start()
        assert _ours() == FOLLOWING
        server.serve(made.served(2, "2.0.0"))
        assert await client.refresh()
        await client.close()

    asyncio.run(here())
    assert _ours() == []
    assert client.get_prompt("bot/answer").version == "2.0.0"


def test_a_loop_does_not_wait_for_what_compiles(server: FakeServer) -> None:
    async def use() -> None:
        client = AsyncClient(server.url, channel="prod", cache_dir=False, start_timeout=20.0, timeout=0.5)
        await client.start()
        lock = client._own._lock
        await asyncio.to_thread(lock.acquire)  # as long as a release is compiled
        server.serve(made.served(2, "2.0.0"))
        asking = asyncio.create_task(client.refresh(60))
        await asyncio.sleep(0.5 + 2 * GRACE)  # a loop that waits for the lock never comes back from here
        lock.release()
        await asking
        while client.get_prompt("bot/answer").version != "2.0.0":
            await asyncio.sleep(0.01)
        await client.close()

    worker = threading.Thread(target=lambda: asyncio.run(asyncio.wait_for(use(), 60)), daemon=True)
    worker.start()
    worker.join(60)
    assert not worker.is_alive()
