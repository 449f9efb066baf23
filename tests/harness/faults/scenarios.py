"""The operations whose every point is a point to die at: the world each begins in, and what it does there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from promptops.core.errors import Conflict
from promptops.operations.git_sync import tag
from promptops.operations.rebuild import rebuild
from promptops.source.git.repository import Repository
from promptops.store import backup, create, restore, upgrade
from promptops.store.backups.manifest import manifest_path, read_manifest, sha256_of
from tests.harness.faults.children import Say
from tests.harness.faults.evidence_orders import measure
from tests.harness.faults.orders import Order, What, carry_out
from tests.harness.faults.state import State
from tests.harness.faults.worlds import World, begin, clear
from tests.migrations.filled import fill_old
from tests.support.factory import ACTOR, NAME, START
from tests.support.journal import REF, sync

Change = Callable[[World, Say], None]
_PATIENCE = 120.0  # seconds for git; with the 10 of a release, a machine under load leaves the tag to the next sync
MARK = "promptops_restoring"
"""The table of a database on PostgreSQL that is being restored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One operation. Its ``change`` says what it acknowledges, and asked again with the same key does nothing more.

    ``begin`` names the template it starts from. ``same`` reduces a state to what must be equal between two runs of it;
    ``whole`` to the part that is changed as a whole or not at all. ``ref`` is one that it makes in git when nothing is
    in its way. ``second``: it makes a second registry. ``brief``: of its points a bounded run draws those around a
    commit by lot, too.
    """

    name: str
    change: Change
    begin: str = "base"
    same: Callable[[State], State] = dict
    whole: Callable[[State], State] = dict
    ref: str = ""
    second: bool = False
    brief: bool = False


def _order(order: Order, world: World, say: Say) -> None:
    with world.registry() as registry:
        say([list(fact) for fact in carry_out(registry, order)])


def _release(world: World, say: Say) -> None:
    order = Order(what=What.RELEASE, key="new", text="Good day, {{name}}", commit=world.commit(), minute=5)
    _order(order, world, say)


def _init(world: World, say: Say) -> None:
    create(world.url, name=NAME, now=START, actor=ACTOR)
    say([])


def _sync(world: World, say: Say) -> None:
    with world.registry() as registry:
        done = sync(registry, world.work)
    say([done.drained.pending])


def _release_and_tag(world: World, say: Say) -> None:
    _release(world, say)
    with world.registry() as registry:
        with registry.read() as reader:
            made = reader.newest_release("bot")
        if made is not None:
            tag(registry, Repository.open(world.work), [made], seconds=_PATIENCE)


def _upgrade(world: World, say: Say) -> None:
    upgrade(world.url)
    say([])


def _rebuild(world: World, say: Say) -> None:
    with suppress(Conflict):  # it was made already
        rebuild(str(world.work), world.target, actor=ACTOR, now=START)
    say([])


def _backup(world: World, say: Say) -> None:
    """A backup that died half-way left a file without a manifest at most: then another name is needed."""
    for place in (_copy(world), _copy(world).with_name("another")):
        try:
            made = backup(world.url, place, now=START, verify=False)  # proving it changes nothing that could remain
        except Conflict:
            if not manifest_path(place).exists():
                continue
            made = read_manifest(place)
        assert sha256_of(place) == made.sha256
        say([made.holdings.audit_hash])
        return


def _restore(world: World, say: Say) -> None:
    with suppress(Conflict):  # it is there already
        restore(_copy(world), world.target, actor=ACTOR, now=START)
    say([])


def _copy(world: World) -> Path:
    return world.root / "backups" / "one"


def room(world: World) -> None:
    """A place for backups, and something to keep of each kind that evidence has."""
    judge(world)
    _copy(world).parent.mkdir()


def backed_up(world: World) -> None:
    """A backup of it."""
    room(world)
    backup(world.url, _copy(world), now=START, verify=False)


def archive(world: World) -> None:
    """A registry that is in git, all of it, evidence and people's word too."""
    judge(world)
    with world.registry() as registry:
        sync(registry, world.work)


def judge(world: World) -> None:
    """Of each kind of fact that a gate reads there is one; the gate of prod, in a freeze, would open for a waiver."""
    steps = (
        Order(what=What.CHANNELS, key="gate", text="gated"),
        Order(what=What.RUN, key="run", version="0.1.3"),
        Order(what=What.EVIDENCE, key="verdict", version="0.1.3"),
        Order(what=What.IMPORT, key="results", version="0.1.3"),
        Order(what=What.APPROVE, key="taken back", version="0.1.3"),
        Order(what=What.WITHDRAW, key="back", version="0.1.3"),
        Order(what=What.APPROVE, key="word", version="0.1.3"),
        Order(what=What.APPROVE, key="shop's", app="shop", version="0.1.0"),
        Order(what=What.WAIVE, key="waiver", app="shop", version="0.1.0"),
    )
    with world.registry() as registry:
        for step in steps:
            carry_out(registry, step)


