"""What the processes of the contention tests run: each gets a URL and a number, and answers what it saw.

They start together at a moment agreed on, so that they really meet.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from multiprocessing.pool import Pool
from typing import TypeVar

from promptops.core.model import Deployment
from promptops.core.reference import Reference
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.rollback import RollbackRequest, rollback
from promptops.store import Registry, Writer, create
from tests.store.facts import ACTOR, START, note
from tests.store.linearizability import Operation
from tests.support.forked import forking

PROCESSES = 8
T = TypeVar("T")


@contextmanager
def processes() -> Iterator[Pool]:
    """A pool that starts each process fresh, without what this one has open."""
    with forking().Pool(PROCESSES) as pool:
        yield pool
        pool.close()
        pool.join()


def together(work: Callable[[str, int, float], T], url: str) -> Sequence[T]:
    """What every process answers."""
    with processes() as pool:
        pool.map(_settle, range(PROCESSES), chunksize=1)
        at = time.time() + 0.5
        return pool.starmap(work, [(url, number, at) for number in range(PROCESSES)], chunksize=1)


def _settle(_number: int) -> None:
    time.sleep(0.05)


def _wait(until: float) -> None:
    time.sleep(max(0.0, until - time.time()))


def make(url: str, number: int, at: float) -> bool:
    """Create the registry there; True for the one process that made it."""
    _wait(at)
    made = create(url, name="test", now=START, actor=ACTOR)
    Registry.open(url).close()
    return made


def audited(url: str, number: int, at: float) -> list[int]:
    """Write to the audit log 25 times; the numbers it got."""
    registry = Registry.open(url)
    _wait(at)

    def work(take: int, writer: Writer) -> int:
        return note(writer, f"n{number}x{take}").seq

    seen = [registry.write(partial(work, take)) for take in range(25)]
    registry.close()
    return seen


def repeated(url: str, number: int, at: float) -> int:
    """Promote with the key that every process uses; the revision this one was told."""
    registry = Registry.open(url)
    _wait(at)
    revision = _promote(registry, "0.1.1", key="the same key").revision
    registry.close()
    return revision


def deployed(url: str, number: int, at: float, *, changes: int = 200) -> list[Operation]:
    """Promote a release nobody else promotes, roll back, promote the next: what was done, seen and when."""
    registry = Registry.open(url)
    _wait(at)
    history: list[Operation] = []
    for turn in range(changes // 2):
        version = f"0.1.{number * (changes // 2) + turn + 3}"  # 1 and 2 are live already
        history.append(_timed("promote", partial(_promote, registry, version)))
        history.append(_timed("rollback", partial(_rollback, registry)))
        if turn % 10 == 0:
            history.append(_read(registry))
    registry.close()
    return history


def _promote(registry: Registry, version: str, key: str = "") -> Deployment:
    reference = Reference(app="bot", version=version)
    request = PromoteRequest(reference=reference, channel="prod", key=key or uuid.uuid4().hex)
    return promote(registry, request, actor=ACTOR, now=datetime.now(UTC)).deployments[0]


def _rollback(registry: Registry) -> Deployment:
    request = RollbackRequest(apps=("bot",), channel="prod", key=uuid.uuid4().hex)
    return rollback(registry, request, actor=ACTOR, now=datetime.now(UTC)).deployments[0]


def _timed(kind: str, change: Callable[[], Deployment]) -> Operation:
    called = time.monotonic_ns()
    done = change()
    return Operation(
        kind="promote" if kind == "promote" else "rollback",
        called=called,
        returned=time.monotonic_ns(),
        revision=done.revision,
        stable=done.version,
        before=done.before.version if done.before else "",
    )


def _read(registry: Registry) -> Operation:
    called = time.monotonic_ns()
    with registry.read() as reader:
        live = reader.live("bot", "prod")
    revision, stable = (live.revision, live.version) if live else (0, "")
    return Operation(kind="read", called=called, returned=time.monotonic_ns(), revision=revision, stable=stable)
