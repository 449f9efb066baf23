"""The home of the journal moves while others bring changes to it: a change leaves the outbox at the named home only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import cast

import pytest

from promptops import projection
from promptops.core.errors import GitUnavailable
from promptops.core.model import Policy
from promptops.operations import backup
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.homes import Changed, Declared, change_home
from promptops.projection import draining
from promptops.projection.homes import Elsewhere, Here
from promptops.source.git.repository import Repository
from promptops.store import Registry, Writer
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import REF, sync


@dataclass(frozen=True)
class Slow(Here):
    """The home of a process that is slow: others do something between its lines' arrival and its note of that."""

    meanwhile: Callable[[], object] = int

    def advance(self, new: str, old: str, tags: Mapping[str, str]) -> bool:
        moved = super().advance(new, old, tags)
        self.meanwhile()
        return moved


@pytest.fixture
def target(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--bare", "home.git")
    return tmp_path / "home.git"


def _move(world: Registry, root: Path, target: Path) -> None:
    declared = Declared(registry=NAME, git=str(target))
    change_home(world, root, declared, Changed(actor=ACTOR, at=minutes(41)), reason="all reach it")


def _pending(world: Registry) -> int:
    with world.read() as reader:
        return reader.pending_count()


def test_a_home_that_is_not_named_yet_empties_no_outbox(world: Registry, root: Path, target: Path) -> None:
    sync(world, root)
    factory.make_channels(world, later=Policy())
    with closing(Repository.open(root)) as repository:
        draining.bring(world, repository, Elsewhere(repository.refs, str(target), REF), new=True)
    assert _pending(world) == 1
    assert sync(world, root).drained.done == 1


class Late:
    """A registry whose first change comes late: others do something before it."""

    def __init__(self, registry: Registry, meanwhile: Callable[[], object]) -> None:
        self._registry, self._meanwhile = registry, [meanwhile]

    def write(self, work: Callable[[Writer], object], *, flush: bool = True) -> object:
        while self._meanwhile:
            self._meanwhile.pop()()
        return self._registry.write(work, flush=flush)

    def __getattr__(self, name: str) -> object:
        return getattr(self._registry, name)


def test_a_process_that_is_late_at_the_home_of_before_empties_no_outbox(
    world: Registry, root: Path, target: Path
) -> None:
    sync(world, root)
    arrived, named = Event(), Event()

    def wait() -> None:
        arrived.set()
        named.wait(60)

    def drain() -> int:
        with closing(Repository.open(root)) as repository:
            slow = Slow(repository, REF, wait)
            return projection.drain(world, repository, slow).done

    def meanwhile() -> None:
        factory.make_channels(world, later=Policy())
        late.append(others.submit(drain))
        assert arrived.wait(60)

    late: list[Future[int]] = []
    with ThreadPoolExecutor(1) as others:
        _move(cast(Registry, Late(world, meanwhile)), root, target)
        named.set()
    assert late[0].result() == 0
    synced = sync(world, root)
    assert (synced.drained.done, synced.drained.alarms, synced.drained.pending) == (2, (), 0)


def test_what_comes_to_the_home_of_before_meanwhile_comes_to_the_new_one_before_it_counts(
    world: Registry, root: Path, target: Path, registry_url: str
) -> None:
    sync(world, root)

    def meanwhile() -> None:
        factory.make_channels(world, later=Policy())
        assert sync(world, root).drained.done == 1

    _move(cast(Registry, Late(world, meanwhile)), root, target)
    synced = sync(world, root)
    assert (synced.drained.alarms, synced.drained.pending) == ((), 0)
    assert check(RegistryLocation(url=registry_url, root=root, name=NAME)).faults == ()


def test_a_backup_from_before_the_home_moved_finds_what_came_after(
    world: Registry, root: Path, target: Path, registry_url: str, empty_url: str, tmp_path: Path, postgresql_tools: None
) -> None:
    """Twice moved: each home names the next one."""
    git(tmp_path, "init", "--quiet", "--bare", "next.git")
    sync(world, root)
    _move(world, root, target)
    sync(world, root)
    backup.backup(registry_url, tmp_path / "saved", now=minutes(50), verify=False)
    factory.make_channels(world, sooner=Policy())
    sync(world, root)
    _move(world, root, tmp_path / "next.git")
    factory.make_channels(world, later=Policy())
    sync(world, root)
    with world.read() as reader:
        until, hash_ = reader.audit_head()
    place = RegistryLocation(url=empty_url, root=root, name=NAME)
    restored = backup.restore(tmp_path / "saved", place, actor=ACTOR, now=minutes(70))
    assert restored.taken == 3
    with closing(Registry.open(empty_url)) as new:
        with new.read() as reader:
            assert (reader.audit(limit=1)[0].previous, reader.audit_head()[0]) == (hash_, until + 1)
            home = reader.home()
        assert home is not None and home.address == str(tmp_path / "next.git")
        assert sync(new, root).drained.alarms == ()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_home_before_that_is_gone_keeps_no_home_from_moving(
    world: Registry, root: Path, target: Path, tmp_path: Path
) -> None:
    sync(world, root)
    _move(world, root, target)
    target.rename(tmp_path / "gone.git")
    git(tmp_path, "init", "--quiet", "--bare", "next.git")
    _move(world, root, tmp_path / "next.git")
    assert sync(world, root).drained.alarms == ()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_home_that_cannot_be_read_is_named_by_a_restore(
    world: Registry, root: Path, target: Path, registry_url: str, empty_url: str, tmp_path: Path
) -> None:
    sync(world, root)
    backup.backup(registry_url, tmp_path / "saved", now=minutes(50), verify=False)
    _move(world, root, target)
    sync(world, root)
    target.rename(tmp_path / "gone.git")
    place = RegistryLocation(url=empty_url, root=root, name=NAME)
    restored = backup.restore(tmp_path / "saved", place, actor=ACTOR, now=minutes(70))
    assert restored.taken == 1
    assert [each.partition(":")[0] for each in restored.ignored] == [str(target)]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_lock_that_a_killed_git_left_at_the_home_is_named(world: Registry, root: Path, target: Path) -> None:
    sync(world, root)
    _move(world, root, target)
    sync(world, root)
    lock = target / f"{REF}.lock"
    lock.touch()
    factory.make_channels(world, later=Policy())
    with pytest.raises(GitUnavailable, match=f"has a lock file .*: {lock}") as refused:
        sync(world, root)
    assert f"rm {lock}" in refused.value.hint
    lock.unlink()
    assert sync(world, root).drained.done == 1
