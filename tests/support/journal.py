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
from promptops.projection.keyring import Unlock, no_key
from promptops.projection.objects import link
from promptops.source.git.repository import Repository
from promptops.store import Registry
from promptops.store.facts.record import Record
from tests.support.factory import ACTOR, NAME, START, git, minutes
from tests.support.signing import signing_key

BRANCH = f"promptops/{NAME}"
REF = f"refs/heads/{BRANCH}"


def drain(registry: Registry, repository: Repository, *, limit: int | None = None, unlock: Unlock = no_key) -> Drained:
    """Brings everything to the journal of this repository, whichever its home is."""
    return projection.drain(registry, repository, Here(repository, REF), limit=limit, unlock=unlock)


def sync(registry: Registry, root: Path, *, remote: str = "", at: datetime = START, unlock: Unlock = no_key) -> Synced:
    """`promptops sync` in a workspace, whose repository becomes the home if there is none yet."""
    changed = Changed(actor=ACTOR, at=at, unlock=unlock)
    return git_sync.sync(registry, root, Declared(registry=NAME), changed, remote=remote)


def set_key(registry: Registry, number: int = 0, *, required: bool = False, off: bool = False) -> None:
    """Signs the journal with a key of the tests from now on, or not any more; the one in force signs for that."""
    state = journal_key(registry)
    key = "" if off else signing_key(number).public
    by = next((signing_key(each) for each in range(9) if signing_key(each).public == state.key), None)
    following = state.number + 1
    endorsement = endorse(by, registry.lineage, following, key, required=required) if by else ""
    request = KeyRequest(number=following, public_key=key, required=required, endorsement=endorsement)
    assert set_journal_key(registry, request, actor=ACTOR, now=minutes(60)).changed


def unlocked(number: int = 0) -> Unlock:
    """A process that has this private key."""
    return lambda: signing_key(number)


def unsigned(root: Path) -> list[str]:
    """The names of the lines of the journal that no key signed."""
    pairs = zip(commits(root), names(root), strict=True)
    return [name for sha, name in pairs if "gpgsig" not in git(root, "cat-file", "-p", sha)]


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


def put_key(registry: Registry, key: PrivateKey | None, *, by: PrivateKey | None = None, required: bool = False) -> int:
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
