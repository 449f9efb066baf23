"""Nothing outside of a workspace is read, whatever `apps:` says: not reported on, not even opened."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from promptops.source.git.repository import Repository
from promptops.source.lint.lint import check
from promptops.source.tree import MAX_FILE, Tree, WorkingTree

BROKEN = "messages:\n- role: user\n  content: '{{ a b }}'\n"


class Watched:
    """A tree that knows what it was asked for."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.asked: list[str] = []

    def files(self, *under: str) -> Sequence[str]:
        self.asked += under
        return self._tree.files(*under)

    def others(self, *under: str) -> Sequence[str]:
        self.asked += under
        return self._tree.others(*under)

    def prepare(self, paths: Sequence[str]) -> None:
        self.asked += paths
        self._tree.prepare(paths)

    def read(self, path: str, most: int = MAX_FILE) -> bytes:
        self.asked.append(path)
        return self._tree.read(path, most)

    def size(self, path: str) -> int:
        return self._tree.size(path)


OUTSIDE = [
    "../elsewhere",
    "./../elsewhere",
    "apps/../../elsewhere",
    "../*",
    "apps/*/../../../elsewhere",
    "*/../../elsewhere",
    "**/../../../elsewhere",
    "..",
    "{root}/elsewhere",
    "//{root}/elsewhere",
    "apps/..",
]


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("pattern", OUTSIDE)
def test_a_pattern_that_leads_out_is_refused_and_not_followed(tmp_path: Path, pattern: str, committed: bool) -> None:
    pattern = pattern.replace("{root}", str(tmp_path))
    tree = Watched(_workspace(tmp_path, f"apps: [apps/bot, '{pattern}']", committed=committed))
    loaded = check(tree)
    assert [(found.code, found.path) for found in loaded.findings] == [("wrong-value", "promptops.yml")]
    assert loaded.known == ("bot",)
    assert not [path for path in tree.asked if "elsewhere" in path or ".." in path or path.startswith("/")]


@pytest.mark.parametrize("pattern", ["link", "link/*", "*", "apps/*", "**", "apps/link", "dir/link/x"])
def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path, pattern: str) -> None:
    tree = _workspace(tmp_path, f"apps: [apps/bot, '{pattern}']", committed=False)
    (tmp_path / "work/dir").mkdir()
    for place in ("link", "apps/link", "dir/link"):
        os.symlink(tmp_path / "elsewhere", tmp_path / "work" / place, target_is_directory=True)
    loaded = check(tree)
    assert {found.code for found in loaded.findings} <= {"app-missing", "not-a-file", "no-prompts"}
    assert set(loaded.known) <= {"bot", "apps"}


@pytest.mark.parametrize("tree_of", ["files", "others"])
def test_a_tree_itself_does_not_leave_its_folder(tmp_path: Path, tree_of: str) -> None:
    tree = _workspace(tmp_path, "apps: [apps/bot]", committed=False)
    assert getattr(tree, tree_of)("../elsewhere") == []
    assert getattr(tree, tree_of)("apps/../../elsewhere") == []


def _workspace(root: Path, apps: str, *, committed: bool) -> Tree:
    work = root / "work"
    for folder in (work / "apps/bot", root / "elsewhere/x"):
        folder.mkdir(parents=True)
    (work / "promptops.yml").write_text(f"registry: team\n{apps}\n")
    (work / "apps/bot/a.prompt.yml").write_text("model: openai/gpt-4o-2024-08-06\n" + BROKEN.replace("a b", "a"))
    for name in ("elsewhere/a.prompt.yml", "elsewhere/x/a.prompt.yml"):
        (root / name).write_text(BROKEN)
    if not committed:
        return WorkingTree(work)
    git = ["git", "-C", str(root), "-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    repository = Repository.open(work)
    return repository.tree(repository.resolve("HEAD").sha, "work")
