"""Which lines a change wrote: as git has them, for any name of a file and whatever git is configured to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptops.source.git.repository import Repository
from tests.support import factory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    factory.git(root, "init", "-q", "--initial-branch=main")
    return root


def lines(root: Path, folder: str = "") -> dict[str, list[int]]:
    """The changed lines of each file, from the commit before to the last one."""
    found = Repository.open(root).changed_lines("HEAD~1", "HEAD", folder)
    return {path: sorted(numbers) for path, numbers in found.items() if numbers}


def test_new_and_changed_lines_are_named_and_missing_ones_have_none(root: Path) -> None:
    before = "".join(f"{n}\n" for n in range(1, 21))
    after = before.replace("3\n", "three\n", 1).replace("10\n", "10\nnew\nnewer\n").replace("17\n", "")
    factory.commit(root, {"texts/a.yml": before, "texts/gone.yml": "x\n", "b.yml": "x"})
    factory.git(root, "rm", "-q", "texts/gone.yml")
    factory.commit(root, {"texts/a.yml": after, "texts/new.yml": "1\n2", "b.yml": "y"})
    assert lines(root, "texts") == {"texts/a.yml": [3, 11, 12], "texts/new.yml": [1, 2]}
    assert lines(root)["b.yml"] == [1]


@pytest.mark.parametrize(
    "name",
    ["with space.yml", 'quo"te.yml', "back\\slash.yml", "tab\t.yml", "line\nbreak.yml", "ümläut.yml", "b/b/c.yml"],
)
def test_a_file_may_have_any_name(name: str, root: Path) -> None:
    factory.commit(root, {name: "1\n2\n"})
    factory.commit(root, {name: "1\ntwo\n"})
    assert lines(root) == {name: [2]}


def test_a_text_that_looks_like_a_diff_is_a_text(root: Path) -> None:
    factory.commit(root, {"a.yml": "1\n"})
    factory.commit(root, {"a.yml": "1\n++ b/other.yml\n@@ -1 +900 @@\n-- a\n", "z.yml": "1\n"})
    assert lines(root) == {"a.yml": [2, 3, 4], "z.yml": [1]}


def test_what_the_repository_says_of_its_files_hides_no_line(root: Path) -> None:
    factory.commit(root, {"a.yml": "1\n2\n", ".gitattributes": "*.yml -diff binary\n"})
    factory.git(root, "config", "diff.noprefix", "true")
    factory.git(root, "config", "diff.external", "false")
    factory.commit(root, {"a.yml": "1\n2\n3\n"})
    assert lines(root) == {"a.yml": [3]}
