"""One git stays open for all that is read: it sees what is new, takes many questions, and keeps nobody waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from promptops.core.errors import GitUnavailable, Invalid
from promptops.source.git.pack import make
from promptops.source.git.repository import Repository
from tests.support.factory import commit, git


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, {f"files/{number}.txt": f"file {number}\n" * 2_000 for number in range(120)})
    return folder


@pytest.fixture
def repository(root: Path) -> Iterator[Repository]:
    opened = Repository.open(root)
    yield opened
    opened.close()


def fake(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """From now on ``git`` is this script."""
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_what_was_written_after_its_start_is_seen(repository: Repository, root: Path) -> None:
    first = repository.resolve().sha
    commit(root, {"new.txt": "new\n"})
    second = repository.resolve().sha
    assert (second, first) == (git(root, "rev-parse", "HEAD"), git(root, "rev-parse", "HEAD~1"))
    assert repository.dirty([""]) == ()
    git(root, "repack", "-a", "-d", "--quiet")
    git(root, "pack-refs", "--all")
    blob = make("blob", b"written by promptops\n", repository.refs.algorithm)
    repository.refs.write([blob])
    git(root, "tag", "--annotate", "--message", "a tag", "tagged", second)
    names = ["refs/tags/tagged", blob.sha, f"{first}:files/1.txt", "refs/heads/main", "refs/heads/other"]
    found = [item and item.kind for item in repository.refs.read(names, most=5)]
    assert found == ["tag", "blob", "blob", "commit", None]
    commit(root, {"new.txt": "newer\n"})
    assert repository.tree(repository.resolve().sha).read("new.txt") == b"newer\n"
    assert repository.dirty([""]) == ()


def test_more_questions_than_a_pipe_holds_are_answered(repository: Repository) -> None:
    repository.patience.limit(20.0)
    names = [f"HEAD:{'x' * 2_000}{number}" for number in range(250)]
    assert list(repository.refs.read(names, most=0)) == [None] * 250


def test_who_reads_slowly_holds_up_nobody(repository: Repository, root: Path) -> None:
    numbers = [*range(120)] * 2
    slow = repository.refs.read([f"HEAD:files/{number}.txt" for number in numbers], most=12)
    found = [next(slow)]
    sha = repository.resolve().sha
    assert sha == git(root, "rev-parse", "HEAD")
    tree = repository.tree(sha, "files")
    tree.prepare([f"{number}.txt" for number in range(120)])
    assert tree.read("7.txt") == b"file 7\n" * 2_000
    found += [next(slow) for _ in range(150)]
    assert tree.read("5.txt") == b"file 5\n" * 2_000
    assert tree.read("119.txt") == b"file 119\n" * 2_000
    found += slow
    assert [item and item.data for item in found] == [(f"file {number}\n" * 2)[:12].encode() for number in numbers]


@pytest.mark.parametrize("wrong", ["", "missing", "shorter", "longer", "another kind", "another byte"])
def test_objects_are_compared_byte_by_byte(repository: Repository, wrong: str) -> None:
    git_ = repository.refs
    objects = [make("blob", f"{number}\n".encode() * 3_000, git_.algorithm) for number in range(150)]
    git_.write(objects)
    slow = git_.read([item.sha for item in objects], most=2)
    first = next(slow)
    there = objects[100]
    other = {
        "missing": make("blob", b"never written", git_.algorithm),
        "shorter": replace(there, data=there.data[:-1]),
        "longer": replace(there, data=there.data + b"\n"),
        "another kind": replace(there, kind="commit"),
        "another byte": replace(there, data=there.data[:-1] + b" "),
    }
    assert git_.same([*objects[:100], other.get(wrong, there), *objects[101:]]) is not bool(wrong)
    assert git_.same(objects) and git_.same([])
    if not wrong:  # a reader that was slow goes on
        assert [item and item.data for item in (first, *slow)] == [item.data[:2] for item in objects]


def test_a_git_that_does_not_answer_is_ended_in_time(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path / "bin", monkeypatch, "exec sleep 300")
    repository.patience.limit(0.5)
    start = time.monotonic()
    with pytest.raises(GitUnavailable, match="cat-file did not answer within"):
        repository.resolve()
    with pytest.raises(GitUnavailable, match="took too long"):
        repository.refs.list("refs/promptops/")
    repository.close()
    assert time.monotonic() - start < 5
    monkeypatch.undo()
    repository.patience.limit(None)
    assert repository.resolve().sha


def test_a_git_that_ended_since_it_was_asked_is_started_again(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path / "bin", monkeypatch, 'read -r line; echo "$line missing"')
    with pytest.raises(Invalid):
        repository.resolve()
    monkeypatch.undo()
    time.sleep(0.2)
    assert repository.resolve().sha


def test_what_was_started_ahead_does_its_work_or_nothing(repository: Repository, root: Path) -> None:
    refs = repository.refs
    blob = make("blob", b"a thing\n", refs.algorithm)
    with repository.lock.shared(), refs.ahead():
        pass
    assert git(root, "for-each-ref", "refs/promptops") == ""
    with repository.lock.shared(), refs.ahead():
        assert refs.list("refs/promptops/") == {}
        refs.write([blob])
        assert refs.create({"refs/promptops/things/1": blob.sha}) == {}
        assert refs.list("refs/promptops/") == {"refs/promptops/things/1": blob.sha}
        with repository.lock.alone(0.1) as alone:
            assert not alone
    with repository.lock.alone(5.0) as alone:
        assert alone, "nothing that was started ahead is left to write"
    assert list(root.rglob(".git/**/*.lock")) == [root / ".git/promptops.lock"]
