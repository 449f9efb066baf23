"""The repository in which the journal lives, as this machine reaches it: a ref here, or a ref of another repository."""

from __future__ import annotations

import os
import re
import shlex
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import Conflict, GitUnavailable
from promptops.files import name_file, scratch
from promptops.source.git.refs import Refs
from promptops.store.facts.home import Home

if TYPE_CHECKING:
    from promptops.source.git.repository import Repository

_FILE = "promptops-home"
_FETCHED = "refs/promptops-remotes/home"
"""Where the chain of a home elsewhere is kept; nothing there is believed before it was compared with the registry."""


_LOCKED = re.compile(r"Unable to create '(?P<file>[^']+\.lock)': File exists")


class NotTheHome(GitUnavailable):
    """The home of the journal is another workspace, or none was named yet; so changes wait for a sync there."""


class HomeRef(Protocol):
    """The ref of the chain at its home."""

    @property
    def ref(self) -> str:
        """The name of the ref."""

    @property
    def where(self) -> str:
        """Where that is, for messages."""

    def is_named(self, home: Home) -> bool:
        """True if this is the home that the registry names."""

    def tip(self) -> str:
        """Returns the newest commit of the chain, which is in the repository here then; empty without one."""

    def advance(self, new: str, old: str, tags: Mapping[str, str]) -> bool:
        """Moves the ref forward, and creates these tags in the repository here if all of that is possible at once.

        Returns False if nothing was done: the ref is elsewhere by now, or a tag exists.
        """


@dataclass(frozen=True, slots=True)
class Here:
    """The chain of this repository."""

    repository: Repository
    ref: str

    @property
    def where(self) -> str:
        return self.ref.removeprefix("refs/heads/")

    def is_named(self, home: Home) -> bool:
        return (home.ref, home.workspace) == (self.ref, home_id(self.repository)) and not home.address

    def tip(self) -> str:
        return self.repository.refs.tip(self.ref)

    def advance(self, new: str, old: str, tags: Mapping[str, str]) -> bool:
        if self.ref in self.repository.checked_out():
            branch = self.where
            raise GitUnavailable(
                f"the branch '{branch}' is checked out, so the journal is not moved",
                hint="git switch to your own branch.",
            )
        return self.repository.refs.advance(self.ref, new, old, tags)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The chain of another repository, which this one fetches from and pushes to."""

    git: Refs
    address: str
    ref: str

    @property
    def where(self) -> str:
        return f"{self.ref.removeprefix('refs/heads/')} of {self.address}"

    def is_named(self, home: Home) -> bool:
        return (home.ref, home.address) == (self.ref, self.address)

    def tip(self) -> str:
        sha = self.git.list_remote(self.address, self.ref).get(self.ref, "")
        there = not sha or self.git.has(sha)
        complaint = "" if there else self.git.fetch(self.address, [f"+{self.ref}:{_FETCHED}"])
        if complaint:
            raise GitUnavailable(f"git fetch from {self.address} failed: {complaint}")
        return sha

    def advance(self, new: str, old: str, tags: Mapping[str, str]) -> bool:
        if tags:
            return False
        refused = self.git.push_commit(self.address, new, self.ref)
        if refused and self.git.list_remote(self.address, self.ref).get(self.ref, "") == old:
            raise _refusal(self.address, refused)
        return not refused


def _refusal(address: str, why: str) -> GitUnavailable:
    """Returns the error for a push that the home refused; it names the lock that a git which was killed there left."""
    lock = _LOCKED.search(why)
    if lock is None:
        return GitUnavailable(f"the home of the journal, {address}, refuses it: {why}")
    file = os.path.normpath(lock["file"])
    return GitUnavailable(
        f"the home of the journal, {address}, has a lock file that keeps the journal from being written: {file}",
        hint=f"A git that is killed leaves one. Remove it there once no git is running: rm {shlex.quote(file)}",
    )


def home_id(repository: Repository) -> str:
    """Returns the random id by which a repository is known as a home; empty if it was never one."""
    try:
        return (repository.folder / _FILE).read_text(encoding="ascii").strip()[:64]
    except (OSError, ValueError):
        return ""


def make_home_id(repository: Repository) -> str:
    """Returns the id of a repository, and gives it one if it has none.

    Raises:
        GitUnavailable: the git folder cannot be written.
    """
    if known := home_id(repository):
        return known
    try:
        with scratch(repository.folder) as folder, suppress(Conflict):  # if another process was faster, its id counts
            part = folder / _FILE
            part.write_text(f"{uuid.uuid4().hex}\n", encoding="ascii")
            name_file(part, repository.folder / _FILE)
    except OSError as error:
        raise GitUnavailable(f"{repository.folder} cannot be written: {error.strerror or error}") from error
    return home_id(repository)


def reach(home: Home | None, repository: Repository) -> HomeRef:
    """Returns the ref of the home as this repository reaches it.

    Raises:
        NotTheHome: it is a workspace that is not this one, or no home was named yet.
    """
    if home is None:
        raise NotTheHome(
            "no repository is the home of the journal yet",
            hint=Sentence(Advice(Action.SYNC, words="A sync"), " in the workspace that keeps it makes it one."),
        )
    if home.address:
        return Elsewhere(repository.refs, home.address, home.ref)
    if home.workspace != home_id(repository):
        raise NotTheHome(
            f"the home of the journal is another workspace: {home.hint}",
            hint=Sentence(
                Advice(Action.SYNC, words="A sync"),
                " there brings changes to git. So that every clone can: ",
                Advice(Action.SET_HOME, words="name a home that all of them reach", address="URL"),
                ".",
            ),
        )
    return Here(repository, home.ref)


def hint_of(repository: Repository) -> str:
    """Returns the path of a repository for messages about its home, with the name of this machine."""
    import platform

    return f"{platform.node()}:{Path(repository.root)}"[:500]
