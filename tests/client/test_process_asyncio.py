"""An ``AsyncClient`` in a process that was forked in C, and in one without threads."""

from __future__ import annotations

from textwrap import dedent

from tests.client import made
from tests.client.fake_server import FakeServer
from tests.client.test_process import UWSGI, ended, ready, run
from tests.client.waiting import until


def test_an_asyncio_client_follows_in_the_loop_of_a_forked_process(server: FakeServer) -> None:
    program = """
    client = AsyncClient(url, channel="prod", cache_dir=False)

    async def version(wanted):
        end = time.monotonic() + 40
        while client.get_prompt("bot/answer").version != wanted or client.state != "READY":
            assert time.monotonic() < end, client.status()
            await asyncio.sleep(0.005)

    async def before():
        await client.start()
        await version("1.0.0")

    loop = asyncio.new_event_loop()
    loop.run_until_complete(before())

    def child():
        status = client.status()
        assert status.state == "DISCONNECTED" and "start()" in status.problem, status
        async def work():
            await version("3.0.0")
            await client.close()
        asyncio.run(work())

    pid = in_child(child)
    print("ready", flush=True)
    loop.run_until_complete(version("3.0.0"))
    ended_well(pid)
    loop.run_until_complete(client.close())
    loop.close()
    """
    child = run(program, server.url)
    ready(child)
    until(lambda: len({beat["name"] for beat in server.beats()}) == 2)
    server.serve(made.served(3, "3.0.0"))
    ended(child)


def test_an_asyncio_client_in_a_worker_without_threads_asks_when_it_is_used(server: FakeServer) -> None:
    program = """
    client = AsyncClient(url, channel="prod", cache_dir=False, poll=0.3, start_timeout=20.0)

    async def main():
        await client.start()
        status = client.status()
        assert not names() and not status.running
        assert status.state == "DISCONNECTED" and "enable-threads = true" in status.problem, status
        assert client.get_prompt("bot/answer").version == "1.0.0"
        print("ready", flush=True)
        end = time.monotonic() + 40
        while client.get_prompt("bot/answer").version != "3.0.0":
            assert time.monotonic() < end, client.status()
            await asyncio.sleep(0.005)
        assert await client.refresh()
        assert (await client.fetch("bot@3.0.0")).version == "3.0.0"
        assert not names()
        await client.close()

    asyncio.run(main())
    """
    child = run(UWSGI.replace("THREADS", "0, lambda: 1, lambda: 1") + dedent(program), server.url)
    ready(child)
    server.serve(made.served(3, "3.0.0"))
    _, errors = child.communicate(timeout=90)
    assert (child.returncode, errors.count("enable-threads = true"), len(errors.splitlines())) == (0, 1, 1), errors
    assert server.beats()[-1]["leaving"] is True
