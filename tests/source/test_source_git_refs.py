"""Refs are created together, never moved, flushed to disk, and sent only where this repository's remotes are."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from promptops.core.errors import GitUnavailable, Invalid
from promptops.source.git import finding
from promptops.source.git import lock as git_lock
from promptops.source.git.pack import Algorithm, RawObject, make, make_tree
from promptops.source.git.process import answer
from promptops.source.git.refs import require_address
from promptops.source.git.repository import Repository
from tests.support.factory import commit, git

WHO = "promptops <promptops@localhost> 1772366400 +0000"


@pytest.fixture(params=list(Algorithm))
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository with one commit, of either format."""
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main", f"--object-format={request.param}")
    commit(folder, {"README.md": "hello\n"})
    return folder


def thing(number: int, algorithm: Algorithm) -> tuple[RawObject, ...]:
    """A blob, a tree and a commit."""
    blob = make("blob", f"thing {number}\n".encode() * 50, algorithm)
    tree = make_tree({"thing.txt": blob}, algorithm)
    text = f"tree {tree.sha}\nauthor {WHO}\ncommitter {WHO}\n\nThing {number}\n"
    return blob, tree, make("commit", text.encode(), algorithm)


def write(repository: Repository, numbers: range) -> dict[str, str]:
    """Objects of these numbers, and the refs they should get."""
    things = {n: thing(n, repository.refs.algorithm) for n in numbers}
    repository.refs.write([item for each in things.values() for item in each])
    return {f"refs/promptops/things/{n}": each[-1].sha for n, each in things.items()}


@pytest.mark.parametrize("count", [1, 200])
def test_objects_and_refs_are_those_that_python_worked_out(root: Path, count: int) -> None:
    repository = Repository.open(root)
    wanted = write(repository, range(count))
    assert repository.refs.create(wanted) == {}
    assert repository.refs.list("refs/promptops/") == wanted
    assert git(root, "fsck", "--strict", "--no-dangling") == ""
    assert git(root, "show", "refs/promptops/things/0:thing.txt").startswith("thing 0")
    assert repository.refs.create(write(repository, range(count))) == {}  # again is the same
    found = list(repository.refs.read([f"{name}:thing.txt" for name in wanted], most=5))
    assert {item.data for item in found if item} == {b"thing"}


def test_a_ref_that_is_there_is_never_moved_and_does_not_hold_up_the_others(root: Path) -> None:
    repository = Repository.open(root)
    wanted = write(repository, range(5))
    other = git(root, "rev-parse", "HEAD")
    git(root, "update-ref", "refs/promptops/things/2", other)
    refused = repository.refs.create(wanted)
    assert {name: refusal.exists_as for name, refusal in refused.items()} == {"refs/promptops/things/2": other}
    assert repository.refs.list("refs/promptops/") == wanted | {"refs/promptops/things/2": other}


def test_a_lock_that_a_killed_git_left_holds_up_one_ref_until_it_is_removed(root: Path) -> None:
    repository = Repository.open(root)
    wanted = write(repository, range(3))
    lock = root / ".git/refs/promptops/things/1.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    refused = repository.refs.create(wanted)
    assert list(refused) == ["refs/promptops/things/1"]
    assert "lock" in refused["refs/promptops/things/1"].why
    with repository.lock.alone(1.0) as alone:
        assert alone
        assert git_lock.remove_dead(repository.folder, ("refs/promptops",)) == ("refs/promptops/things/1.lock",)
    assert repository.refs.create(wanted) == {}


def test_who_writes_is_never_disturbed(root: Path) -> None:
    first, second = Repository.open(root), Repository.open(root)
    with first.lock.shared():
        with second.lock.shared():
            pass
        with second.lock.alone(0.1) as alone:
            assert not alone
        held = subprocess.Popen(["sleep", "60"], pass_fds=first.lock.handles)
    try:
        with second.lock.alone(0.1) as alone:
            assert not alone, "a child of a killed writer still writes"
    finally:
        held.kill()
        held.wait()
    with second.lock.alone(5.0) as alone:
        assert alone


