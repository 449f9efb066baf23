"""Random deaths: three writers at work on one registry, and SIGKILL to all of them at any moment, in half of the
rounds to their git too.

Each writer notes what it is about to ask for, and what was acknowledged, in a file that outlives it. After the kill all
that was acknowledged must be there, and what was asked for without an answer is asked for again, twice: done once.
"""

from __future__ import annotations

import json
import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from promptops.core.errors import Conflict, Invalid, NotFound, PromptopsError, Refused
from promptops.store import Reader, Registry
from tests.harness.faults.children import Child, Say
from tests.harness.faults.health import drain, examine, mend
from tests.harness.faults.orders import Fact, Order, What, carry_out, holds
from tests.harness.faults.report import Row
from tests.harness.faults.worlds import World, Worlds, begin

WRITERS = 3
_FRESH_AFTER = 20
_SEED = 20260302
ANSWERS = (Conflict, Invalid, NotFound, Refused)
"""A refusal is an answer: nothing was changed, and it was said."""


def rows(worlds: Worlds, *, kills: int) -> Iterator[Row]:
    """One row, of this many kills."""
    row = Row(part="random kills", what=f"{WRITERS} writers, git", database=worlds.databases.name)
    lot = random.Random(_SEED)
    template = worlds.template("base", begin)
    while row.kills < kills and not row.bad:
        with worlds.copied(template) as world:
            for _ in range(min(_FRESH_AFTER, kills - row.kills)):
                _round(row, worlds, world, lot)
    yield row


def _round(row: Row, worlds: Worlds, world: World, lot: random.Random) -> None:
    row.rounds += 1
    where = f"round {row.rounds}"
    notes = [Notes(world.root / f"notes-{row.rounds}-{number}") for number in range(WRITERS)]
    commit, seed = world.commit(), lot.random()
    group = Child(partial(_write_together, world, notes, commit, seed))
    while not all(each.path.exists() for each in notes):
        time.sleep(0.005)
    time.sleep(lot.uniform(0.0, 0.6))
    group.kill(everything=lot.random() < 0.5)  # git dies with its writer, or lives on and writes a little more
    row.kills += group.wait().killed
    worlds.settle(world)
    examine(row, where, world)
    row.acks += check(row, where, world, notes)
    mend(row, where, world)


def check(row: Row, where: str, world: World, notes: list[Notes]) -> int:
    """All that was acknowledged is there, all else can be asked for again; answers how many acks there were."""
    acknowledged = [fact for each in notes for facts in each.acknowledged() for fact in facts]
    with world.registry() as registry:
        with registry.read() as reader:
            for fact in acknowledged:
                if not holds(reader, fact):
                    row.gone(where, str(fact))
        for order in [order for each in notes for order in each.unanswered()]:
            _ask_again(row, where, registry, order)
        with registry.read() as reader:
            _once(row, where, reader)
    return sum(len(each.acknowledged()) for each in notes)


def _ask_again(row: Row, where: str, registry: Registry, order: Order) -> None:
    answers: list[object] = []
    for _ in range(2):
        try:
            answers.append(carry_out(registry, order))
        except ANSWERS as refusal:
            answers.append(str(refusal))
        except PromptopsError as error:
            row.wrong(where, f"{order}: {error}")
    if len(set(map(str, answers))) > 1:
        row.wrong(where, f"two answers to one key: {answers}")


def _once(row: Row, where: str, reader: Reader) -> None:
    """No key has made one change twice."""
    seen = Counter((entry.key, entry.action, entry.app, entry.channel) for entry in reader.audit() if entry.key)
    for (key, *change), count in seen.items():
        if count > 1 and change[0] not in _SEVERAL:
            row.wrong(where, f"{count} times {change} with the key {key}")


_ABOUT_FEW = frozenset({What.APPROVE, What.WITHDRAW, What.WAIVE})
"""What is asked of few releases, or no word would meet another."""

_SEVERAL = frozenset({"profile", "withdraw-approval"})
"""Lines of which one request makes several: a person takes back what they approved under each policy."""


# --- writers -------------------------------------------------------------------------------------


class Notes:
    """What one writer asked for and what it was told, line by line. A line is written whole before anything goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def order(self, order: Order) -> None:
        self._note({"order": asdict(order)})

    def acknowledge(self, order: Order, facts: tuple[Fact, ...]) -> None:
        self._note({"key": order.key, "facts": facts})

    def acknowledged(self) -> list[list[Fact]]:
        """The facts of every change that was answered with some."""
        return [[tuple(fact) for fact in line["facts"]] for line in self._lines() if line.get("facts")]

    def unanswered(self) -> list[Order]:
        """Orders nobody knows the outcome of."""
        lines = self._lines()
        answered = {line["key"] for line in lines if "key" in line}
        asked = [line["order"] for line in lines if "order" in line]
        return [
            Order(**{**order, "what": What(order["what"])})
            for order in {order["key"]: order for order in asked}.values()
            if order["key"] not in answered
        ]

    def _note(self, what: object) -> None:
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(handle, json.dumps(what).encode() + b"\n")
        finally:
            os.close(handle)

    def _lines(self) -> list[dict[str, Any]]:
        text = self.path.read_text() if self.path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]


def _write_together(world: World, notes: list[Notes], commit: str, seed: float, _say: Say) -> None:
    children = []
    for number, each in enumerate(notes):
        child = os.fork()
        if child == 0:
            _write(world, each, commit, random.Random(f"{seed} {number}"))
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def _write(world: World, notes: Notes, commit: str, lot: random.Random) -> None:
    with world.registry() as registry:
        while True:
            order = next_order(registry, lot, commit)
            notes.order(order)
            try:
                facts = carry_out(registry, order)
            except ANSWERS:
                facts = ()
            notes.acknowledge(order, facts)
            if lot.random() < 0.2:
                drain(world, registry)


def next_order(registry: Registry, lot: random.Random, commit: str, apps: Sequence[str] = ("bot", "shop")) -> Order:
    """Something somebody might ask for now."""
    what = lot.choices(list(_SHARES), weights=list(_SHARES.values()))[0]
    app, channel = lot.choice(apps), lot.choice(("prod", "staging"))
    version = text = ""
    if what is What.RELEASE:
        text = f"Hello {{{{name}}}}, {lot.random()}"
    elif what is What.CHANNELS:
        text = lot.choice(("protected", "open", "gated"))
    elif what not in (What.ROLLBACK, What.ROLLBACK_ALL):
        with registry.read() as reader:
            held = reader.quarantines(app, channel) if what is What.UNQUARANTINE else ()
            known = [quarantine.release.version for quarantine in held] or [r.version for r in reader.releases(app)]
        version = lot.choice(known[-3:] if what in _ABOUT_FEW else known)
    key = uuid.UUID(int=lot.getrandbits(128)).hex
    return Order(
        what=what, key=key, app=app, channel=channel, version=version, text=text, commit=commit, minute=lot.random()
    )


_SHARES = {
    What.RELEASE: 20,
    What.PROMOTE: 40,
    What.ROLLBACK: 15,
    What.ROLLBACK_ALL: 5,
    What.UNQUARANTINE: 12,
    What.QUARANTINE: 4,
    What.YANK: 1,
    What.CHANNELS: 3,
    What.RUN: 3,
    What.EVIDENCE: 2,
    What.IMPORT: 2,
    What.APPROVE: 8,
    What.WITHDRAW: 2,
    What.WAIVE: 6,
}
