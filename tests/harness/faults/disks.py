"""Disks that fail: full ones, ones with errors, and a limit on the size of files. What was acknowledged stays.

A small file system in memory fills up for real; ``strace`` makes the k-th system call of a kind fail; RLIMIT_FSIZE,
which every POSIX system has, makes files stop growing at k different sizes. Where a machine does not allow one of
these, its row says so.
"""

from __future__ import annotations

import random
import resource
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from promptops.cli.exit import exit_code
from promptops.core.errors import Unavailable
from promptops.store import Registry, backup
from promptops.store.backups.manifest import manifest_path, read_manifest, sha256_of
from tests.harness.faults.calls import NO_TRACING, injected, may_trace
from tests.harness.faults.children import Ended, Say, run
from tests.harness.faults.health import examine, mend
from tests.harness.faults.killing import ANSWERS, Notes, check, next_order
from tests.harness.faults.orders import carry_out
from tests.harness.faults.report import Row
from tests.harness.faults.worlds import PostgreSQL, SQLite, World, Worlds, begin
from tests.support.factory import START

CALLS = ("fdatasync", "pwrite64", "ftruncate")
"""What SQLite calls for changes."""
BACKUP_CALLS = ("fsync", "fdatasync", "pwrite64")
_CHANGES = 12
_MORE = 5
"""So many more changes than the last k: each sync is one, and a few come to nothing."""
_BLOCK = 24 * 1024
_LITTLE = 96 * 1024


def rows(worlds: Worlds, *, ks: Sequence[int]) -> Iterator[Row]:
    """A row for each way to fail, at each of these k; without any, only what needs no k."""
    if not isinstance(worlds.databases, SQLite):
        yield _full(worlds, size="32m")
        return
    yield _limited(worlds, ks or (4,))
    yield _full(worlds, size="16m")
    for call in CALLS if ks else ():
        yield _failing_calls(worlds, call, ks)
    for call in BACKUP_CALLS if ks else ():
        yield _failing_backup(worlds, call, ks)


# --- the load ------------------------------------------------------------------------------------


def load(world: World, notes: Notes, commit: str, say: Say, *, changes: int = _CHANGES) -> None:
    """A client that goes on after every error. Anything but a refusal or an Unavailable ends it."""
    lot = random.Random(7)
    registry = _opened(world, say)
    if registry is None:
        return
    for _ in range(changes):
        try:
            order = next_order(registry, lot, commit)
        except Unavailable as error:
            say(["error", exit_code(error), str(error)])
            continue
        notes.order(order)
        try:
            notes.acknowledge(order, carry_out(registry, order))
        except ANSWERS:
            notes.acknowledge(order, ())
        except Unavailable as error:
            say(["error", exit_code(error), str(error)])
    registry.close()


def _opened(world: World, say: Say) -> Registry | None:
    for _ in range(3):
        try:
            return Registry.open(world.url)
        except Unavailable as error:
            say(["error", exit_code(error), str(error)])
    return None


def _judge(row: Row, where: str, worlds: Worlds, world: World, notes: Notes, ended: Ended) -> None:
    """What must be, when the disk is well again."""
    row.rounds += 1
    if ended.code:
        row.wrong(where, f"the client ended with {ended.code}")
    worlds.settle(world)
    row.acks += check(row, where, world, [notes])
    examine(row, where, world)
    mend(row, where, world)
    after = Notes(world.root / "afterwards")
    ended = run(partial(load, world, after, world.commit()))
    if ended.code or ended.said or not after.acknowledged():
        row.wrong(where, f"does not work afterwards: {ended}")


# --- limits --------------------------------------------------------------------------------------


def _limited(worlds: Worlds, ks: Sequence[int]) -> Row:
    row = Row(part="disk", what="RLIMIT_FSIZE", database=worlds.databases.name)
    template = worlds.template("base", begin)
    for k in ks:
        with worlds.copied(template) as world:
            notes = Notes(world.root / "notes")
            ended = run(partial(_load_below, k * _BLOCK, world, notes, world.commit(), ks[-1] + _MORE))
            row.kills += bool(ended.said)
            _judge(row, f"no file over {k} × {_BLOCK}", worlds, world, notes, ended)
    return row


def _load_below(limit: int, world: World, notes: Notes, commit: str, changes: int, say: Say) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    load(world, notes, commit, say, changes=changes)


