"""Changes of a channel: does a long history slow a rollback down, and how many a second under contention."""

from __future__ import annotations

import itertools
import multiprocessing
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from promptops import store
from promptops.core.errors import Conflict, Refused
from promptops.core.model import Release
from promptops.core.reference import Reference
from promptops.operations.promote import PromoteRequest, promote
from promptops.operations.quarantine import WithholdRequest, unquarantine
from promptops.operations.rollback import RollbackRequest, rollback
from tests.harness.bench.fill import ACTOR, NOW, deploy_all, fill_app, release
from tests.harness.bench.measure import Line, compare, process
from tests.harness.bench.start_up import console_script
from tests.support.postgresql import postgresql

_WRITERS = 8
_CHANGES = 60
_ROUNDS = 3
_A_SECOND = 100


def lines(folder: Path) -> Iterator[Line]:
    """The length of history on SQLite; contention on both databases."""
    yield _history(folder)
    yield _together(folder)
    with postgresql(folder) as url:
        urls = {"SQLite": f"sqlite:///{folder}/contended.db", "PostgreSQL": url}
        for each in urls.values():
            _fill(each)
        rounds = [{name: _rate(each) for name, each in urls.items()} for _ in range(_ROUNDS)]
    for name in urls:
        yield _contention(name, statistics.median(each[name] for each in rounds))


def _history(folder: Path) -> Line:
    long = _Channel(f"sqlite:///{folder}/long.db", releases=10_000)
    short = _Channel(f"sqlite:///{folder}/short.db", releases=10)
    try:
        return compare(
            "rollback in process, 10,000 releases",
            long.roll_back,
            short.roll_back,
            named="the same with 10 releases",
            bound=1.3,
            rounds=151,
        )
    finally:
        long.close()
        short.close()


def _together(folder: Path) -> Line:
    """What 120 apps serve on one of two channels is promoted, each time the other; one app in the same way."""
    path = folder / "together.db"
    registry = _open(f"sqlite:///{path}")
    for app in ["solo", *(f"app-{number:03}" for number in range(120))]:
        old, new = fill_app(registry, app, 2)
        alone = "solo-" if app == "solo" else ""
        for channel, made in ((f"{alone}old", old), (f"{alone}new", new), (f"{alone}live", old)):
            deploy_all(registry, app, [made], [channel])
    registry.close()

    def promoted(alone: str) -> Callable[[], float]:
        command = [*console_script(), "promote", "--all", "--registry", str(path), "--actor", ACTOR]
        sources = itertools.cycle((f"{alone}new", f"{alone}old"))
        return lambda: process([*command, "--from", next(sources), "--channel", f"{alone}live"], folder)

    return compare(
        "promotion of 120 apps, one command",
        promoted(""),
        promoted("solo-"),
        named="the same of one app",
        bound=3.0,
        rounds=7,
    )


class _Channel:
    """A registry of one app whose every release was live on `prod`, for rollbacks one after the other."""

    def __init__(self, url: str, *, releases: int) -> None:
        self.registry = _open(url)
        self.made = fill_app(self.registry, "bot", releases)
        deploy_all(self.registry, "bot", self.made, ["prod"])

    def roll_back(self) -> float:
        """Time one rollback; then, unmeasured, put things back as they were."""
        request = RollbackRequest(apps=("bot",), channel="prod", key=_key())
        start = time.perf_counter()
        rollback(self.registry, request, actor=ACTOR, now=NOW)
        took = time.perf_counter() - start
        newest = self.made[-1]
        _forgive(self.registry, newest)
        promote(self.registry, _promotion(newest), actor=ACTOR, now=NOW)
        return took

    def close(self) -> None:
        self.registry.close()


def _contention(database: str, rate: float) -> Line:
    return Line(
        what=f"changes of one channel by {_WRITERS} processes at once, {database}",
        measured=f"{rate:.0f}/s",
        baseline=f"{_A_SECOND} changes a second",
        ratio=rate / _A_SECOND,
        bound=1.0,
        at_least=True,
    )


def _fill(url: str) -> None:
    registry = _open(url)
    deploy_all(registry, "bot", fill_app(registry, "bot", 2 * _WRITERS), ["prod"])
    registry.close()


def _rate(url: str) -> float:
    """Changes a second while eight processes promote and roll back the same app on the same channel."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(_WRITERS + 1)
    counts: Queue[int] = context.Queue()
    writers = [context.Process(target=_write, args=(url, barrier, counts, number)) for number in range(_WRITERS)]
    for writer in writers:
        writer.start()
    barrier.wait(timeout=120)
    start = time.perf_counter()
    changes = sum(counts.get(timeout=300) for _ in writers)
    took = time.perf_counter() - start
    for writer in writers:
        writer.join()
    if any(writer.exitcode for writer in writers):
        raise RuntimeError(f"a writer failed: {[writer.exitcode for writer in writers]}")
    return changes / took


def _write(url: str, barrier: Barrier, counts: Queue[int], number: int) -> None:
    """One process: change the channel as often as was said, and answer with how many changes were made."""
    registry = store.Registry.open(url)
    own = [release("bot", 2 * number), release("bot", 2 * number + 1)]
    made = 0
    try:
        for turn in range(6):  # connected, and every statement compiled, before the start
            _change(registry, own[turn % 2], back=turn == 3)
        barrier.wait(timeout=120)
        for turn in range(_CHANGES):
            made += _change(registry, own[turn % 2], back=turn % 10 == 9)
    finally:
        counts.put(made)
        registry.close()


def _change(registry: store.Registry, release: Release, *, back: bool) -> int:
    """Promote a release, or roll back whatever is live; answers the number of changes made."""
    try:
        if back:
            request = RollbackRequest(apps=("bot",), channel="prod", key=_key())
            return len(rollback(registry, request, actor=ACTOR, now=NOW).deployments)
        return len(promote(registry, _promotion(release), actor=ACTOR, now=NOW).deployments)
    except Refused:  # somebody rolled it back: lifting the quarantine is a change as well
        return _forgive(registry, release)
    except Conflict:
        return 0  # nothing good to go back to at this moment


def _promotion(release: Release) -> PromoteRequest:
    return PromoteRequest(reference=_reference(release), channel="prod", key=_key())


def _forgive(registry: store.Registry, release: Release) -> int:
    try:
        request = WithholdRequest(reference=_reference(release), channel="prod", reason="bench", key=_key())
        unquarantine(registry, request, actor=ACTOR, now=NOW)
    except Conflict:
        return 0  # not in quarantine: then there is nothing to lift
    return 1


def _reference(release: Release) -> Reference:
    return Reference(app=release.app, version=release.version)


def _open(url: str) -> store.Registry:
    store.create(url, name="bench", now=NOW, actor=ACTOR)
    return store.Registry.open(url)


def _key() -> str:
    return uuid.uuid4().hex
