"""Git's disk fails while changes are brought there: full, or the k-th call of git itself fails.

The registry goes on, and what git did not take waits for it. Which database that is makes no difference here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from functools import partial

from promptops.core.errors import PromptopsError
from tests.harness.faults.calls import NO_TRACING, injected, may_trace
from tests.harness.faults.children import Ended, Say, run
from tests.harness.faults.disks import fill, small_disk
from tests.harness.faults.health import examine, mend
from tests.harness.faults.orders import Order, What, carry_out
from tests.harness.faults.report import Row
from tests.harness.faults.worlds import SQLite, World, Worlds, begin
from tests.support.journal import sync

CALLS = ("fsync", "rename", "link")
"""Calls that git makes and the registry's own process does not."""


def rows(worlds: Worlds, *, ks: Sequence[int]) -> Iterator[Row]:
    """A row for a full disk and one for each call that fails at each of these k."""
    if not isinstance(worlds.databases, SQLite):
        return
    yield _full(worlds)
    for call in CALLS if ks else ():
        yield _failing(worlds, call, ks)


def _full(worlds: Worlds) -> Row:
    row = Row(part="git's disk", what="full", database=worlds.databases.name)
    with worlds.copied(worlds.template("base", begin)) as world:
        git, kept = world.work / ".git", world.root / "kept"
        git.rename(kept)
        with small_disk(git, "4m") as allowed:
            if not allowed:
                row.skipped = "no file system may be mounted here"
                return row
            shutil.copytree(kept, git, dirs_exist_ok=True, symlinks=True)
            for left in (16384, 4096, 0):
                fill(git / "ballast", left)
                ended = run(partial(_change_and_sync, world, left))
                row.kills += ended.said[-1:] != (0,)
                _judge(row, f"{left} bytes left", world, ended)
                (git / "ballast").unlink()
            mend(row, "with room again", world)
    return row


def _failing(worlds: Worlds, call: str, ks: Sequence[int]) -> Row:
    row = Row(part="git's disk", what=f"{call} fails", database=worlds.databases.name)
    if not may_trace():
        row.skipped = NO_TRACING
        return row
    for k in ks:
        for error in ("EIO", "ENOSPC"):
            with worlds.copied(worlds.template("base", begin)) as world:
                fault = f"{call}:error={error}:when={k}"
                ended, hits = injected(fault, partial(_change_and_sync, world, k))
                row.kills += hits > 0
                where = f"{error} from {call} number {k} of each git"
                _judge(row, where, world, ended)
                mend(row, where, world)
    return row


def _judge(row: Row, where: str, world: World, ended: Ended) -> None:
    row.rounds += 1
    row.acks += len(ended.said) > 0
    if ended.code or not ended.said:
        row.wrong(where, f"a change of the registry did not go through, or git's failure was no clear error: {ended}")
    examine(row, where, world)


def _change_and_sync(world: World, number: int, say: Say) -> None:
    """A change and its way to git, which may fail in words. The last thing said is how many changes wait then."""
    with world.registry() as registry:
        say(carry_out(registry, Order(what=What.CHANNELS, key="", channel=f"channel-{number}")))
        try:
            say(sync(registry, world.work).drained.pending)
        except PromptopsError as error:
            say(str(error))