# --- full ----------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[bool]:
    """A file system of this size on a folder; False where this machine allows none."""
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "promptops-faults", str(folder)]
    try:
        allowed = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    except OSError:
        allowed = False
    try:
        yield allowed
    finally:
        if allowed:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _full(worlds: Worlds, *, size: str) -> Row:
    row = Row(part="disk", what="full", database=worlds.databases.name)
    template = worlds.template("base", begin)
    with worlds.copied(template) as outside, small_disk(outside.root / "disk", size) as allowed:
        if not allowed:
            row.skipped = "no file system may be mounted here"
            return row
        with worlds.databases.on_disk(outside.url, outside.root / "disk") as url:
            for left in (_LITTLE, _LITTLE // 2, 0):
                _fill_up(row, worlds, replace(outside, url=url), left)
    return row


def _fill_up(row: Row, worlds: Worlds, world: World, left: int) -> None:
    """Changes on a disk with so many bytes left, until it has none; then with room again."""
    where = f"{left} bytes left"
    notes = Notes(world.root / f"notes-{left}")
    ballast = world.root / "disk" / "ballast"
    commit = world.commit()
    fill(ballast, left)
    ended = run(partial(load, world, notes, commit, changes=80))
    row.kills += bool(ended.said)
    if not (ended.said or left):
        row.wrong(where, "and every change went through")
    fill(ballast, 0)
    try:
        with world.registry() as registry, registry.read() as reader:
            if not reader.live_on("prod"):
                row.wrong(where, "nothing can be read")
    except Unavailable as error:
        # SQLite needs 32 KB of its own beside the file to open it at all; a PostgreSQL server may have to write a cache
        # of its own before it lets anybody in. Then the error says so, and nothing else may keep a reader out.
        if isinstance(worlds.databases, PostgreSQL) and "No space left" not in str(error):
            row.wrong(where, f"nothing can be read: {error}")
    ballast.unlink()
    _judge(row, where, worlds, world, notes, ended)


def fill(ballast: Path, left: int) -> None:
    """Write until this many bytes are left on the disk."""
    with ballast.open("ab", buffering=0) as file:
        while (free := shutil.disk_usage(ballast.parent).free) > left:
            file.write(b"\0" * min(free - left, 1 << 20))


# --- failing calls -------------------------------------------------------------------------------


def _failing_calls(worlds: Worlds, call: str, ks: Sequence[int]) -> Row:
    row = Row(part="disk", what=f"{call} fails", database=worlds.databases.name)
    if not may_trace():
        row.skipped = NO_TRACING
        return row
    faults = [(k, error, when) for k in ks for error, when in (("EIO", k), ("ENOSPC", k), ("ENOSPC", f"{k}+"))]
    for _, error, when in faults:
        with worlds.copied(worlds.template("base", begin)) as world:
            notes = Notes(world.root / "notes")
            work = partial(load, world, notes, world.commit(), changes=ks[-1] + _MORE)
            ended, hits = injected(f"{call}:error={error}:when={when}", work)
            if not hits:  # it makes no more of these calls
                break
            row.kills += 1
            _judge(row, f"{error} from {call} number {when}", worlds, world, notes, ended)
    return row


def _failing_backup(worlds: Worlds, call: str, ks: Sequence[int]) -> Row:
    row = Row(part="disk", what=f"{call} fails, backup", database=worlds.databases.name)
    if not may_trace():
        row.skipped = NO_TRACING
        return row
    for k, error in [(k, error) for k in ks for error in ("EIO", "ENOSPC")]:
        with worlds.copied(worlds.template("base", begin)) as world:
            ended, hits = injected(f"{call}:error={error}:when={k}", partial(_back_up, world, "one"))
            if not hits:
                break
            row.rounds += 1
            row.kills += 1
            where = f"{error} from {call} number {k}"
            row.acks += _whole(row, where, world, "one", ended)
            examine(row, where, world)
            if not _whole(row, f"{where}, afterwards", world, "two", run(partial(_back_up, world, "two"))):
                row.wrong(where, "no backup can be made afterwards")
    return row


def _back_up(world: World, name: str, say: Say) -> None:
    try:
        say(backup(world.url, world.root / name, now=START).sha256)
    except Unavailable as error:
        say(["error", exit_code(error), str(error)])


def _whole(row: Row, where: str, world: World, name: str, ended: Ended) -> bool:
    """Whether a backup was acknowledged, or it was said why not. One that is there with its manifest is whole."""
    place = world.root / name
    there = manifest_path(place).exists() and read_manifest(place).sha256 == sha256_of(place)
    match ended.said:
        case (str(),):
            if not there:
                row.gone(where, f"the backup {name}")
            return True
        case (["error", 6, _],):
            if manifest_path(place).exists() and not there:
                row.wrong(where, f"the backup {name} is not what its manifest says")
        case _:
            row.wrong(where, f"no clear error: {ended}")
    return False
