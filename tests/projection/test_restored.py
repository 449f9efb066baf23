"""A registry that comes back from a backup, beside a journal in git that knows more than the backup."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.core.errors import Invalid, Unavailable
from promptops.core.model import Policy
from promptops.operations import backup
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.homes import Changed, Declared, change_home
from promptops.operations.journal_key import journal_key
from promptops.operations.rebuild import rebuild
from promptops.source.vouched import read
from promptops.store import Registry
from tests.projection.test_rebuild import answers
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import REF, commits, set_key, sync, unlocked

Again = Callable[..., backup.Restored]


@pytest.fixture
def saved(world: Registry, root: Path, registry_url: str, tmp_path: Path, postgresql_tools: None) -> Path:
    """A backup of the world. Since then, a release went live twice, and git has all of it."""
    sync(world, root, at=minutes(40))
    backup.backup(registry_url, tmp_path / "saved", now=minutes(50), verify=False)
    factory.go_live(world, "bot@0.1.3", now=minutes(60))
    factory.go_back(world, "bot", now=minutes(61))
    factory.make_channels(world, later=Policy())
    sync(world, root, at=minutes(62))
    return tmp_path / "saved"


@pytest.fixture
def again(saved: Path, empty_url: str, root: Path) -> Again:
    """Restores the backup into another place."""
    place = RegistryLocation(url=empty_url, root=root, name=NAME)
    return lambda **more: backup.restore(saved, place, actor=ACTOR, now=minutes(70), **more)


def test_what_git_has_newer_comes_back_too(world: Registry, again: Again, empty_url: str, root: Path) -> None:
    before = commits(root)
    restored = again()
    assert restored.taken == 4
    with closing(Registry.open(empty_url)) as new:
        with world.read() as reader, new.read() as other:
            until, hash_ = reader.audit_head()
            assert list(answers(other, until)) == list(answers(reader, until))
            assert (other.audit(limit=1)[0].previous, other.epoch()) == (hash_, 2)
        assert sync(new, root).drained.alarms == ()
        factory.make_channels(new, more=Policy())
        assert sync(new, root).drained.done == 1
    assert commits(root)[: len(before)] == before
    assert check(RegistryLocation(url=empty_url, root=root, name=NAME)).faults == ()


def test_newer_lines_are_left_on_purpose_and_the_journal_still_only_moves_forward(
    again: Again, empty_url: str, root: Path, tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "origin.git")
    git(root, "remote", "add", "origin", str(tmp_path / "origin.git"))
    git(root, "push", "--quiet", "origin", REF)
    before = commits(root)
    restored = again(leave_newer=True, reason="they were wrong")
    assert (restored.taken, restored.epoch) == (0, 2)
    assert [fault.code for fault in restored.report.faults] == ["outbox-pending"]
    with closing(Registry.open(empty_url)) as new:
        factory.go_live(new, "bot@0.1.3", now=minutes(80))
        synced = sync(new, root, remote="origin")
        assert (synced.drained.alarms, synced.drained.pending) == ((), 0)
        assert synced.exchanged is not None and REF in synced.exchanged.pushed
        with new.read() as reader:
            head, hash_ = reader.audit_head()
            [line] = [entry for entry in reader.audit(limit=3) if entry.action == "restore"]
    assert line.reason == "they were wrong"
    assert git(root, "merge-base", "--is-ancestor", before[-1], REF) == ""
    assert commits(root)[: line.seq - 1] == before[: line.seq - 1]
    assert len(commits(root)) == head
    place = RegistryLocation(url=empty_url, root=root, name=NAME)
    assert check(place, remote="origin").faults == ()
    done = rebuild(str(root), f"sqlite:///{tmp_path}/rebuilt.db", actor=ACTOR, now=minutes(90))
    assert (done.seq, done.hash, done.ignored) == (head, hash_, ())


def test_what_this_machine_verified_may_be_left_behind(
    world: Registry, again: Again, registry_url: str, empty_url: str, root: Path, tmp_path: Path
) -> None:
    """Before a rebuild, it then vouches for what the restored registry has."""
    place = RegistryLocation(url=registry_url, root=root, name=NAME)
    assert check(place, now=minutes(65)).faults == ()
    before = read(world.lineage)
    again(leave_newer=True, reason="they were wrong")
    with closing(Registry.open(empty_url)) as new:
        sync(new, root)
        assert check(replace(place, url=empty_url), now=minutes(80)).faults == ()
        after = read(new.lineage)
        with new.read() as reader:
            assert (after.seq, after.hash) == reader.audit_head()
    assert 0 < after.seq < before.seq
    assert rebuild(str(root), f"sqlite:///{tmp_path}/rebuilt.db", actor=ACTOR, now=minutes(90)).seq == after.seq


def test_lines_that_do_not_prove_themselves_are_not_taken(again: Again, empty_url: str, root: Path) -> None:
    git(root, "update-ref", REF, git(root, "commit-tree", f"{REF}~1^{{tree}}", "-p", REF, "-m", "a line again"))
    restored = again()
    assert (restored.taken, len(restored.ignored)) == (4, 1)
    with closing(Registry.open(empty_url)) as new:
        assert sync(new, root).drained.alarms == ()
    assert check(RegistryLocation(url=empty_url, root=root, name=NAME)).faults == ()


def test_a_hole_behind_the_backup_is_refused(again: Again, empty_url: str, root: Path) -> None:
    blob = git(root, "rev-parse", f"{REF}~1:record.json")
    (root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(Invalid, match="git has lines that are newer than the backup, and") as refused:
        again()
    assert "leave" in str(refused.value.hint)
    with pytest.raises(Unavailable):
        Registry.open(empty_url)
    again(leave_newer=True, reason="lost")
    with closing(Registry.open(empty_url)) as new:
        assert sync(new, root).drained.alarms == ()


def test_a_backup_that_went_another_way_is_refused(
    again: Again, saved: Path, registry_url: str, root: Path, world: Registry, tmp_path: Path, empty_url: str
) -> None:
    """The journal was written by a registry that was restored itself, and left the lines of this backup."""
    backup.backup(registry_url, tmp_path / "newest", now=minutes(69), verify=False)
    again(leave_newer=True, reason="first")
    with closing(Registry.open(empty_url)) as new:
        factory.make_channels(new, **{f"more-{number}": Policy() for number in range(9)})
        sync(new, root)
    place = RegistryLocation(url=f"sqlite:///{tmp_path}/third.db", root=root, name=NAME)
    if registry_url.startswith("sqlite"):
        with pytest.raises(Invalid, match="git has another line"):
            backup.restore(tmp_path / "newest", place, actor=ACTOR, now=minutes(90))


def test_the_home_is_asked_where_it_is_an_address(
    world: Registry, registry_url: str, empty_url: str, root: Path, tmp_path: Path, postgresql_tools: None
) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "home.git")
    declared = Declared(registry=NAME, git=str(tmp_path / "home.git"))
    change_home(world, root, declared, Changed(actor=ACTOR, at=minutes(40)), reason="all reach it")
    sync(world, root)
    backup.backup(registry_url, tmp_path / "saved", now=minutes(50), verify=False)
    factory.make_channels(world, later=Policy())
    sync(world, root)
    with world.read() as reader:
        until, hash_ = reader.audit_head()
    place = RegistryLocation(url=empty_url, root=root, name=NAME)
    restored = backup.restore(tmp_path / "saved", place, actor=ACTOR, now=minutes(70))
    assert (restored.taken, [fault.code for fault in restored.report.faults]) == (1, ["outbox-pending"])
    with closing(Registry.open(empty_url)) as new:
        with new.read() as reader:
            assert (reader.audit(limit=1)[0].previous, reader.audit_head()[0]) == (hash_, until + 1)
        assert sync(new, root).drained.alarms == ()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("leave", [False, True])
def test_a_backup_from_before_the_journal_was_signed(
    world: Registry, saved: Path, again: Again, empty_url: str, root: Path, leave: bool
) -> None:
    set_key(world)
    factory.make_channels(world, more=Policy())
    sync(world, root, unlock=unlocked())
    before = commits(root)
    again(leave_newer=leave, **({"reason": "they were wrong"} if leave else {}))
    with closing(Registry.open(empty_url)) as new:
        assert (journal_key(new).mode, sync(new, root).drained.pending > 0) == ("off" if leave else "on", not leave)
        assert sync(new, root, unlock=unlocked()).drained.pending == 0
    assert git(root, "merge-base", "--is-ancestor", before[-1], REF) == ""
    assert check(RegistryLocation(url=empty_url, root=root, name=NAME)).faults == ()
