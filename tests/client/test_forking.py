"""Forked children: they serve what the parent held and follow by themselves, and the parent is not disturbed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.client import made
from tests.client.fake_server import FakeServer
from tests.client.waiting import until
from tests.support.checkout import ROOT

# A program that makes a client, forks children in different ways, and lets everybody report what they serve until all
# of them serve version 3.0.0.
PROGRAM = """
import json, multiprocessing, os, sys, threading, time
from promptops import Client

url, source, ways = sys.argv[1], sys.argv[2], sys.argv[3].split()

def say(who, **what):
    os.write(1, (json.dumps({"who": who, **what}) + "\\n").encode())

def follow(who):
    first = client.get_prompt("bot/answer")
    say(who, version=first.version)
    end = time.monotonic() + 40
    while client.get_prompt("bot/answer").version != "3.0.0" and time.monotonic() < end:
        time.sleep(0.005)
    say(who, version=client.get_prompt("bot/answer").version, pid=os.getpid(), running=client.status().running,
        threads=sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("promptops")))

client = Client(source, channel="prod", cache_dir=False, poll=POLL, start_timeout=20.0)
assert client.get_prompt("bot/answer").version == "1.0.0", client.status()
processes, pids = [], []
for way in ways:
    if way == "multiprocessing":
        process = multiprocessing.get_context("fork").Process(target=follow, args=(way,))
        process.start()
        processes.append(process)
    if way in ("fork", "locked"):
        if way == "locked":
            # Somebody is in the middle of everything that has a lock.
            client._own._lock.acquire()
            client._channel_threads["prod"]._turns._wake._cond.acquire()
            client._channel_threads["prod"]._turns.listener.reached._cond.acquire()
        pid = os.fork()
        if pid == 0:
            follow(way)
            os._exit(0)
        pids.append(pid)
        if way == "locked":
            client._own._lock.release()
            client._channel_threads["prod"]._turns._wake._cond.release()
            client._channel_threads["prod"]._turns.listener.reached._cond.release()
    if way == "exits":
        pid = os.fork()
        if pid == 0:
            follow(way)
            sys.exit(0)  # with atexit and all
        pids.append(pid)
say("ready")
follow("parent")
for process in processes:
    process.join()
    assert process.exitcode == 0
for pid in pids:
    assert os.waitpid(pid, 0)[1] == 0
client.close()
"""


def _run(source: str, ways: str, after: object, poll: float = 30.0) -> list[dict[str, object]]:
    program = dedent(PROGRAM).replace("POLL", str(poll))
    child = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, source, source, ways],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[dict[str, object]] = []
    assert child.stdout is not None
    while not lines or sum(line["who"] != "ready" for line in lines) < len(ways.split()) + 1:
        line = child.stdout.readline()
        assert line, child.communicate()[1]
        lines.append(json.loads(line))
    assert callable(after)
    after()
    out, errors = child.communicate(timeout=90)
    assert child.returncode == 0, errors
    assert errors == ""
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("ways", ["multiprocessing fork", "locked", "exits", "fork fork fork"])
@pytest.mark.parametrize("kind", ["server", "polled", "file"])
def test_a_forked_child_serves_and_follows(server: FakeServer, tmp_path: Path, ways: str, kind: str) -> None:
    from tests.client.test_starting import bundle

    server.streams = kind == "server"
    newest = made.served(3, "3.0.0")
    place = bundle(tmp_path / "export", made.served(1, "1.0.0"))

    def change() -> None:
        newer = bundle(tmp_path / "newer", newest)
        for each in (newer / "v1" / "releases").iterdir():
            each.rename(place / "v1" / "releases" / each.name)
        (newer / "v1" / "channels" / "prod" / "snapshot").rename(place / "v1" / "channels" / "prod" / "snapshot")
        server.serve(newest)

    source = f"file:{place}" if kind == "file" else server.url
    last = _run(source, ways, change, poll=30.0 if kind == "server" else 0.5)
    assert sorted(str(line["who"]) for line in last) == sorted(["parent", *ways.split()])
    for line in last:
        assert line["version"] == "3.0.0"
        assert line["running"] is True
        threads = line["threads"]
        assert isinstance(threads, list)
        assert {"promptops prod: follow", "promptops prod: listen"} <= set(threads)
    assert len({line["pid"] for line in last}) == len(last)


ASYNC_PROGRAM = """
import asyncio, os, sys
from promptops import AsyncClient

client = AsyncClient(sys.argv[1], channel="prod", cache_dir=False, start_timeout=20.0)

async def follow(end):
    while client.get_prompt("bot/answer").version != "3.0.0":
        await asyncio.sleep(0.005)
    if end:
        await client.close()

async def child():
    assert client.get_prompt("bot/answer").version == "1.0.0"
    await client.start()
    await follow(end=True)

async def parent():
    await client.start()
    while not client.status().streaming:
        await asyncio.sleep(0.005)
    pid = os.fork()
    if pid == 0:
        # As a server's worker does: out of the parent's loop, into one of its own.
        asyncio._set_running_loop(None)
        asyncio.run(asyncio.wait_for(child(), 40))
        os._exit(0)
    print("ready", flush=True)
    await asyncio.wait_for(follow(end=False), 40)
    status = await asyncio.to_thread(os.waitpid, pid, 0)
    assert status[1] == 0
    assert client.status().streaming
    await client.close()

asyncio.run(parent())
"""


def test_an_asyncio_client_is_started_again_in_a_forked_child(server: FakeServer) -> None:
    command = [sys.executable, "-c", ASYNC_PROGRAM, server.url]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n", child.communicate()[1]
    until(lambda: len({beat["id"] for beat in server.beats()}) == 2)
    server.serve(made.served(3, "3.0.0"))
    _, errors = child.communicate(timeout=90)
    assert (child.returncode, errors) == (0, "")


def test_every_process_is_a_client_of_its_own(server: FakeServer) -> None:
    def change() -> None:
        until(lambda: len({beat["id"] for beat in server.beats()}) == 3)
        server.serve(made.served(3, "3.0.0"))

    _run(server.url, "fork multiprocessing", change)
    served = {beat["id"] for beat in server.beats() if beat["revisions"] == {"bot": 3}}
    assert len({beat["name"] for beat in server.beats()}) == 3
    assert len(served) <= 3
