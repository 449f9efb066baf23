"""Apps that the last commit has and the files have not, for `check`: renamed, moved or removed.

What the registry knows of them, `release` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.errors import PromptopsError
from promptops.core.finding import Finding, Severity

if TYPE_CHECKING:
    from promptops.source.load import AppSource, Loaded


def vanished(root: Path, loaded: Loaded) -> Iterator[Finding]:
    """Yields a finding for each app of the last commit that the workspace does not have; none outside of git."""
    gone, known = _committed(root, loaded)
    for before in gone:
        twin = next((app.name for app in loaded.apps if app.name not in known and _same(before, app)), "")
        step = f"promptops app rename {before.name} {twin}" if twin else f"promptops app archive {before.name}"
        yield Finding(
            code="app-vanished",
            severity=Severity.WARNING,
            path="promptops.yml",
            line=1,
            column=1,
            message=f"the app '{before.name}' is in the last commit and not in the files"
            + (f"; '{twin}' has the same content" if twin else ""),
            hint=f"If it was released: {step} --reason …",
        )


def _committed(root: Path, loaded: Loaded) -> tuple[tuple[AppSource, ...], frozenset[str]]:
    """Returns the apps that only the last commit has, and the names of all that it has."""
    from promptops.operations.build import workspace_folder
    from promptops.source.git.repository import Repository
    from promptops.source.load import load

    try:
        with closing(Repository.open(root)) as repository:
            sha = repository.resolve().sha
            tree = repository.tree(sha, workspace_folder(repository, root, sha))
            known = frozenset(load(tree, apps=()).known)
            gone = known.difference(loaded.known)
            return load(tree, apps=gone).apps if gone else (), known
    except PromptopsError:
        return (), frozenset()  # no repository, no commit, or one without a workspace: nothing can have vanished


def _same(before: AppSource, app: AppSource) -> bool:
    return before.content is not None and replace(before.content, app=app.name) == app.content
