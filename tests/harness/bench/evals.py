"""Running a suite, with journal, limits, retries and grading, against the least a program would do: threads with an
``httpx.Client`` each that send the same bytes. The CPU of this process counts; the provider is a process of its own.
"""

from __future__ import annotations

import gc
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import httpx

from promptops.client.sources.trust import no_trust
from tests.evals.running import planned, prompt, ran, side, suite, workers
from tests.harness.bench.measure import Line, compare
from tests.support.model_server import ModelServer

_CASES = 1_500
_WORKERS = 32


def lines(folder: Path) -> Iterator[Line]:
    """1,500 cases over 32 connections."""
    plan = planned(
        side(prompt("Is thing {{question}} a food? " + "Answer as the documents say. " * 14)),
        suites=[suite(*map(str, range(_CASES)), checks=())],
    )
    bodies = [next(iter(asked.requests.values())).body for asked in plan.cases]
    names = itertools.count()
    with _provider() as server:

        def ours() -> None:
            settings = workers(server, concurrency=_WORKERS)
            if len(ran(plan, folder / str(next(names)), server, with_workers=settings).rows) != _CASES:
                raise RuntimeError("the run lost a case")

        yield compare(
            f"a run of a suite: CPU for {_CASES:,} cases, {_WORKERS} connections",
            lambda: _cpu(ours),
            lambda: _cpu(lambda: _bare(server, bodies)),
            named="threads with an httpx.Client each",
            bound=1.5,
            rounds=5,
        )


def _bare(server: ModelServer, bodies: list[bytes]) -> None:
    waiting: SimpleQueue[bytes] = SimpleQueue()
    for body in bodies:
        waiting.put(body)

    def work() -> None:
        with httpx.Client(verify=trust, timeout=30) as client:
            while True:
                try:
                    body = waiting.get_nowait()
                except Empty:
                    return
                answer = client.post(f"{server.url}/chat/completions", content=body, headers=headers)
                answer.json()["choices"][0]["message"]["content"]

    trust = no_trust()
    headers = {"content-type": "application/json"}
    threads = [Thread(target=work) for _ in range(_WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _cpu(work: Callable[[], None]) -> float:
    gc.collect()
    before = time.process_time()
    work()
    return time.process_time() - before


@contextmanager
def _provider() -> Iterator[ModelServer]:
    """The quickest provider that there is: it gives one answer to every request, whatever it is."""
    with subprocess.Popen([sys.executable, "-c", _RESPONDER], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield ModelServer(url=f"http://127.0.0.1:{int(process.stdout.readline())}/v1")
        finally:
            process.kill()


_ANSWER = json.dumps(
    {
        "model": "echo-2026-01-01",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 3},
    }
)
_RESPONDER = f"""
import asyncio, re
body = {_ANSWER!r}.encode()
answer = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body

class Responder(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.waiting = transport, b""
    def data_received(self, data):
        self.waiting += data
        while (end := self.waiting.find(b"\\r\\n\\r\\n")) >= 0:
            found = re.search(rb"content-length: (\\d+)", self.waiting[:end].lower())
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self.waiting) < whole:
                return
            self.waiting = self.waiting[whole:]
            self.transport.write(answer)

async def main():
    server = await asyncio.get_running_loop().create_server(Responder, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""
