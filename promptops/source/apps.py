"""Finds the apps of a workspace, each with its files, from the folders that ``promptops.yml`` names.

An app is a folder that matches a pattern and has an ``app.yml`` or a prompt file. If apps are nested, a file belongs to
the innermost one. A glob matches whole folders, ``**`` one or more of them; without an ``app.yml`` of its own, a
folder inside a match is part of it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from promptops.source.app_file import APP_FILE
from promptops.source.glob import is_glob, matches
from promptops.source.prompt_file import ENDINGS
from promptops.source.tree import Tree, outer
from promptops.source.workspace import Workspace, clean


@dataclass(frozen=True, slots=True, kw_only=True)
class AppFolder:
    """The folder of an app: its path, the paths of its regular files, and those of other entries such as links."""

    path: str
    files: Sequence[str]
    others: Sequence[str] = ()

    def inside(self, path: str) -> str:
        """Returns a path relative to the app."""
        return path[len(self.path) + 1 :] if self.path else path


@dataclass(frozen=True, slots=True, kw_only=True)
class AppMatches:
    """The apps of a workspace, and the patterns that match no app, as written."""

    folders: Sequence[AppFolder]
    unmatched: Sequence[str]


def find_apps(tree: Tree, workspace: Workspace) -> AppMatches:
    """Finds the apps of a workspace."""
    patterns = {written: clean(written) for written in workspace.apps}
    roots = {_fixed_part(pattern) for pattern in patterns.values()}
    files = tree.files(*roots) if roots else ()
    candidates = _candidates(files)
    chosen: set[str] = set()
    unmatched = []
    for written, pattern in patterns.items():
        matched = _matches(pattern, candidates)
        chosen |= matched
        if not matched:
            unmatched.append(written)
    others = tree.others(*roots) if roots else ()
    return AppMatches(folders=_divide(sorted(chosen), files, others), unmatched=unmatched)


def is_prompt(path: str) -> bool:
    """Returns whether a path is that of a prompt file."""
    return path.endswith(ENDINGS)


def _fixed_part(pattern: str) -> str:
    steps = []
    for step in pattern.split("/"):
        if is_glob(step) or not step.isascii():  # the tree may write the same name in another way
            break
        steps.append(step)
    return "/".join(steps)


def _candidates(files: Iterable[str]) -> dict[str, bool]:
    """Returns every folder that could be an app, and whether it has an ``app.yml``."""
    folders: dict[str, bool] = {}
    for path in files:
        folder, _, name = path.rpartition("/")
        if name == APP_FILE:
            folders[folder] = True
        elif path.endswith(ENDINGS):
            for around in (folder, *outer(folder)):
                if folders.setdefault(around, False) and around != folder:
                    break
    return folders


def _matches(pattern: str, candidates: dict[str, bool]) -> set[str]:
    if not is_glob(pattern):
        return {pattern} & candidates.keys() or {name for name in candidates if _composed(name) == _composed(pattern)}
    matched = {folder for folder in candidates if folder and matches(_composed(pattern), _composed(folder))}
    return {folder for folder in matched if candidates[folder] or not matched.intersection(outer(folder))}


def _composed(path: str) -> str:
    """The path with each accented letter as one character. Some systems write the letter and its accent as two: the
    same name to people, and other bytes.
    """
    return path if path.isascii() else unicodedata.normalize("NFC", path)


def _divide(folders: Sequence[str], files: Iterable[str], others: Iterable[str]) -> list[AppFolder]:
    owned: dict[str, list[str]] = {folder: [] for folder in folders}
    strange: dict[str, list[str]] = {folder: [] for folder in folders}
    for paths, owners in ((files, owned), (others, strange)):
        for path in paths:
            for around in outer(path):
                if around in owners:
                    owners[around].append(path)
                    break
    return [AppFolder(path=folder, files=owned[folder], others=strange[folder]) for folder in folders]
