"""A history in git that has a hole, forks, or ends too early: what is missing is named, and given up on purpose."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.core.audit import seal
from promptops.core.errors import Invalid, Unavailable
from promptops.core.model import Policy
from promptops.operations import backup
from promptops.operations.fsck import RegistryLocation, check
from promptops.operations.rebuild import RebuildRequest, rebuild
from promptops.projection.objects import link
from promptops.projection.rebuilding import Rebuilt
from promptops.source import vouched
from promptops.source.git.repository import Repository
from promptops.source.vouched import Vouched
from promptops.store import Registry
from promptops.store.facts.record import Record, bind
from tests.projection.conftest import write_older
from tests.support import factory
from tests.support.factory import ACTOR, NAME, git, minutes
from tests.support.journal import REF, commit_of, commits, sync

Again = Callable[..., Rebuilt]


@pytest.fixture
def archive(world: Registry, root: Path) -> Path:
    """The world's workspace, with everything in its git; this machine has verified nothing."""
    sync(world, root)
    forget(world)
    return root


@pytest.fixture
def again(world: Registry, root: Path, empty_url: str) -> Again:
    """Rebuilds from the workspace."""
    return lambda **terms: rebuild(str(root), empty_url, RebuildRequest(**terms), actor=ACTOR, now=minutes(900))


def forget(registry: Registry) -> None:
    vouched.update(registry.lineage, lambda _: Vouched())


def know(registry: Registry) -> tuple[int, str]:
    """Lets this machine know the newest line of a registry."""
    with registry.read() as reader:
        seq, hash_ = reader.audit_head()
    vouched.update(registry.lineage, lambda _: Vouched(seq=seq, hash=hash_, sha="c" * 40))
    return seq, hash_


def lose(root: Path, blob: str) -> None:
    (root / ".git/objects" / blob[:2] / blob[2:]).unlink()


def other_end(world: Registry, root: Path, count: int, ref: str = "refs/heads/promptops/other") -> list[Record]:
    """Another registry's last lines in place of these many: a copy that lived on by itself."""
    with world.read() as reader:
        records = list(reader.facts(reader.journal()))
    after, previous = commits(root)[-count - 1], records[-count - 1].audit.hash
    made = []
    with closing(Repository.open(root)) as repository:
        for record in records[-count:]:
            line = replace(record.audit, before="something else", previous=previous)
            line = replace(line, record=bind(record.ref, record.fact))
            made.append(replace(record, audit=replace(line, hash=seal(line))))
            linked = link(made[-1], repository.refs.algorithm, after)
            repository.refs.write(list(linked.objects))
            after, previous = linked.sha, made[-1].audit.hash
    git(root, "update-ref", ref, after)
    return made


