"""An older copy in place of a database, and a journal that is as old: this machine knows of the lines between."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from promptops.core.model import Policy
from promptops.operations import backup
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.rebuild import rebuild
from promptops.operations.remembered import behind
from promptops.source import vouched
from promptops.source.vouched import Vouched
from promptops.store import Registry
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import REF, sync

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return factory.make_workspace(tmp_path / "prompts")


@pytest.fixture
def older(registry: Registry, root: Path, tmp_path: Path) -> Path:
    """A copy of the registry's file; since then a line was brought to git, and git was put back too."""
    factory.make_channels(registry)
    sync(registry, root)
    copy = tmp_path / "older.db"
    backup.backup(f"sqlite:///{registry.path}", copy, now=minutes(1), verify=False)
    before = git(root, "rev-parse", REF)
    factory.make_channels(registry, later=Policy())
    assert sync(registry, root).drained.done == 1
    git(root, "update-ref", REF, before)
    return copy


def test_an_older_copy_is_named_although_git_is_as_old_and_nothing_is_brought_there(
    registry: Registry, older: Path, root: Path
) -> None:
    assert behind(registry) == ()
    with registry.read() as reader:
        seq, _ = reader.audit_head()
    place = Path(str(registry.path))
    registry.close()
    for end in ("", "-wal", "-shm"):
        place.with_name(place.name + end).unlink(missing_ok=True)
    shutil.copy(older, place)
    with closing(Registry.open(f"sqlite:///{place}")) as back:
        factory.make_channels(back, other=Policy())
        [fault] = sync(back, root).drained.alarms
        assert fault.code == "audit-rewritten" and f"line {seq} of the audit log was verified here" in fault.what
        with back.read() as reader:
            assert reader.pending_count() == 1
    found = check(RegistryLocation(url=f"sqlite:///{place}", root=root, name=NAME), now=minutes(9))
    assert "audit-rewritten" in {fault.code for fault in found.faults}


@pytest.mark.parametrize("git_too", [True, False])
def test_an_older_copy_beside_it_is_called_that_and_nothing_of_it_is_brought_to_git(
    registry: Registry, older: Path, root: Path, git_too: bool
) -> None:
    alive = RegistryLocation(url=f"sqlite:///{registry.path}", root=root, name=NAME)
    if not git_too:
        assert check(alive, repair=True).faults == ()
    before = git(root, "rev-parse", REF)
    place = RegistryLocation(url=f"sqlite:///{older}", root=root, name=NAME)
    for repair in (False, True):
        found = check(place, repair=repair, now=minutes(9))
        assert ([fault.code for fault in found.faults], found.exit_code) == (["registry-copy"], 1)
    with closing(Registry.open(place.url)) as copy:
        factory.make_channels(copy, other=Policy())
        [fault] = sync(copy, root).drained.alarms
        assert fault.code in ("registry-copy", "audit-rewritten")
    check(place, repair=True, now=minutes(9))
    assert git(root, "rev-parse", REF) == before
    assert behind(registry) == ()
    assert check(alive, repair=True).faults == ()


def test_a_registry_that_came_back_by_a_restore_is_not_held_to_it(
    registry: Registry, older: Path, root: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/restored.db"
    backup.restore(older, RegistryLocation(url=url, root=root, name=NAME), actor=ACTOR, now=minutes(9))
    with closing(Registry.open(url)) as back:
        assert behind(back) == ()
        assert sync(back, root).drained.alarms == ()
        assert behind(back) == ()


def test_a_rebuild_to_compare_holds_the_registry_to_nothing(
    registry: Registry, older: Path, root: Path, tmp_path: Path
) -> None:
    """Its epoch is the same as that of a restore afterwards, and its lines may be others."""
    vouched.update(registry.lineage, lambda _: Vouched())
    sync(registry, root)
    rebuild(str(root), f"sqlite:///{tmp_path}/compare.db", actor=ACTOR, now=minutes(8))
    place = RegistryLocation(url=f"sqlite:///{tmp_path}/restored.db", root=root, name=NAME)
    backup.restore(older, place, actor=ACTOR, now=minutes(9), leave_newer=True, reason="it was wrong")
    with closing(Registry.open(place.url)) as back:
        factory.make_channels(back, other=Policy())
        assert behind(back) == ()
        synced = sync(back, root)
        assert (synced.drained.alarms, synced.drained.pending) == ((), 0)


def test_another_rebuild_from_a_clone_is_not_held_to_the_epoch_of_the_first(
    registry: Registry, root: Path, tmp_path: Path
) -> None:
    factory.make_channels(registry)
    sync(registry, root)
    clone = tmp_path / "clone.git"
    git(tmp_path, "clone", "--quiet", "--bare", str(root), str(clone))
    known = vouched.read(registry.lineage)
    first, second = (f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second"))
    rebuild(str(clone), first, actor=ACTOR, now=minutes(2))
    with closing(Registry.open(first)) as made:
        assert sync(made, root).drained.done == 1  # its epoch is at the home now, and the clone does not have it
    now = vouched.read(registry.lineage)
    assert (now.seq, now.hash, now.sha) == (known.seq, known.hash, known.sha)
    assert rebuild(str(clone), second, actor=ACTOR, now=minutes(3)).seq == known.seq
