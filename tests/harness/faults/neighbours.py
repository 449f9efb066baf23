"""One app publishes whatever it likes; what is changed of a second app beside it has to arrive all the same.

Strangers' contents come in batches, each as fast as a server takes it, and what was published is promoted at once.
Right after each batch the second app is promoted twice and rolled back, and that is followed by a client over each kind
of source. A third app serves what 0.1.0 let in and no client can load: clients name it and go on.

How long is too long depends on the machine, so the same changes are timed before, with nothing published in between.
A source that looks now and then is found in any phase of its interval, so that one quiet time more or less lucky would
make the ratio noise: its quiet time is at least one whole interval for each of the three changes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

from promptops.core.compiled import flaw_of
from promptops.core.model import Content, Release
from promptops.core.release_bytes import encode
from promptops.core.token import Scope
from promptops.server.app import create_app, routes
from promptops.server.settings import Settings
from promptops.store import Registry
from tests.harness.faults import strangers
from tests.harness.faults.report import Row
from tests.harness.faults.town import FLOORS, QUIET, READER, RELIC, SECOND, STRANGER, Found, Town
from tests.harness.faults.worlds import Worlds, begin
from tests.operations.test_unloadable import CANNOT_BE_LOADED
from tests.server.running import inside, running
from tests.support import factory

_TURN = 0.0005
"""Seconds."""


def rows(worlds: Worlds, *, contents: int, batches: int) -> Iterator[Row]:
    """One row for each kind of source; what is wrong with none of them alone stands in the first."""
    with worlds.copied(worlds.template("base", begin)) as world:
        found = run(world.url, world.root, contents=contents, batches=batches)
    for kind in FLOORS:
        told = f", {found.slowest[kind]:.2f} s of {found.quiet[kind]:.2f} s quiet" if kind in found.slowest else ""
        row = Row(part="neighbours", what=kind + told, database=worlds.databases.name, rounds=batches)
        row.acks = found.published
        for problem in found.problems:
            whose = problem.partition(":")[0]
            if whose == kind or (kind == next(iter(FLOORS)) and whose not in FLOORS):
                row.wrong("beside strangers", problem)
        yield row


def run(url: str, folder: Path, *, contents: int, batches: int) -> Found:
    """Publish so many contents in so many batches into the registry of this URL, and see what arrives beside them."""
    with ExitStack() as stack:
        stack.enter_context(_short_turns())
        registry = stack.enter_context(closing(Registry.open(url)))
        ahead = _prepare(registry, QUIET + batches)
        tokens = _tokens(registry)
        server = stack.enter_context(running(url, folder, "--changes-per-second", "0"))
        without = [route for route in routes() if not route.path.endswith("/events")]
        polled = stack.enter_context(inside(create_app(Settings(registry=url), without)))
        town = Town(registry, server, tokens, folder, ahead)
        town.export()
        stack.enter_context(_listening(town.found))
        stack.enter_context(town.clients(url, polled))
        if town.time_in_quiet():
            texts = list(strangers.contents(contents, STRANGER))
            size = -(-contents // batches)
            for number, relic in zip(range(0, contents, size), cycle(_relics()), strict=False):
                if not town.live_through(texts[number : number + size], relic):
                    break
        return town.found


def _prepare(registry: Registry, rounds: int) -> Sequence[Release]:
    """Two apps that are live: the second one, and the one that will not be loaded. Answers two releases of the second
    one for each round: what a rollback left is in quarantine, and is not promoted again.
    """
    factory.make_channels(registry)
    first, *ahead = factory.make_releases(registry, SECOND, 1 + 2 * rounds)
    for release in (first, *factory.make_releases(registry, RELIC, 1)):
        factory.go_live(registry, f"{release.app}@{release.version}", now=datetime.now(UTC))
    return ahead


def _relics() -> Sequence[Content]:
    """What 0.1.0 let in and no client can load. What loads where it is there, and is only refused today, is none."""
    return [replace(each, app=RELIC) for each in CANNOT_BE_LOADED if flaw_of(encode(each))]


def _tokens(registry: Registry) -> Mapping[str, str]:
    """A token for who publishes, for who is on call for the second app, and for who follows."""
    now = datetime.now(UTC)
    scopes = {STRANGER: (Scope.RELEASE, Scope.PROMOTE), SECOND: (Scope.PROMOTE, Scope.ROLLBACK)}
    made = {app: factory.make_token(registry, app, now=now, scopes=each, apps=(app,)) for app, each in scopes.items()}
    made[READER] = factory.make_token(registry, READER, now=now)
    return {name: token.text for name, token in made.items()}


@contextmanager
def _short_turns() -> Iterator[None]:
    """Five clients, which are processes of their own elsewhere, share the interpreter here, and what one compiles would
    keep another waiting for 5 ms at each question to its socket or disk.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def _listening(found: Found) -> Iterator[None]:
    """Note what any client cannot load at any moment, but for what is there for that."""

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if getattr(record, "event", "") == "cannot-load" and getattr(record, "app", "") != RELIC:
                found.problems.append(f"a client: {record.getMessage()}")

    ear, log = Ear(), logging.getLogger("promptops.client")
    log.addHandler(ear)
    try:
        yield
    finally:
        log.removeHandler(ear)
