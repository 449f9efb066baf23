"""A repository in which an older promptops gave each fact a ref of its own is taken over with nothing lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.core.errors import GitUnavailable
from promptops.operations import git_sync
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.git_sync import Synced
from promptops.operations.homes import Changed, Declared
from promptops.source.git.repository import Repository
from promptops.store import Registry
from tests.projection.conftest import Tamper, write_older
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import REF, commits, names, set_key, unlocked, unsigned


@pytest.fixture
def older(world: Registry, repository: Repository, root: Path, tamper: Tamper) -> Path:
    """The world as an older promptops left it: all of it in git, and nothing pending."""
    write_older(world, repository)
    tamper("DELETE FROM outbox")
    return root


def sync(registry: Registry, root: Path, *, claim: bool = False, remove: bool = False, remote: str = "") -> Synced:
    changed = Changed(actor=ACTOR, at=minutes(400))
    declared = Declared(registry=NAME)
    return git_sync.sync(registry, root, declared, changed, claim=claim, remove_older=remove, remote=remote)


def old_refs(root: Path) -> list[str]:
    return git(root, "for-each-ref", "--format=%(refname)", "refs/promptops").splitlines()


def test_the_chain_is_written_from_the_database_and_the_refs_go_when_asked(
    world: Registry, older: Path, registry_url: str, tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(older, "remote", "add", "origin", str(tmp_path / "origin.git"))
    git(older, "push", "--quiet", "origin", "refs/promptops/*:refs/promptops/*")
    before = old_refs(older)
    assert sync(world, older).drained.alarms == ()
    assert old_refs(older) == before
    with world.read() as reader:
        assert names(older) == [entry.ref for entry in reader.journal()]
    assert check(RegistryLocation(url=registry_url, root=older, name=NAME)).faults == ()
    removed = sync(world, older, remove=True, remote="origin").older
    assert removed is not None and (removed.removed, removed.kept) == (2 * len(before), ())
    assert old_refs(older) == old_refs(tmp_path / "origin.git") == []
    assert check(RegistryLocation(url=registry_url, root=older, name=NAME), remote="origin").faults == ()


def test_a_clone_without_the_refs_does_not_become_the_home(world: Registry, older: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(older), "clone")
    factory.write(tmp_path / "clone", {"promptops.yml": factory.WORKSPACE})
    factory.go_live(world, "bot@0.1.3")
    drained = sync(world, tmp_path / "clone").drained
    assert (drained.done, drained.pending, len(drained.waiting)) == (0, 1, 1)
    assert sync(world, older).drained.pending == 0


def test_a_ref_that_holds_something_else_stays_and_is_named(world: Registry, older: Path, registry_url: str) -> None:
    git(older, "update-ref", "refs/promptops/channels/prod/bot/2", "HEAD")
    git(older, "update-ref", "refs/promptops/mine", "HEAD")
    odd = ["refs/promptops/channels/prod/bot/2", "refs/promptops/mine"]
    removed = sync(world, older, remove=True).older
    assert removed is not None and list(removed.kept) == odd == old_refs(older)
    found = check(RegistryLocation(url=registry_url, root=older, name=NAME))
    assert [(fault.code, fault.where) for fault in found.faults] == [("ref-foreign", name) for name in odd]


def test_nothing_is_removed_before_the_home_has_everything(world: Registry, older: Path) -> None:
    sync(world, older)
    git(older, "update-ref", REF, f"{REF}~1")
    before = old_refs(older)
    with pytest.raises(GitUnavailable, match="does not have the whole journal"):
        sync(world, older, remove=True)
    assert old_refs(older) == before


def test_a_take_over_that_was_killed_is_repeated_to_the_same_chain(
    world: Registry, older: Path, repository: Repository
) -> None:
    """Killed after some lines, before it said so: the database remembers less than git has."""
    sync(world, older)
    whole = commits(older)
    for at in range(1, len(whole), 2):
        git(older, "update-ref", REF, whole[at])
        seq, sha = at, whole[at - 1]
        world.write(lambda writer, seq=seq, sha=sha: writer.drain(repository.refs.algorithm, seq, sha))  # type: ignore[misc]
        assert sync(world, older).drained.alarms == ()
        assert commits(older) == whole


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_registry_that_is_taken_over_may_be_signed_at_once(world: Registry, older: Path, registry_url: str) -> None:
    set_key(world)
    with pytest.raises(GitUnavailable, match="is not set here"):
        sync(world, older)
    declared, changed = Declared(registry=NAME), Changed(actor=ACTOR, at=minutes(400), unlock=unlocked())
    done = git_sync.sync(world, older, declared, changed, claim=False, remove_older=True)
    assert (done.drained.pending, done.older and done.older.kept, old_refs(older)) == (0, (), [])
    assert unsigned(older) == []
    assert check(RegistryLocation(url=registry_url, root=older, name=NAME)).faults == ()