def gate(world: World) -> None:
    """A release whose gate opens: a run has shown that it is not worse, another system and a person said yes."""
    orders = (
        Order(what=What.EVIDENCE, key="verdict", version="0.1.3"),
        Order(what=What.APPROVE, key="word", version="0.1.3"),
    )
    with world.registry() as registry:
        measure(registry)
        for order in orders:
            carry_out(registry, order)


def running(world: World, *, reported: bool = False) -> None:
    """A run that was opened, with or without its rows."""
    with world.registry() as registry:
        carry_out(registry, Order(what=What.OPEN, key="run", version="0.1.3"))
        if reported:
            carry_out(registry, Order(what=What.ROWS, key="rows", version="0.1.3", text="run"))


def age(world: World) -> None:
    """A registry of the first schema, as the promptops of that time wrote it."""
    clear(world)
    fill_old(world.url, "0001", commit=world.commit())


def _in_database(state: State) -> State:
    """Without what goes to git step by step."""
    return {name: rows for name, rows in state.items() if name not in ("refs", "outbox", "drained")}


def _none(state: State) -> State:
    """Nothing: a run comes to its evidence in parts, and each of them is a scenario of its own."""
    return {}


def _finished(state: State) -> State:
    """Without a second registry that is marked as not whole yet: only PostgreSQL restores in several transactions."""
    marked = f"second {MARK}" in state
    return {name: rows for name, rows in state.items() if not (marked and name.startswith("second "))}


def _sizes(state: State) -> State:
    """Only how many rows there are: the lineage of a new registry is drawn by lot."""
    return {table: (str(len(rows)),) for table, rows in state.items()}


_ORDERS: Mapping[str, Order] = {
    "promote": Order(what=What.PROMOTE, key="new", version="0.1.3", minute=5),
    "rollback": Order(what=What.ROLLBACK, key="new", minute=5),
    "rollback --all": Order(what=What.ROLLBACK_ALL, key="new", minute=5),
    "quarantine": Order(what=What.QUARANTINE, key="new", version="0.1.3", minute=5),
    "unquarantine": Order(what=What.UNQUARANTINE, key="new", version="0.1.1", minute=5),
    "yank": Order(what=What.YANK, key="new", version="0.1.3", minute=5),
    "app transfer": Order(what=What.TRANSFER, key="new", minute=5),
    "channels apply": Order(what=What.CHANNELS, key="new", text="protected", minute=5),
}

_NEW: dict[str, Any] = {"key": "new", "version": "0.1.3", "minute": 5}
_WORDS: Mapping[str, tuple[str, Order]] = {
    "open a run": ("base", Order(what=What.OPEN, **_NEW)),
    "rows of a run": ("running", Order(what=What.ROWS, text="run", **_NEW)),
    "close a run": ("reported", Order(what=What.CLOSE, text="run", **_NEW)),
    "evidence add": ("base", Order(what=What.EVIDENCE, **_NEW)),
    "evidence import": ("base", Order(what=What.IMPORT, **_NEW)),
    "approve": ("base", Order(what=What.APPROVE, **_NEW)),
    "approve --withdraw": ("judged", Order(what=What.WITHDRAW, **_NEW)),
    "promote, gate": ("gated", Order(what=What.PROMOTE, **_NEW)),
    "promote --waive": ("judged", Order(what=What.WAIVE, **_NEW)),
}
"""What a gate reads, and who it opens for: the world of each, and the order."""

PREPARE: Mapping[str, Callable[[World], None]] = {
    "base": begin,
    "empty": clear,
    "old": age,
    "archived": archive,
    "running": running,
    "reported": partial(running, reported=True),
    "judged": judge,
    "gated": gate,
    "room": room,
    "backed up": backed_up,
}
"""The templates, and how each is made of a new world, or of a copy of the base."""

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(name="init", change=_init, begin="empty", same=_sizes),
    Scenario(name="release", change=_release),
    *(Scenario(name=name, change=partial(_order, order)) for name, order in _ORDERS.items()),
    *(
        Scenario(name=name, change=partial(_order, order), begin=world, brief=True)
        for name, (world, order) in _WORDS.items()
    ),
    Scenario(name="a run, continued", change=partial(_order, Order(what=What.RUN, **_NEW)), whole=_none, brief=True),
    Scenario(name="sync", change=_sync, begin="judged", whole=_in_database, ref=REF),
    Scenario(name="release, tag", change=_release_and_tag, whole=_in_database, ref="refs/tags/bot/v0.1.4"),
    Scenario(name="db upgrade", change=_upgrade, begin="old"),
    Scenario(name="rebuild", change=_rebuild, begin="archived", second=True),
    Scenario(name="backup", change=_backup, begin="room"),
    Scenario(name="restore", change=_restore, begin="backed up", second=True, whole=_finished),
)
