"""The part about clones can fail: it sees what is missing at the home, whatever the registry says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.faults.journals import judge, lines, log
from tests.harness.faults.orders import Order, What, carry_out
from tests.harness.faults.report import Row
from tests.harness.faults.worlds import World, begin
from tests.support.factory import git
from tests.support.journal import REF, sync


@pytest.fixture
def world(tmp_path: Path) -> World:
    """All of it is in git, but for a last change that waits."""
    world = World(url=f"sqlite:///{tmp_path}/registry.db", root=tmp_path)
    begin(world)
    with world.registry() as registry:
        sync(registry, world.work)
        carry_out(registry, Order(what=What.ROLLBACK, key="last"))
    return world


def _judged(world: World) -> Row:
    row = Row(part="clones", what="one", database="SQLite", rounds=1)
    judge(row, "round 1", world, [world.work])
    return row


def test_a_change_that_waits_is_no_loss(world: World) -> None:
    row = _judged(world)
    assert (row.ok, row.pending, row.problems) == (True, 1, [])
    told, there = log(world), lines(world.work)
    assert there == told.hashes[: len(there)]
    assert told.waiting == set(range(len(there) + 1, len(told.hashes) + 1)) != set()


def test_a_line_that_was_removed_from_the_home_is_lost(world: World) -> None:
    git(world.work, "update-ref", REF, f"{REF}~1")
    row = _judged(world)
    assert (row.ok, row.lost) == (False, 1)
    assert "it left the outbox, and the home does not have it" in row.problems[0]
    assert any("fsck: Fault(code='journal-shortened'" in problem for problem in row.problems)


def test_a_line_that_is_another_one_is_told_by_the_rebuild_too(world: World) -> None:
    forged = git(world.work, "commit-tree", f"{REF}~2^{{tree}}", "-p", f"{REF}~1", "-m", "forged")
    git(world.work, "update-ref", REF, forged)
    row = _judged(world)
    assert (row.ok, row.lost) == (False, 1)
    assert any("rebuild" in problem for problem in row.problems)