@pytest.mark.parametrize("name", ["refs/tags/-x", "refs/a..b", "refs/x.lock", "HEAD", "refs/tags/a b", "", "refs/a/"])
def test_a_ref_of_an_unsafe_name_is_refused(root: Path, name: str) -> None:
    with pytest.raises(Invalid):
        Repository.open(root).refs.create({name: "0" * 40})


def test_refs_go_to_remotes_of_the_repository_and_are_never_moved_there(root: Path, tmp_path: Path) -> None:
    repository = Repository.open(root)
    there = tmp_path / "there.git"
    git(tmp_path, "init", "--quiet", "--bare", f"--object-format={repository.refs.algorithm}", str(there))
    git(root, "remote", "add", "origin", str(there))
    git(root, "remote", "add", "evil", "ext::sh -c touch% /dev/null")
    wanted = write(repository, range(3))
    repository.refs.create(wanted)
    assert repository.refs.push("origin", list(wanted)).taken == tuple(wanted)
    assert repository.refs.list_remote("origin", "refs/promptops/") == wanted
    # Somebody else has another thing under a name of ours.
    other = thing(9, repository.refs.algorithm)
    repository.refs.write(other)
    git(root, "update-ref", "refs/promptops/things/0", other[-1].sha)
    refused = repository.refs.push("origin", list(wanted)).refused
    assert list(refused) == ["refs/promptops/things/0"]
    assert repository.refs.fetch("origin", ["refs/promptops/*:refs/promptops/*"])
    assert repository.refs.list("refs/promptops/")["refs/promptops/things/0"] == other[-1].sha
    assert repository.refs.list_remote("origin", "refs/promptops/") == wanted
    for remote in ("--upload-pack=x", "-oProxyCommand=x", "ext::sh", "file:///etc", "nowhere"):
        with pytest.raises(Invalid):
            repository.refs.require_remote(remote)
    with pytest.raises(GitUnavailable):
        repository.refs.list_remote("evil", "refs/promptops/")
    assert repository.refs.push("evil", list(wanted)[:1]).refused


@pytest.mark.parametrize("address", ["ext::sh -c x", "--upload-pack=x", "-x", "file", "https://", "x y", "fd::7"])
def test_git_is_sent_to_no_address_that_runs_something(address: str) -> None:
    with pytest.raises(Invalid):
        require_address(address)


@pytest.mark.parametrize("address", ["https://example.com/x.git", "git@example.com:x.git", "file:///srv/x.git"])
def test_git_is_sent_to_usual_addresses(address: str) -> None:
    assert require_address(address) == address


def test_a_git_that_hangs_is_ended_with_all_it_started(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nsleep 300\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(GitUnavailable, match="did not answer within"):
        finding.around(root, seconds=0.2)
    pipe = subprocess.PIPE
    process = subprocess.Popen(["git", "push"], stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    with pytest.raises(GitUnavailable, match="did not answer within"):
        answer(process, b"", 0.2, "push")


def test_all_calls_together_end_in_time(root: Path) -> None:
    repository = Repository.open(root)
    repository.patience.limit(0.0)
    with pytest.raises(GitUnavailable, match="took too long"):
        repository.refs.list("refs/promptops/")
    repository.patience.limit(None)
    assert repository.refs.list("refs/promptops/") == {}


def test_without_git_it_is_said(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitUnavailable, match="cannot be run"):
        Repository.open(root)


def test_a_git_that_is_too_old_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "bin/git"
    old.parent.mkdir()
    old.write_text(f"#!/bin/sh\necho --path-format=absolute; echo {root}/.git; echo .git; echo sha1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    with pytest.raises(GitUnavailable, match=r"needs 2\.31 or newer"):
        Repository.open(root)
