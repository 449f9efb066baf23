"""What counting a call costs the application that makes it: a block, its answer read, and all of it added up."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from promptops import Client
from promptops.client.calls.desk import CallDesk
from promptops.client.calls.ledger import ledger_at
from promptops.client.prompt import Prompt
from promptops.client.state.lookup_view import View
from tests.client import made
from tests.client.calls.said import LINEAGE, answer
from tests.client.fake_server import Asked, FakeServer, Reply
from tests.harness.bench.measure import Line, compare

_TIMES = 2_000
_KEYS = [f"user-{number}" for number in range(_TIMES)]


def lines(folder: Path) -> Iterator[Line]:
    """A call with its answer, in time of the processor: other processes run beside this one."""
    desk, prompt = _desk()
    yield compare(
        "call and record, an answer of chat completions, counted with its unit",
        partial(_measured, desk, prompt),
        partial(_cpu, _empty),
        named=f"an empty with block ({_TIMES:,} times)",
        bound=200,
        rounds=15,
    )
    yield from _beside(folder)


def _desk() -> tuple[CallDesk, Prompt]:
    desk = CallDesk("prod")
    desk.take_key(LINEAGE, bytes(range(32)))
    snapshot = made.snapshot({"bot": made.pointer(1, made.release("bot", "1.0.0"))}, lineage=LINEAGE)
    return desk, View.make(made.held(snapshot), channel="prod", desk=desk).resolve("bot/answer")


def _beside(folder: Path) -> Iterator[Line]:
    """An application's calls while its registry hangs, against those of a process that reports to none."""
    alone, prompt = _desk()
    with FakeServer() as server:
        go = threading.Event()
        server.serve(made.snapshot({"bot": made.pointer(1, made.release("bot", "1.0.0"))}, lineage=LINEAGE))

        def hang(asked: Asked) -> Reply | None:
            if asked.kind == "outcomes":
                go.wait(600)
            return None

        server.script = hang
        client = Client(server.url, channel="prod", cache_dir=False, start_timeout=20.0, timeout=600.0)
        while not client._own.desk.secret_of(LINEAGE):
            time.sleep(0.01)
        hanging = client.get_prompt("bot/answer")
        _calls(hanging, answer())
        while "outcomes" not in server.kinds():  # the report hangs from now on
            time.sleep(0.01)
        yield compare(
            "the same while the registry hangs and a report waits for it",
            partial(_measured, client._own.desk, hanging),
            partial(_measured, alone, prompt),
            named="without a registry",
            bound=1.1,
            rounds=31,
        )
        go.set()
        client.close()


def _measured(desk: CallDesk, prompt: Prompt) -> float:
    """As a sender does, takes out what was added up between two rounds, so that each has room."""
    seconds = _cpu(partial(_calls, prompt, answer()))
    ledger_at(desk).document(client="0" * 32, number=1, lineage=LINEAGE, sdk="bench", last=True)
    if desk.dropped():
        raise RuntimeError(f"calls were dropped instead of counted: {desk.dropped()}")
    return seconds


def _calls(prompt: Prompt, said: object) -> None:
    for key in _KEYS:
        with prompt.call(key=key) as call:
            call.record(said)


def _empty() -> None:
    for _ in _KEYS:
        with nullcontext():
            pass


def _cpu(work: Callable[[], object]) -> float:
    """Seconds of this thread on a processor."""
    gc.collect()
    gc.disable()
    try:
        start = time.thread_time()
        work()
        return time.thread_time() - start
    finally:
        gc.enable()
