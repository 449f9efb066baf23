"""The journal in git, for tests: brings everything there, and reads what the branch has."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path

from promptops import projection
from promptops.operations import git_sync
from promptops.operations.git_sync import Synced
from promptops.operations.homes import Changed, Declared
from promptops.projection import Drained
from promptops.projection.homes import Here
from promptops.source.git.repository import Repository
from promptops.store import Registry
from tests.support.factory import ACTOR, NAME, START, git

BRANCH = f"promptops/{NAME}"
REF = f"refs/heads/{BRANCH}"


def drain(registry: Registry, repository: Repository, *, limit: int | None = None) -> Drained:
    """Brings everything to the journal of this repository, whichever its home is."""
    return projection.drain(registry, repository, Here(repository, REF), limit=limit)


def sync(registry: Registry, root: Path, *, remote: str = "", at: datetime = START) -> Synced:
    """`promptops sync` in a workspace, whose repository becomes the home if there is none yet."""
    return git_sync.sync(registry, root, Declared(registry=NAME), Changed(actor=ACTOR, at=at), remote=remote)


def bring(registry: Registry, root: Path) -> None:
    """Brings everything to the journal of the repository in a folder."""
    with closing(Repository.open(root)) as repository:
        drained = drain(registry, repository)
    assert (drained.alarms, drained.pending) == ((), 0)


def commits(root: Path) -> list[str]:
    """The commits of the journal, the first line's first."""
    return git(root, "rev-list", "--first-parent", "--reverse", REF).splitlines()


def names(root: Path) -> list[str]:
    """The names of the facts in the journal, in order."""
    return [json.loads(git(root, "show", f"{sha}:record.json"))["ref"] for sha in commits(root)]


def commit_of(root: Path, name: str) -> str:
    """The commit of a fact by its name."""
    return commits(root)[names(root).index(name)]
