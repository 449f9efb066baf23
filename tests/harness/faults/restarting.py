"""A PostgreSQL server that is hurt under load: connections ended, a server process killed, restarts in good order and
crashes. Clients keep their registry open all the while, and go on by themselves."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from promptops.core.errors import Unavailable
from promptops.store import Registry
from tests.harness.faults.children import Child, Say
from tests.harness.faults.health import examine, mend
from tests.harness.faults.killing import ANSWERS, Notes, check, next_order
from tests.harness.faults.orders import Order, carry_out
from tests.harness.faults.report import Row
from tests.harness.faults.worlds import PostgreSQL, World, Worlds, begin

_CLIENTS = 3
_FAULTS = ("connections ended", "backend killed", "restart", "crash")
_GIVEN_UP_AFTER = 60.0


def rows(worlds: Worlds, *, faults: int) -> Iterator[Row]:
    """A row for each kind of fault, this many in all, one after the other under the same clients."""
    databases = worlds.databases
    if not isinstance(databases, PostgreSQL):
        return
    found = {fault: Row(part="server", what=fault, database=databases.name) for fault in _FAULTS}
    with worlds.copied(worlds.template("base", begin)) as world:
        stop = world.root / "stop"
        notes = [Notes(world.root / f"notes-{number}") for number in range(_CLIENTS)]
        clients = [Child(partial(_client, world, each, world.commit(), n, stop)) for n, each in enumerate(notes)]
        try:
            for fault in islice(cycle(_FAULTS), faults):
                _hurt(found[fault], databases, world, notes, fault)
        finally:
            stop.touch()
            ended = [client.wait() for client in clients]
        last = found[_FAULTS[0]]
        for client in ended:
            if client.code or client.said:
                last.wrong("a client", f"did not live through it: {client}")
        databases.settle(world.url)
        check(last, "in the end", world, notes)
        examine(last, "in the end", world)
        mend(last, "in the end", world)
    yield from (row for row in found.values() if row.rounds)


def _hurt(row: Row, databases: PostgreSQL, world: World, notes: list[Notes], fault: str) -> None:
    """One fault; every client must have been answered again after it."""
    row.rounds += 1
    where = f"{fault} {row.rounds}"
    before = _answers(notes)
    if not _go_on(notes, before):
        row.wrong(where, "no client got an answer even before it")
    before = _answers(notes)
    if fault == "connections ended":
        databases.terminate(world.url)
    elif fault == "backend killed":
        databases.kill_backend(world.url)
    else:
        databases.restart("fast" if fault == "restart" else "immediate")
    row.kills += 1
    if not _go_on(notes, before):
        row.wrong(where, f"a client got no answer for {_GIVEN_UP_AFTER} s after it")
    row.acks += sum(_answers(notes)) - sum(before)


def _answers(notes: list[Notes]) -> list[int]:
    return [len(each.acknowledged()) for each in notes]


def _go_on(notes: list[Notes], before: list[int]) -> bool:
    """Wait until every client got three more answers."""
    until = time.monotonic() + _GIVEN_UP_AFTER
    while time.monotonic() < until:
        if all(now >= then + 3 for now, then in zip(_answers(notes), before, strict=True)):
            return True
        time.sleep(0.02)
    return False


def _client(world: World, notes: Notes, commit: str, number: int, stop: Path, say: Say) -> None:
    lot = random.Random(f"client {number}")
    with world.registry() as registry:
        while not stop.exists():
            try:
                order = next_order(registry, lot, commit)
            except Unavailable:
                continue
            notes.order(order)
            _insist(registry, order, notes, say)


def _insist(registry: Registry, order: Order, notes: Notes, say: Say) -> None:
    """Ask with the same key until there is an answer."""
    until = time.monotonic() + _GIVEN_UP_AFTER
    while True:
        try:
            notes.acknowledge(order, carry_out(registry, order))
            return
        except ANSWERS:
            notes.acknowledge(order, ())
            return
        except Unavailable as error:
            if time.monotonic() > until:
                say(["gave up", str(error)])
                return
            time.sleep(0.05)
