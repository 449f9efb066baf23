"""A client that closes is not listed any more: its goodbye is the last word, whatever is on its way at that moment."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from promptops import AsyncClient, Client
from promptops.client.follow import reports
from tests.client.clients import RARELY
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.client.waiting import until


def _is_goodbye(asked: Asked) -> bool:
    return asked.kind == "clients" and b'"leaving": true' in asked.body


def _client(server: FakeServer) -> Client:
    return Client(server.url, channel="prod", cache_dir=False, poll=RARELY, start_timeout=20.0)


def _leaving(server: FakeServer) -> list[bool]:
    return [bool(beat.get("leaving")) for beat in server.beats()]


class Held:
    """Answers heartbeats, or goodbyes, when it is let go, and in its own way."""

    def __init__(self, holds: Callable[[Asked], bool], reply: Reply) -> None:
        self.holds, self.reply = holds, reply
        self.came, self.go, self.answered = threading.Event(), threading.Event(), threading.Event()

    def __call__(self, asked: Asked) -> Reply | None:
        if not self.holds(asked):
            return None
        self.came.set()
        self.go.wait(40)
        self.answered.set()
        return self.reply


def _is_heartbeat(asked: Asked) -> bool:
    return asked.kind == "clients" and not _is_goodbye(asked)


@pytest.mark.usefixtures("patient")
def test_a_goodbye_follows_the_heartbeat_that_is_on_its_way(server: FakeServer) -> None:
    heartbeat, said_after = Held(_is_heartbeat, Reply(status=204)), list[bool]()

    def script(asked: Asked) -> Reply | None:
        if _is_goodbye(asked):
            said_after.append(heartbeat.answered.is_set())
        return heartbeat(asked)

    server.script = script
    client = _client(server)
    assert heartbeat.came.wait(40)
    closing = threading.Thread(target=client.close, args=(40.0,))
    closing.start()
    until(lambda: not client.status().running)
    closing.join(0.1)  # a goodbye that did not wait would arrive by now
    heartbeat.go.set()
    closing.join()
    assert said_after == [True]
    assert _leaving(server) == [False, True]


@pytest.mark.usefixtures("patient")
def test_a_heartbeat_that_hangs_holds_no_goodbye_up_and_is_not_repeated(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "BRIEFLY", 0.05)
    heartbeat = Held(_is_heartbeat, Reply(status=422))  # as of an older server: less of it would be sent again

    def script(asked: Asked) -> Reply | None:
        if _is_goodbye(asked):
            heartbeat.go.set()
            heartbeat.answered.wait(40)
            threading.Event().wait(0.1)  # in which it would be sent again
            return None
        return heartbeat(asked)

    server.script = script
    client = _client(server)
    assert heartbeat.came.wait(40)
    client.close(40.0)
    until(heartbeat.answered.is_set)
    assert _leaving(server) == [False, True]


@pytest.mark.usefixtures("patient")
def test_an_asyncio_client_that_is_started_again_is_another_process_for_the_server(server: FakeServer) -> None:
    client = AsyncClient(server.url, channel="prod", cache_dir=False, start_timeout=20.0)

    async def use() -> None:
        reported = len(server.beats())
        async with client:
            while len(server.beats()) == reported:
                await asyncio.sleep(0.01)

    asyncio.run(use())
    asyncio.run(use())
    assert _leaving(server) == [False, True, False, True]
    first, goodbye, second, last = (beat["id"] for beat in server.beats())
    assert first == goodbye != second == last


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("milliseconds", range(0, 12, 2))
def test_without_threads_a_goodbye_is_not_lost_to_a_turn_that_ends_at_the_same_moment(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, milliseconds: int
) -> None:
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(has_threads=0))
    client = _client(server)
    client.refresh()
    assert _leaving(server) == [False]
    snapshot = Held(lambda asked: asked.kind == "snapshot", Reply(status=304))
    server.script = snapshot
    turn = threading.Thread(target=client.refresh)
    turn.start()
    assert snapshot.came.wait(40)
    closing = threading.Thread(target=client.close, args=(40.0,))
    closing.start()
    until(lambda: client._channel_threads["prod"]._stop.is_set())
    threading.Event().wait(milliseconds / 1_000)
    snapshot.go.set()
    turn.join()
    closing.join()
    assert _leaving(server) == [False, True]