def test_a_hole_is_given_up_with_its_number_and_a_reason_and_the_journal_goes_on(
    archive: Path, again: Again, world: Registry, empty_url: str, tmp_path: Path
) -> None:
    before = commits(archive)
    commit = commit_of(archive, "releases/bot/0.1.1")
    hole = before.index(commit) + 1
    many = len(before) - hole + 1
    lose(archive, git(archive, "rev-parse", f"{commit}:record.json"))
    for terms in ({}, {"accept_loss": 1, "reason": "the disk"}, {"accept_loss": many + 1, "reason": "the disk"}):
        with pytest.raises(Invalid, match=f"{many} lines .*lost, lines {hole} to {len(before)}; nothing") as refused:
            again(**terms)
        assert f"accept the loss of {many} lines" in str(refused.value.hint)
    with pytest.raises(Invalid, match="a loss needs a reason"):
        again(accept_loss=many)
    with pytest.raises(Unavailable):
        Registry.open(empty_url)
    done = again(accept_loss=many, reason="the disk burned")
    assert (done.seq, done.leaves) == (hole - 1, before[-1])
    with closing(Registry.open(empty_url)) as new:
        with new.read() as reader:
            line = reader.audit(limit=1)[0]
            assert line.reason == (
                f"rebuilt from git, up to line {hole - 1} of the audit log, without lines {hole} to {len(before)}: "
                "the disk burned"
            )
        factory.make_channels(new, more=Policy())
        assert sync(new, archive).drained.alarms == ()
    assert check(RegistryLocation(url=empty_url, root=archive, name=NAME)).faults == ()
    assert git(archive, "merge-base", "--is-ancestor", before[-1], REF) == ""
    forget(world)
    more = rebuild(str(archive), f"sqlite:///{tmp_path}/more.db", actor=ACTOR, now=minutes(901))
    assert (more.seq, more.loss, more.ignored) == (hole + 2, None, ())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_lines_with_a_ref_each_are_given_up_from_the_first_gap_on(
    world: Registry, repository: Repository, root: Path, again: Again
) -> None:
    write_older(world, repository)
    with world.read() as reader:
        last, _ = reader.audit_head()
        for entry in reader.journal([5, 6, 9]):
            git(root, "update-ref", "-d", f"refs/promptops/{entry.ref}")
    with pytest.raises(Invalid, match=f"lines 5 to 6, 9 of .*: {last - 4} lines would be lost, lines 5 to {last}"):
        again()
    done = again(accept_loss=last - 4, reason="gone")
    assert (done.seq, done.leaves) == (4, "")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_chain_that_ends_before_what_this_machine_verified_is_shortened(
    world: Registry, archive: Path, again: Again
) -> None:
    last, _ = know(world)
    git(archive, "update-ref", REF, f"{REF}~3")
    with pytest.raises(Invalid, match=f"ends at line {last - 3} .* has verified line {last}: 3 lines would be lost"):
        again()
    done = again(accept_loss=3, reason="nobody has them")
    assert (done.seq, done.leaves) == (last - 3, "")
    assert vouched.read(world.lineage).seq == last - 3


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_chain_with_other_lines_than_this_machine_verified_is_refused(
    world: Registry, archive: Path, again: Again
) -> None:
    last, _ = know(world)
    other_end(world, archive, 2, REF)
    with pytest.raises(Invalid, match=f"line {last} of the audit log in .* is not the one that this machine"):
        again()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_two_ends_of_one_history_are_refused_and_either_may_be_named(
    world: Registry, archive: Path, again: Again, tmp_path: Path
) -> None:
    """A copy of the registry that lived on by itself, and pushed to another branch."""
    [*_, theirs] = other_end(world, archive, 2)
    with world.read() as reader:
        last, ours = reader.audit_head()
    with pytest.raises(Invalid, match=f"both claim to be line {last - 1}: 2 lines would be lost"):
        again()
    for number, anchor in enumerate([ours, theirs.audit.hash]):
        url = f"sqlite:///{tmp_path}/{number}.db"
        done = rebuild(str(archive), url, RebuildRequest(anchor=anchor), actor=ACTOR, now=minutes(900))
        assert (done.hash, done.leaves) == (anchor, "")
    forget(world)
    done = again(accept_loss=2, reason="neither")
    assert (done.seq, done.leaves) == (last - 2, commits(archive)[-1])


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_end_that_this_machine_verified_counts_and_the_other_is_named(
    world: Registry, archive: Path, again: Again
) -> None:
    last, ours = know(world)
    other_end(world, archive, 2)
    done = again()
    assert (done.seq, done.hash, done.loss) == (last, ours, None)
    assert done.ignored == ("refs/heads/promptops/other: it goes another way than the journal",)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("known", [False, True])
def test_what_a_restore_left_behind_on_purpose_is_no_loss(
    world: Registry, archive: Path, registry_url: str, again: Again, tmp_path: Path, known: bool
) -> None:
    backup.backup(registry_url, tmp_path / "saved", now=minutes(50), verify=False)
    factory.make_channels(world, later=Policy())
    sync(world, archive)
    git(archive, "update-ref", "refs/remotes/origin/promptops/test", REF)
    if known:
        know(world)
    place = RegistryLocation(url=f"sqlite:///{tmp_path}/restored.db", root=archive, name=NAME)
    backup.restore(tmp_path / "saved", place, actor=ACTOR, now=minutes(70), leave_newer=True, reason="they were wrong")
    with closing(Registry.open(place.url)) as restored:
        sync(restored, archive)
        with restored.read() as reader:
            head = reader.audit_head()
    if not known:
        forget(world)
    done = again()
    assert (done.seq, done.hash, done.ignored) == (*head, ())


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_loss_is_not_accepted_where_nothing_is_missing(archive: Path, again: Again) -> None:
    with pytest.raises(Invalid, match="has no hole"):
        again(accept_loss=1, reason="to be sure")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("junk", ["a release without its content", "a folder in place of the record", "refs of old"])
def test_what_never_was_there_is_no_hole(
    world: Registry, archive: Path, again: Again, repository: Repository, junk: str
) -> None:
    with world.read() as reader:
        head = reader.audit_head()
    if junk == "refs of old":
        blob = git(
            archive, "hash-object", "-w", "--stdin", stdin='{"ref":"a/b","audit":{"seq":9999,"hash":"","previous":""}}'
        )
        tree = git(archive, "mktree", stdin=f"100644 blob {blob}\trecord.json\n")
        git(archive, "update-ref", "refs/promptops/a/b", git(archive, "commit-tree", tree, "-m", "a line"))
    else:
        release = commit_of(archive, "releases/bot/0.1.1")
        blob, tree = git(archive, "rev-parse", f"{release}:record.json", "HEAD^{tree}").split()
        entry = f"040000 tree {tree}" if junk.startswith("a folder") else f"100644 blob {blob}"
        made = git(archive, "mktree", stdin=f"{entry}\trecord.json\n")
        git(archive, "update-ref", REF, git(archive, "commit-tree", made, "-p", REF, "-m", "junk"))
    done = again()
    assert (done.seq, done.hash) == head
    assert len(done.ignored) == (junk != "refs of old")
