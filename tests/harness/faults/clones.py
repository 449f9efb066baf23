"""Two repositories, three clones and two CI jobs on one registry: each changes something and brings it to git, again
and again, until it is killed at a moment of its own. Then an older backup is restored, and all go on.

The home of the journal is a bare repository, the workspace of the first repository, or moves from there to the other
meanwhile. Half of the restores take what the home has newer, the others leave it. In every third round the journal is
signed, and the jobs do not have the key.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

from promptops.core.errors import GitUnavailable
from promptops.core.faults import Condition
from promptops.operations.backup import restore
from promptops.operations.fsck import RegistryLocation
from promptops.operations.homes import Changed, Declared, change_home
from promptops.projection.keyring import Unlock, no_key
from promptops.store import Registry, backup
from tests.harness.faults.children import PATIENCE, Child, Say, descendants
from tests.harness.faults.journals import BARE, home, judge, lines, log, unlock, wait_for
from tests.harness.faults.killing import ANSWERS, Notes, check, next_order
from tests.harness.faults.orders import Order, What, carry_out, holds
from tests.harness.faults.report import Row
from tests.harness.faults.worlds import World, Worlds, begin
from tests.support.factory import ACTOR, NAME, git, make_workspace, minutes
from tests.support.journal import set_key, sync, unlocked

_SEED = 20260401
_HOMES = ("address", "workspace", "address", "moves")
"""Where the home of the journal is, round by round."""

_SECONDS = 0.5
"""Seconds in which every process is killed, once all have changed something: a way to git takes about a tenth of it."""

_TRIES = 5
"""Syncs until everything is in git: a git that outlived its writer may be in the way of the first ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A repository, the name that releases have of it, its apps, and a commit that they come from."""

    root: Path
    name: str
    apps: tuple[str, ...]
    commit: str


def rows(worlds: Worlds, *, rounds: int) -> Iterator[Row]:
    """One row, of this many rounds, each in a world of its own."""
    row = Row(part="clones", what="2 repositories, 3 clones, 2 jobs", database=worlds.databases.name)
    lot = random.Random(_SEED)
    template = worlds.template("base", begin)
    while row.rounds < rounds and not (row.bad or row.lost):
        with worlds.copied(template, second=True) as world:
            _round(row, worlds, world, lot)
    yield row


def _round(row: Row, worlds: Worlds, world: World, lot: random.Random) -> None:
    kind, leave, drained = _HOMES[row.rounds % 4], row.rounds // 2 % 2 == 1, lot.random() < 0.5
    row.rounds += 1
    signed = row.rounds % 3 == 0
    where = f"round {row.rounds}, home: {kind}{', signed' if signed else ''}"
    sources = _begin(world, kind, signed=signed)
    clones = [_clone(sources[number].root, world.root / f"clone-{number}-{each}") for number, each in _CLONES]
    roots = [*(source.root for source in sources), *clones]
    some = [world.work, lot.choice(roots[1:])]
    saved = world.root / "saved"
    backup(world.url, saved, now=minutes(1), verify=False)
    notes = _storm(row, world, sources, clones, lot, moving=kind == "moves")
    worlds.settle(world)
    row.acks += check(row, where, world, notes)
    judge(row, f"{where}, killed", world, some)
    if kind == "moves":
        _move(world)
        saved = world.root / "saved since"  # an older backup names the older home, which stays as it was
        backup(world.url, saved, now=minutes(1), verify=False)
        _go_on(world, sources, "before")
    if drained:
        _bring_all(row, f"{where}, before the restore", world, some, some)
    restored = _restore(row, f"{where}, restored", world, saved, leave=leave)
    if drained and not leave:
        _require_acknowledged(row, f"{where}, restored", restored, notes)
    _go_on(restored, sources, "after")
    _bring_all(row, f"{where}, in the end", restored, roots, some)


_CLONES = ((0, 1), (0, 2), (1, 1))
"""The number of its repository, and its own, of each clone."""


def _begin(world: World, kind: str, *, signed: bool) -> tuple[Source, Source]:
    """A second repository with an app of its own beside that of the world; and the home, which has all of it."""
    second = make_workspace(world.root / "second")
    (second / "README.md").write_text("another repository")
    git(second, "add", "--all")
    git(second, "commit", "--quiet", "-m", "Say so")
    git(world.root, "init", "--quiet", "--bare", BARE)
    sources = (
        Source(root=world.work, name="example", apps=("bot", "shop"), commit=world.commit()),
        Source(root=second, name="other", apps=("mail",), commit=git(second, "rev-parse", "HEAD")),
    )
    with world.registry() as registry:
        text, commit = "Dear {{name}}", sources[1].commit
        carry_out(
            registry, Order(what=What.RELEASE, key="mail", app="mail", text=text, commit=commit, repository="other")
        )
        if signed:
            set_key(registry)
        sync(registry, world.work, unlock=unlocked())
    if kind == "address":
        _move(world)
    return sources


def _move(world: World) -> None:
    """Make the bare repository the home, unless it is."""
    address = world.root / BARE
    if home(world) != address:
        with world.registry() as registry:
            changed = Changed(actor=ACTOR, at=minutes(2), unlock=unlocked())
            declared = Declared(registry=NAME, git=str(address))
            change_home(registry, world.work, declared, changed, reason="everyone reaches it")


def _clone(source: Path, target: Path) -> Path:
    command = ["git", "clone", "--quiet", "--no-local", str(source), str(target)]
    subprocess.run(command, capture_output=True, check=True)
    return target


# --- those who are killed ------------------------------------------------------------------------


def _storm(
    row: Row, world: World, sources: Sequence[Source], clones: Sequence[Path], lot: random.Random, *, moving: bool
) -> list[Notes]:
    """Everyone at work at once, and each killed at a moment of its own; returns the notes that they left."""
    notes = [Notes(world.root / f"notes-{number}") for number in range(len(sources) * 2 + len(clones))]
    places = [(source, source.root) for source in sources]
    places += [(sources[number], root) for (number, _), root in zip(_CLONES, clones, strict=True)]
    writing = iter(notes)
    works = [partial(_work, world, source, root, next(writing), lot.random()) for source, root in places]
    works += [partial(_jobs, world, source, next(writing), lot.random()) for source in sources]
    children = [Child(work) for work in works]
    if moving:
        children.append(Child(lambda _say: _move(world)))
    _wait_until_all_are_at_work(notes)
    _kill(row, children, lot)
    for job in world.root.glob("job-*"):
        shutil.rmtree(job)
    row.pending += bool(unlock(world.root / BARE))
    return notes


def _wait_until_all_are_at_work(notes: Sequence[Notes]) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and not all(
        each.path.exists() and "facts" in each.path.read_text() for each in notes
    ):
        time.sleep(0.01)


def _kill(row: Row, children: Sequence[Child], lot: random.Random) -> None:
    """Each child at a moment of its own; then all of their gits have ended too."""
    left: list[int] = []
    begun = time.monotonic()
    moments = sorted(lot.uniform(0.0, _SECONDS) for _ in children)
    for moment, child in zip(moments, lot.sample(children, len(children)), strict=True):
        time.sleep(max(0.0, begun + moment - time.monotonic()))
        left += descendants(child.pid)
        child.kill(everything=lot.random() < 0.5)  # git dies with its writer, or lives on and writes a little more
    for child in children:
        ended = child.wait()
        row.kills += ended.killed
        if ended.code > 0:
            row.wrong(f"round {row.rounds}", f"a process did not live until it was killed: {ended}")
    wait_for(left)


def _work(world: World, source: Source, root: Path, notes: Notes, seed: float, _say: Say) -> None:
    """A person at work in a repository or a clone of it."""
    lot = random.Random(seed)
    with world.registry() as registry:
        while True:
            _change(registry, source, notes, lot)
            _bring(registry, root, unlocked())


def _jobs(world: World, source: Source, notes: Notes, seed: float, _say: Say) -> None:
    """One CI job after the other, each with a clone that goes with it."""
    lot = random.Random(seed)
    for number in count():
        clone = _clone(source.root, world.root / f"job-{source.name}-{number}")
        with world.registry() as registry:
            _change(registry, source, notes, lot)
            _bring(registry, clone, no_key)
        shutil.rmtree(clone)


def _change(registry: Registry, source: Source, notes: Notes, lot: random.Random) -> None:
    order = replace(next_order(registry, lot, source.commit, source.apps), repository=source.name)
    notes.order(order)
    try:
        facts = carry_out(registry, order)
    except ANSWERS:
        facts = ()
    notes.acknowledge(order, facts)


def _bring(registry: Registry, root: Path, unlock: Unlock) -> None:
    with suppress(GitUnavailable):  # somebody's git is in the way: then it waits
        sync(registry, root, unlock=unlock)


# --- and afterwards ------------------------------------------------------------------------------


def _bring_all(row: Row, where: str, world: World, roots: Sequence[Path], some: Sequence[Path]) -> None:
    """A sync in these folders; then nothing may wait, and everything must be right, as some of them are asked."""
    with world.registry() as registry:
        for _ in range(_TRIES):
            said: list[str] = []
            for root in roots:
                try:
                    done = sync(registry, root, unlock=unlocked()).drained
                    said += [f"{root.name}: {fault}" for fault in done.alarms]
                except GitUnavailable as error:
                    said.append(f"{root.name}: {error.message}")
            if not said:
                break
            time.sleep(0.5)
    for problem in said:
        row.wrong(where, f"sync: {problem}")
    if waiting := log(world).waiting:
        row.wrong(where, f"after every sync {len(waiting)} changes wait for git")
    judge(row, where, world, some)


def _restore(row: Row, where: str, world: World, saved: Path, *, leave: bool) -> World:
    """The older backup in an empty place, with all that the home has newer or without; that is the world then."""
    before, there = log(world).hashes, lines(home(world))
    restored = World(url=world.target, root=world.root)
    place = RegistryLocation(url=world.target, root=world.work, name=NAME)
    done = restore(saved, place, actor=ACTOR, now=minutes(60), leave_newer=leave, reason="too much went wrong")
    for fault in done.report.faults:
        if fault.severity is Condition.DAMAGE:
            row.wrong(where, f"fsck after it: {fault}")
    kept = done.manifest.holdings.audit_seq if leave else len(there)
    after = log(restored).hashes
    for seq in range(1, kept + 1):
        if after[seq - 1 : seq] != before[seq - 1 : seq]:
            row.gone(where, f"line {seq}, which {'the backup' if leave else 'the home'} had")
    return restored


def _require_acknowledged(row: Row, where: str, world: World, notes: Sequence[Notes]) -> None:
    """All was in git before the restore, so all that was acknowledged is there, but for the keys of requests."""
    with world.registry() as registry, registry.read() as reader:
        for fact in (fact for each in notes for facts in each.acknowledged() for fact in facts):
            if fact[0] != "key" and not holds(reader, fact):
                row.gone(where, str(fact))


def _go_on(world: World, sources: Sequence[Source], when: str) -> None:
    """A change from each repository. No release: the tag of its version may stand for one that was left behind."""
    with world.registry() as registry:
        for source in sources:
            key = f"{source.name}, {when}"
            carry_out(registry, Order(what=What.CHANNELS, key=key, channel=f"{source.name}-{when}", minute=80))
