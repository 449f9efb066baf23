"""Writers of one last-known-good file that are killed, and writers that all want it at once. A program of its own.

``python -m tests.client.killing kill FOLDER TIMES`` starts a writer TIMES times and kills it at any moment, and
``together FOLDER PROCESSES ROUNDS`` lets many write at once. Each prints what it saw as one JSON object. Writers are
forked, which only a process without threads should do: the tests start this, and longer runs do it by hand.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from promptops.client.disk.cache import Result, read, write
from promptops.client.disk.cache_format import StoredChannel, stored_of
from promptops.wire.snapshot import decode
from tests.client.made import CONTENTS, held, pointer, release, snapshot

_REVISION = 8  # bytes of a number in a pipe
_TEXT = "{{question}} " + "What is written here makes the file as large as a real one. " * 300


def state(revision: int) -> StoredChannel:
    """What is held at a revision: one of seven releases."""
    ref = release("bot", f"1.{revision % 7}.0", {"answer": f"{revision % 7} {_TEXT}"})
    return stored_of(held(snapshot({"bot": pointer(revision, ref)}, cursor=revision)))


def revision_of(stored: StoredChannel) -> int:
    return decode(stored.snapshot).apps["bot"].revision


def kill(folder: Path, times: int) -> dict[str, object]:
    """Kill a writer so many times; after each, the file must hold the newest revision that was told to be written."""
    path = folder / "prod.lkg"
    seen: dict[str, int] = {"acknowledged": 0, "unreadable": 0, "older": 0, "from_previous": 0, "mid_write": 0}
    told = 0
    for _ in range(times):
        child, pipe = _fork(lambda out, first=told + 1: _write_for_ever(path, first, out))  # type: ignore[misc]
        time.sleep(random.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(pipe, "rb") as acknowledged:
            numbers = acknowledged.read()
        seen["acknowledged"] += len(numbers) // _REVISION
        told = max(told, int.from_bytes(numbers[-_REVISION:], "big") if numbers else 0)
        found = read(path)
        seen["mid_write"] += any(entry.name.startswith(".lkg-") for entry in os.scandir(folder))
        seen["from_previous"] += found.stored is not None and not path.exists()
        seen["unreadable"] += found.stored is None and told > 0
        if found.stored is not None:
            seen["older"] += revision_of(found.stored) < told
            told = max(told, revision_of(found.stored))
        for entry in os.scandir(folder):
            if entry.name.startswith(".lkg-"):
                os.unlink(entry.path)
    return {"times": times, **seen}


def together(folder: Path, processes: int, rounds: int) -> dict[str, object]:
    """Let processes write revisions that go up, each its own, while this one reads."""
    path = folder / "prod.lkg"
    numbers = [range(1 + process, 1 + process + processes * rounds, processes) for process in range(processes)]
    children = [_fork(lambda out, mine=mine: _write_these(path, mine, out)) for mine in numbers]  # type: ignore[misc]
    highest, down, unreadable, reads = 0, 0, 0, 0
    waiting = {child for child, _ in children}
    while waiting:
        found = read(path)
        reads += 1
        if found.stored is not None:
            now = revision_of(found.stored)
            down += now < highest
            highest = max(highest, now)
        unreadable += found.stored is None and highest > 0
        waiting -= {child for child in waiting if os.waitpid(child, os.WNOHANG)[0]}
    outcomes = [os.fdopen(pipe, "rb").read() for _, pipe in children]
    last = read(path).stored
    return {
        "reads": reads,
        "down": down,
        "unreadable": unreadable,
        "failed": sum(text.count(b"F") for text in outcomes),
        "written": sum(text.count(b"W") for text in outcomes),
        "highest": revision_of(last) if last else 0,
        "expected": processes * rounds,
    }


def _fork(work: Callable[[int], None]) -> tuple[int, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        os.close(reading)
        work(writing)
    finally:
        os._exit(0)


def _write_for_ever(path: Path, first: int, out: int) -> None:
    for revision in range(first, sys.maxsize):
        if write(path, state(revision)).result is Result.WRITTEN:
            os.write(out, revision.to_bytes(_REVISION, "big"))


def _write_these(path: Path, revisions: range, out: int) -> None:
    for revision in revisions:
        saved = write(path, state(revision))
        os.write(out, {Result.WRITTEN: b"W", Result.KEPT: b"K", Result.FAILED: b"F"}[saved.result])


if __name__ == "__main__":
    what, place, *counts = sys.argv[1:]
    CONTENTS.clear()
    done = {"kill": kill, "together": together}[what](Path(place), *map(int, counts))  # type: ignore[operator]
    print(json.dumps(done))
