"""How many documents of outcomes a server counts in a second, against the heartbeats that it takes of as many clients.

A document is of 10 seconds of a process: 100 calls of two prompts. It is answered when it is committed, a heartbeat
when it is read, so the clients are many and each waits for its answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from promptops import store
from promptops.core.heartbeat import Beat, State
from promptops.core.outcomes.call_outcome import CallOutcome, Count, Tokens
from promptops.core.outcomes.recorder import Recorder
from promptops.wire.heartbeat import beat_to_json
from promptops.wire.outcomes import encode as encode_report
from tests.harness.bench.fill import ACTOR, NOW, deploy_all, fill_app
from tests.harness.bench.measure import Line
from tests.harness.bench.traffic import served
from tests.support.postgresql import postgresql
from tests.support.reports import report, series

_CLIENTS = 200
_EACH = 10
_ROUNDS = 5


def lines(folder: Path) -> Iterator[Line]:
    """One on each database."""
    yield _compared("SQLite", f"sqlite:///{folder}/registry.db")
    with postgresql(folder) as url:
        yield _compared("PostgreSQL", url)


def _compared(name: str, url: str) -> Line:
    store.create(url, name="bench", now=NOW, actor=ACTOR)
    with closing(store.Registry.open(url)) as registry:
        deploy_all(registry, "bot", fill_app(registry, "bot", 2), ["prod"])
        lineage = registry.lineage
    with served(url) as (_, address):
        host, _, port = address.removeprefix("http://").partition(":")
        pairs = []
        for number in range(_ROUNDS + 1):
            sent = [_documents(lineage, client, number * _EACH) for client in range(_CLIENTS)]
            documents = asyncio.run(_all(host, int(port), sent))
            beats = asyncio.run(_all(host, int(port), [_beats(lineage, client) for client in range(_CLIENTS)]))
            pairs.append((documents, beats))
    with closing(store.Registry.open(url)) as registry, registry.read() as reader:
        now = datetime.now(UTC)
        rows = reader.outcome_rows("bot", since=now - timedelta(days=2), now=now)
        if (found := sum(row.sums[Count.CALLS] for row in rows)) != 100 * _CLIENTS * _EACH * len(pairs):
            raise RuntimeError(f"{found} calls are counted: they cannot be compared")
    rate, base = (statistics.median(side) for side in zip(*pairs[1:], strict=True))
    return Line(
        what=f"documents of outcomes, {_CLIENTS} clients, {name}",
        measured=f"{rate:,.0f}/s",
        baseline=f"{base:,.0f}/s heartbeats",
        ratio=statistics.median(first / second for first, second in pairs[1:]),
        bound=0.5,
        at_least=True,
    )


def _documents(lineage: str, client: int, before: int) -> list[bytes]:
    lot = random.Random(client)
    minute = int(time.time()) // 60
    requests = []
    for number in range(before + 1, before + _EACH + 1):
        recorder = Recorder()
        for call in range(100):
            tokens = Tokens(input=lot.randint(500, 2_000), output=lot.randint(50, 400))
            outcome = CallOutcome(latency_ms=lot.lognormvariate(7, 0.5), tokens=tokens)
            recorder.record(series(prompt=("answer", "title")[call % 2], model="openai/gpt-4o"), minute, outcome)
        made = report(lineage, number, dict(recorder.swap().sums), client=f"{client:032x}")
        requests.append(_request("/v1/channels/prod/outcomes", encode_report(made)))
    return requests


def _beats(lineage: str, client: int) -> list[bytes]:
    beat = Beat(
        id=f"{client:032x}",
        channel="prod",
        name=f"web-{client}:4711",
        sdk="promptops/0.5.0 python/3.12.1",
        state=State.READY,
        lineage=lineage,
        epoch=1,
        revisions={"bot": 1},
    )
    return [_request("/v1/channels/prod/clients", json.dumps(beat_to_json(beat)).encode())] * _EACH


def _request(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _all(host: str, port: int, sent: Sequence[Sequence[bytes]]) -> float:
    """How many a second are answered to clients that send theirs one after the other."""
    connections = [await asyncio.open_connection(host, port) for _ in sent]
    start = time.perf_counter()
    await asyncio.gather(*(_one(*each, requests) for each, requests in zip(connections, sent, strict=True)))
    took = time.perf_counter() - start
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    return sum(map(len, sent)) / took


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Sequence[bytes]) -> None:
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        status, _, rest = head.partition(b"\r\n")
        if status.split()[1] not in (b"200", b"204"):
            raise RuntimeError(f"it was refused: {head[:200]!r}")
        length = rest.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
