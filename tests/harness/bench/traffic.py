"""A server under load against the least a server can be."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.request import urlopen

from promptops import store
from tests.harness.bench.fill import ACTOR, NOW, deploy_all, fill_app
from tests.harness.bench.measure import Line

_CONNECTIONS = 16
_REQUESTS = 250
_ROUNDS = 7
_SECONDS = 60.0


def lines(folder: Path) -> Iterator[Line]:
    """Throughput and delay, on SQLite."""
    url = f"sqlite:///{folder}/registry.db"
    fill(url)
    yield from _throughput(url)


def fill(url: str) -> None:
    """Make a registry of one app with two releases on `prod`."""
    store.create(url, name="bench", now=NOW, actor=ACTOR)
    with closing(store.Registry.open(url)) as registry:
        deploy_all(registry, "bot", fill_app(registry, "bot", 2), ["prod"])


@contextmanager
def served(url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of ours over this registry; its process and its address."""
    command = [sys.executable, "-m", "promptops", "--json", "serve", "--port", "0", "--no-auth"]
    command += ["--reads-per-second", "1000000"]  # the limits are on, and never met
    with process(command, {"PROMPTOPS_REGISTRY": url}) as server:
        assert server.stdout is not None
        yield server, str(json.loads(line(server.stdout))["url"])


@contextmanager
def process(command: Sequence[str], settings: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended afterwards."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROMPTOPS_")}
    started = subprocess.Popen(command, env={**kept, **settings}, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    try:
        yield started
    finally:
        started.terminate()
        started.wait(timeout=_SECONDS)
        started.stdout.close()


def line(out: IO[str]) -> str:
    """The next line of a process.

    Raises:
        RuntimeError: it ended.
    """
    found = out.readline()
    if not found:
        raise RuntimeError("the process ended before it said anything")
    return found


# --- throughput ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Load:
    """What one round of requests came to: how many a second, and the delay that 99 of 100 stay below, in seconds."""

    rate: float
    slow: float


def _throughput(url: str) -> Iterator[Line]:
    with ExitStack() as stack:
        _, ours = stack.enter_context(served(url))
        with urlopen(f"{ours}/v1/channels/prod/snapshot") as answer:
            body, etag = answer.read(), answer.headers["ETag"]
        bare_command = [sys.executable, "-m", "tests.harness.bench.bare", body.decode()]
        bare_server = stack.enter_context(process(bare_command, {}))
        assert bare_server.stdout is not None
        bare = str(json.loads(line(bare_server.stdout))["url"])
        yield from _compared("200", f"{ours}/v1/channels/prod/snapshot", f"{bare}/200", "")
        yield from _compared("304", f"{ours}/v1/channels/prod/snapshot", f"{bare}/304", etag)


def _compared(status: str, ours: str, bare: str, etag: str) -> Iterator[Line]:
    _load(ours, status, etag), _load(bare, status, etag)
    pairs = [(_load(ours, status, etag), _load(bare, status, etag)) for _ in range(_ROUNDS)]
    rate, base = (statistics.median(side) for side in zip(*((a.rate, b.rate) for a, b in pairs), strict=True))
    yield Line(
        what=f"snapshot, {status}, {_CONNECTIONS} connections",
        measured=f"{rate:,.0f}/s",
        baseline=f"{base:,.0f}/s a bare Starlette route",
        ratio=statistics.median(a.rate / b.rate for a, b in pairs),
        bound=0.6,
        at_least=True,
    )
    slow, least = (statistics.median(side) for side in zip(*((a.slow, b.slow) for a, b in pairs), strict=True))
    yield Line(
        what=f"snapshot, {status}, the slowest of 100",
        measured=f"{slow * 1000:.1f} ms",
        baseline=f"{least * 1000:.1f} ms a bare Starlette route",
        ratio=statistics.median(a.slow / b.slow for a, b in pairs),
        bound=2.0,
    )


def _load(url: str, status: str, etag: str) -> _Load:
    address, _, path = url.removeprefix("http://").partition("/")
    host, _, port = address.partition(":")
    match = f"If-None-Match: {etag}\r\n" if etag else ""
    request = f"GET /{path} HTTP/1.1\r\nHost: {address}\r\n{match}\r\n".encode()
    return asyncio.run(_all(host, int(port), request, f"HTTP/1.1 {status}".encode()))


async def _all(host: str, port: int, request: bytes, expected: bytes) -> _Load:
    start = time.perf_counter()
    each = await asyncio.gather(*(_one(host, port, request, expected) for _ in range(_CONNECTIONS)))
    took = time.perf_counter() - start
    delays = sorted(delay for delays in each for delay in delays)
    return _Load(len(delays) / took, delays[int(len(delays) * 0.99)])


async def _one(host: str, port: int, request: bytes, expected: bytes) -> list[float]:
    """Requests one after the other over one connection; how long each took."""
    reader, writer = await asyncio.open_connection(host, port)
    delays = []
    try:
        for _ in range(_REQUESTS):
            start = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(expected):
                raise RuntimeError(f"not {expected.decode()}: {head[:200]!r}")
            if expected.endswith(b"200"):
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
            delays.append(time.perf_counter() - start)
    finally:
        writer.close()
        await writer.wait_closed()
    return delays
