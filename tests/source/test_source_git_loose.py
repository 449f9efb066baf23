"""A few objects are written without a git, as git would: it finds them whole, with its modes, and none of them half."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops.source.git import loose
from promptops.source.git.pack import Algorithm, RawObject, make
from promptops.source.git.repository import Repository
from tests.support.factory import commit, git


@pytest.fixture(params=list(Algorithm))
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository with one commit, of either format."""
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main", f"--object-format={request.param}")
    commit(folder, {"README.md": "hello\n"})
    return folder


@pytest.fixture
def narrow() -> Iterator[None]:
    """New files are for their owner alone."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def some(repository: Repository, count: int = 20) -> list[RawObject]:
    return [make("blob", f"thing {n}\n".encode() * n, repository.refs.algorithm) for n in range(count)]


def file_of(root: Path, item: RawObject) -> Path:
    return root / ".git/objects" / item.sha[:2] / item.sha[2:]


def parts(root: Path) -> list[Path]:
    return list(root.rglob("tmp_obj_*"))


def test_git_finds_what_was_written_with_the_bytes_and_modes_of_its_own(root: Path) -> None:
    repository = Repository.open(root)
    objects = some(repository)
    repository.refs.write(objects)
    assert git(root, "fsck", "--strict", "--no-dangling") == ""
    assert parts(root) == []
    theirs = git(root, "hash-object", "-w", "--stdin-paths", stdin=str(root / "README.md"))
    for item in objects:
        file = file_of(root, item)
        assert git(root, "cat-file", "-t", item.sha) == "blob"
        assert zlib.decompress(file.read_bytes()) == b"blob %d\0" % len(item.data) + item.data
        assert file.stat().st_mode == (root / ".git/objects" / theirs[:2] / theirs[2:]).stat().st_mode


def test_an_object_that_is_there_stays_and_counts_as_new_for_clean_ups(root: Path) -> None:
    repository = Repository.open(root)
    [item] = some(repository, 1)
    repository.refs.write([item, item])
    file = file_of(root, item)
    os.utime(file, (1, 1))
    before = file.stat()
    repository.refs.write([item])
    assert (file.stat().st_ino, file.stat().st_mtime > 1) == (before.st_ino, True)


def test_where_one_object_cannot_be_written_none_gets_its_name(root: Path) -> None:
    repository = Repository.open(root)
    objects = some(repository)
    folder = root / ".git/objects"
    last = next(item for item in objects if not (folder / item.sha[:2]).exists())  # git's own objects have folders too
    others = [item for item in objects if item.sha[:2] != last.sha[:2]]
    (folder / last.sha[:2]).write_text("a file where a folder has to be\n")
    with pytest.raises(OSError):
        loose.write(folder, [*others, last])
    assert parts(root) == [] and not any(file_of(root, item).exists() for item in others)


@pytest.mark.parametrize(("shared", "mode"), [("umask", 0o400), ("group", 0o440), ("true", 0o440)])
def test_objects_of_a_shared_repository_are_for_those_it_is_shared_with(
    root: Path, narrow: None, shared: str, mode: int
) -> None:
    git(root, "config", "core.sharedRepository", shared)
    repository = Repository.open(root)
    objects = some(repository, 3)
    repository.refs.write(objects)
    assert {file_of(root, item).stat().st_mode & 0o777 for item in objects} == {mode}
