"""What a death left is told apart from everything it is not, and looking at it changes nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.store.engine.database import connect, locate
from tests.harness.faults.orders import Order, What, carry_out
from tests.harness.faults.remains import remains
from tests.harness.faults.troubles import git
from tests.harness.faults.worlds import SQLite, World, Worlds, begin


def _statement(world: World, statement: str) -> None:
    _, writing = connect(locate(world.url))
    with writing.begin() as connection:
        connection.exec_driver_sql(statement)
    writing.dispose()


def _write(name: str) -> Callable[[World], None]:
    def write(world: World) -> None:
        (world.root / name).parent.mkdir(parents=True, exist_ok=True)
        (world.root / name).write_bytes(b"something")

    return write


CHANGES: dict[str, Callable[[World], None]] = {
    "a row": lambda world: _statement(world, "INSERT INTO app (name) VALUES ('new')"),
    "a key": lambda world: _statement(world, "DELETE FROM idempotency WHERE key = 'held'"),
    "the outbox": lambda world: _statement(world, "DELETE FROM outbox"),
    "the schema": lambda world: _statement(world, "CREATE TABLE more (id INTEGER)"),
    "an index": lambda world: _statement(world, "CREATE INDEX another ON app (name)"),
    "a ref": lambda world: git(world.work, "branch", "new"),
    "an object": _write("work/.git/objects/aa/tmp_obj_1"),
    "a lock": _write("work/.git/refs/heads/promptops/test.lock"),
    "permissions": lambda world: (world.work / "promptops.yml").chmod(0o600),
    "a folder": lambda world: (world.root / "backups").mkdir(),
    "a symlink": lambda world: (world.root / "link").symlink_to("work"),
    "no file": lambda world: (world.work / "promptops.yml").unlink(),
}


@pytest.mark.usefixtures("postgresql_tools")
def test_everything_that_is_different_is_told_apart(empty_url: str, tmp_path: Path) -> None:
    world = World(url=empty_url, root=tmp_path)
    (tmp_path / "empty").mkdir(exist_ok=True)
    begin(world)
    seen = {remains(world): "nothing"}
    for name, change in CHANGES.items():
        assert remains(world) in seen, f"looking changed it, before {name}"
        change(world)
        assert seen.setdefault(remains(world), name) == name


def test_two_worlds_with_the_same_past_are_equal_and_looking_leaves_the_log(tmp_path: Path) -> None:
    worlds = Worlds(SQLite(), tmp_path)
    first, second = (worlds.copy(worlds.template("base", begin)) for _ in range(2))
    order = Order(what=What.ROLLBACK, key="new", minute=5)
    with first.registry() as one, second.registry() as two:
        carry_out(one, order)
        carry_out(two, order)
        log = (first.root / "registry.db-wal").read_bytes()
        assert log != (second.root / "registry.db-wal").read_bytes()  # it has a salt
        assert remains(first) == remains(second) != remains(worlds.template("base", begin))
        assert (first.root / "registry.db-wal").read_bytes() == log


def test_a_second_registry_counts_too(tmp_path: Path) -> None:
    worlds = Worlds(SQLite(), tmp_path)
    world = worlds.copy(worlds.template("empty", lambda world: world.work.mkdir()))
    with_second = replace(world, target=f"sqlite:///{world.root}/target.db")
    before = remains(with_second)
    begin(replace(with_second, url=with_second.target))
    assert remains(with_second) != before
