"""How often a process on SQLite wakes when nothing happens, and how soon it still sees a change. Linux only (/proc)."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

from promptops import store
from promptops.operations.rollback import RollbackRequest, rollback
from promptops.store.engine.database import locate
from promptops.store.engine.file_watch import FileWatch
from promptops.store.engine.watching import Watch
from tests.client import made
from tests.client.test_starting import bundle
from tests.harness.bench.fill import ACTOR, NOW, deploy_all, fill_app
from tests.harness.bench.measure import Line, seconds
from tests.harness.bench.traffic import line, process, served

_SECONDS = 20.0
_SETTLED = 3.0
_CHANGES = 60
_PATIENCE = 60.0
_CLIENT = """
import sys, time
from promptops import Client
with Client(sys.argv[1], channel="prod", cache_dir=False) as client:
    client.get_prompt("bot/answer")
    print("connected", flush=True)
    time.sleep(3600)
"""
_ASYNC_CLIENT = """
import asyncio, sys
from promptops import AsyncClient
async def main():
    async with AsyncClient(sys.argv[1], channel="prod", cache_dir=False) as client:
        client.get_prompt("bot/answer")
        print("connected", flush=True)
        await asyncio.sleep(3600)
asyncio.run(main())
"""


def lines(folder: Path) -> Iterator[Line]:
    """A server with a client on its stream, clients that read files themselves, and how soon a change is seen."""
    url = f"sqlite:///{folder}/registry.db"
    store.create(url, name="bench", now=NOW, actor=ACTOR)
    with closing(store.Registry.open(url)) as registry:
        deploy_all(registry, "bot", fill_app(registry, "bot", _CHANGES + 4), ["prod"])
        with served(url) as (server, address), urlopen(f"{address}/v1/channels/prod/events") as stream:
            stream.readline()
            yield _idle("a server on SQLite, one client follows it", server)
        exported = f"file:{bundle(folder / 'exported', made.served(1, '1.0.0'))}"
        for what, program, source in (
            ("a client on SQLite", _CLIENT, url),
            ("an AsyncClient on SQLite", _ASYNC_CLIENT, url),
            ("a client of a folder", _CLIENT, exported),
        ):
            with process([sys.executable, "-c", program, source], {}) as client:
                assert client.stdout is not None
                line(client.stdout)
                yield _idle(what, client)
        yield _seen(registry, url)


def _idle(what: str, of: subprocess.Popen[str]) -> Line:
    time.sleep(_SETTLED)
    before, start = _wakes(of.pid), time.monotonic()
    time.sleep(_SECONDS)
    wakes = (_wakes(of.pid) - before) / (time.monotonic() - start)
    return Line(
        what=f"wakes a second of {what}, when nothing happens",
        measured=f"{wakes:.1f}",
        baseline="1 a second",
        ratio=wakes,
        bound=5.0,
    )


def _wakes(pid: int) -> int:
    """How often the threads of a process gave up their core by themselves, which is how often they woke."""
    switches = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        for name, _, value in (row.partition(":") for row in status.read_text().splitlines()):
            switches += int(value) if name == "voluntary_ctxt_switches" else 0
    return switches


def _seen(registry: store.Registry, url: str) -> Line:
    """Two watches see the same changes, one by notifications and one by asking every 20 ms."""
    notified = Watch(FileWatch(locate(url), lambda: None))
    asking = Watch(FileWatch(locate(url), lambda: None, notifier=lambda _: None))
    with notified, asking:
        pairs = [_delays(registry, notified, asking) for _ in range(_CHANGES)]
    mine, theirs = (sorted(side) for side in zip(*pairs, strict=True))
    return Line(
        what="a change of an SQLite file until a watch sees it",
        measured=f"{seconds(statistics.median(mine))} ({seconds(_slowest(mine))} the slowest of 100)",
        baseline=f"{seconds(statistics.median(theirs))} ({seconds(_slowest(theirs))}) asking every 20 ms",
        ratio=statistics.median(mine) / statistics.median(theirs),
        bound=1.0,
    )


def _delays(registry: store.Registry, *watches: Watch) -> tuple[float, ...]:
    """Seconds from the end of a commit until each watch sees it."""
    seen: dict[Watch, float] = {}

    def wait(watch: Watch) -> None:
        assert watch.wait(_PATIENCE)
        seen[watch] = time.perf_counter()

    threads = [threading.Thread(target=wait, args=(watch,)) for watch in watches]
    for thread in threads:
        thread.start()
    time.sleep(random.uniform(0.1, 0.3))
    request = RollbackRequest(apps=("bot",), channel="prod", key=str(uuid.uuid4()))
    rollback(registry, request, actor=ACTOR, now=NOW)
    committed = time.perf_counter()
    for thread in threads:
        thread.join()
    return tuple(max(seen[watch] - committed, 1e-6) for watch in watches)


def _slowest(delays: list[float]) -> float:
    return delays[int(len(delays) * 0.99)]
