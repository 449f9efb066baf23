"""The folders that ``promptops.yml`` names -> the apps of a workspace, each with its files.

An app is a folder that a pattern matches and that has an ``app.yml`` or a prompt file. Of nested folders a file belongs
to the innermost app. A glob matches whole folders, ``**`` one or more of them; without an ``app.yml`` of its own, a
folder inside a match is part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from promptops.source.app_file import APP_FILE
from promptops.source.prompt_file import ENDINGS
from promptops.source.tree import Tree
from promptops.source.workspace import Workspace, clean

_GLOB = re.compile(r"[*?]")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFolder:
    """A folder that is an app: its path, and the paths of its files and of what is there and is no file."""

    path: str
    files: Sequence[str]
    others: Sequence[str] = ()

    def inside(self, path: str) -> str:
        """A path relative to the app."""
        return path[len(self.path) + 1 :] if self.path else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The apps of a workspace, and the indexes of patterns that match none."""

    folders: Sequence[AppFolder]
    unmatched: Sequence[int]


def find_apps(tree: Tree, workspace: Workspace) -> Found:
    """Find the apps that a workspace names."""
    patterns = [clean(pattern) for pattern in workspace.apps]
    roots = {_fixed_part(pattern) for pattern in patterns}
    files = tree.files(*roots) if roots else ()
    candidates = _candidates(files)
    chosen: set[str] = set()
    unmatched = []
    for index, pattern in enumerate(patterns):
        found = _matches(pattern, candidates)
        chosen |= found
        if not found:
            unmatched.append(index)
    others = tree.others(*roots) if roots else ()
    return Found(folders=_divide(sorted(chosen), files, others), unmatched=unmatched)


def is_prompt(path: str) -> bool:
    """True for the path of a prompt file."""
    return path.endswith(ENDINGS)


def _fixed_part(pattern: str) -> str:
    steps = []
    for step in pattern.split("/"):
        if _GLOB.search(step):
            break
        steps.append(step)
    return "/".join(steps)


def _candidates(files: Iterable[str]) -> dict[str, bool]:
    """Every folder that could be an app, and whether it has an ``app.yml`` of its own."""
    folders: dict[str, bool] = {}
    for path in files:
        folder, _, name = path.rpartition("/")
        if name == APP_FILE:
            folders[folder] = True
        elif path.endswith(ENDINGS):
            for outer in (folder, *_outer(folder)):
                if folders.setdefault(outer, False) and outer != folder:
                    break
    return folders


def _outer(folder: str) -> Iterator[str]:
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


def _matches(pattern: str, candidates: dict[str, bool]) -> set[str]:
    if not _GLOB.search(pattern):
        return {pattern} & candidates.keys()
    expression = re.compile(_translate(pattern))
    found = {folder for folder in candidates if folder and expression.fullmatch(folder)}
    return {folder for folder in found if candidates[folder] or not found.intersection(_outer(folder))}


def _translate(pattern: str) -> str:
    """A glob as a regular expression: ``*`` and ``?`` stay in one step of the path, ``**`` is any number of steps."""
    steps = []
    for step in pattern.split("/"):
        if step == "**":
            steps.append(r"(?:[^/]+(?:/[^/]+)*)")
        else:
            parts = re.split(r"([*?])", step)
            steps.append("".join({"*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part)) for part in parts))
    return "/".join(steps)


def _divide(folders: Sequence[str], files: Iterable[str], others: Iterable[str]) -> list[AppFolder]:
    owned: dict[str, list[str]] = {folder: [] for folder in folders}
    strange: dict[str, list[str]] = {folder: [] for folder in folders}
    for paths, owners in ((files, owned), (others, strange)):
        for path in paths:
            for outer in _outer(path):
                if outer in owners:
                    owners[outer].append(path)
                    break
    return [AppFolder(path=folder, files=owned[folder], others=strange[folder]) for folder in folders]
