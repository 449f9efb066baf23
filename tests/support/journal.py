"""The journal in git, for tests: brings everything there, and reads what the branch has."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

from promptops import projection
from promptops.core.registry_key import endorse
from promptops.core.signing import PrivateKey
from promptops.operations import git_sync
from promptops.operations.git_sync import Synced
from promptops.operations.homes import Changed, Declared
from promptops.operations.journal_key import KeyRequest, journal_key, set_journal_key
from promptops.projection import Drained
from promptops.projection.homes import Here
from promptops.projection.objects import link
from promptops.source.git.repository import Repository
from promptops.store import Registry
from promptops.store.facts.record import Record
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


def write_signed(
    records: Sequence[Record], root: Path, key_of: Callable[[int], PrivateKey | None], after: str = "", ref: str = REF
) -> str:
    """Writes records as a chain on top of a commit, each line signed with the key of its number; moves the ref there,
    if there is one, and returns the newest commit."""
    with closing(Repository.open(root)) as repository:
        git_refs = repository.refs
        for record in records:
            key = key_of(record.audit.seq)
            sign = partial(key.sign, namespace="git") if key else None
            made = link(record, git_refs.algorithm, *([after] if after else []), sign=sign)
            git_refs.write(list(made.objects))
            after = made.sha
    if ref:
        git(root, "update-ref", ref, after)
    return after


def set_key(registry: Registry, key: PrivateKey | None, *, by: PrivateKey | None = None, required: bool = False) -> int:
    """Sets the key of a registry, or none; ``by`` endorses it. Returns the number of the line that says so."""
    number, public = journal_key(registry).number + 1, key.public if key else ""
    signed = endorse(by, registry.lineage, number, public, required=required) if by else ""
    request = KeyRequest(
        number=number,
        public_key=public,
        required=required,
        endorsement=signed,
        without_previous=by is None,
        reason="" if by else "for the tests",
    )
    set_journal_key(registry, request, actor=ACTOR, now=START)
    with registry.read() as reader:
        return reader.audit_head()[0]


def records_of(registry: Registry) -> list[Record]:
    with registry.read() as reader:
        return list(reader.facts(reader.journal()))
