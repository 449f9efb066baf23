"""The home of the journal: the repository in which a registry's history lives, named once and changed on purpose."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.errors import GitUnavailable, Invalid, PromptopsError, RegistryMismatch
from promptops.core.origin import address_of
from promptops.projection.archive import REGISTRY
from promptops.projection.chain import Position, journal_ref
from promptops.projection.draining import bring
from promptops.projection.homes import Elsewhere, Here, HomeRef, hint_of, make_home_id, reach
from promptops.projection.keyring import Unlock, no_key
from promptops.projection.objects import ROOT
from promptops.source.git.refs import Refs, require_address
from promptops.source.git.repository import Repository
from promptops.store.facts.home import Home

if TYPE_CHECKING:
    from promptops.store import Registry, Writer


_TRIES = 20
"""How often the journal is brought to a new home again because the one before it got newer lines meanwhile."""

_TELLING_SECONDS = 10.0
"""Seconds for which the home before is waited for, to learn that there is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What promptops.yml says of the way to git: its registry, the address of the home and the ref of the journal."""

    registry: str
    git: str = ""
    ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Who changes something, when, and the private key of the process, with which it signs the journal."""

    actor: str
    at: datetime
    unlock: Unlock = no_key


def settle(registry: Registry, repository: Repository, declared: Declared, changed: Changed, *, claim: bool) -> HomeRef:
    """Returns the home of the journal as a repository reaches it. Where none was named yet, names one:
    the address in promptops.yml, or this repository, if ``claim`` is set, it has the refs that an older promptops
    wrote, or the registry's own file lies in it.

    Raises:
        RegistryMismatch: promptops.yml names another home than the registry.
        NotTheHome: no home was named, or it is another workspace.
    """
    with registry.read() as reader:
        home = reader.home()
    if home is not None:
        _require_same(home, declared)
    elif declared.git or claim or _was_home(registry, repository):
        home = name_home(registry, repository, declared, changed, first=True)
    return reach(home, repository)


def name_home(
    registry: Registry,
    repository: Repository,
    declared: Declared,
    changed: Changed,
    *,
    reason: str = "",
    first: bool = False,
) -> Home:
    """Bring the whole journal to a home, and record it: the address that is declared, or this repository itself.

    If it is to be the ``first`` and another process names one meanwhile, that is returned.

    Raises:
        Invalid: git may not be sent to the address. RegistryMismatch: something else is there.
        GitUnavailable: it cannot be reached.
    """
    ref = declared.ref or journal_ref(registry.name)
    place: HomeRef = Here(repository, ref)
    if declared.git:
        place = Elsewhere(repository.refs, _address(declared.git), ref)
    workspace = "" if declared.git else make_home_id(repository)
    for _ in range(_TRIES):
        at = _bring_all(registry, repository, place, changed.unlock)
        with registry.read() as reader:
            before = reader.home()
        if first and before is not None:
            return before
        home = Home(
            number=before.number + 1 if before else 1,
            ref=ref,
            address=declared.git,
            workspace=workspace,
            hint="" if declared.git else hint_of(repository),
            actor=changed.actor,
            at=changed.at,
            reason=reason,
        )
        if registry.write(partial(_name, home=home, before=str(before or ""), at=at, git=repository.refs)):
            return home
    raise GitUnavailable(f"changes are brought to {before} all the time", hint="Try again when there are fewer.")


def _address(address: str) -> str:
    """Returns the address of a home. It goes to the audit log and to git, so there must be no secret in it.

    Raises:
        Invalid: git may not be sent there, or a user of http or a password is in it.
    """
    if Path(address).is_absolute():
        return address
    parts = urlsplit(require_address(address))
    if parts.password is not None or (parts.scheme in ("http", "https") and parts.username is not None):
        raise Invalid(
            "the address of the home has a user or a password in it, and the journal shows it to every reader",
            hint="Leave it out of the address: git asks its credential helper.",
        )
    return address


def _bring_all(registry: Registry, repository: Repository, place: HomeRef, unlock: Unlock) -> Position:
    brought = bring(registry, repository, place, new=True, unlock=unlock)
    if brought.locked:
        raise GitUnavailable(f"the journal cannot be brought to {place.where} by this process: {brought.locked}")
    if brought.alarms:
        raise RegistryMismatch(
            f"{place.where} cannot be the home of the journal: {brought.alarms[0].what}",
            hint=Sentence("Name another ref with `journal:` in promptops.yml, or ", Advice(Action.SET_HOME), "."),
        )
    return brought.at


def _name(writer: Writer, home: Home, before: str, at: Position, git: Refs) -> bool:
    """Record the home, and what is there as drained; False if the home has newer lines by now, or is another."""
    if not at.seq or writer.lock_drained(git.algorithm) > at.seq:
        return False
    known = writer.home()
    if home.number != (known.number + 1 if known else 1):
        return False
    writer.record(home, before=before)
    writer.drain(git.algorithm, at.seq, at.sha)
    return True


def change_home(
    registry: Registry, root: Path, declared: Declared, changed: Changed, *, reason: str
) -> tuple[Home | None, Home]:
    """Make another repository the home: the declared address, or the repository of this workspace without one.

    Returns the home before and the new one. The whole journal is there before it counts. The one before gets the line
    that names it, if it can be reached: who has only a backup from before the move finds the way.

    Raises:
        Invalid: git may not be sent to the address. RegistryMismatch, GitUnavailable
    """
    with registry.read() as reader:
        before = reader.home()
    with closing(Repository.open(root)) as repository:
        home = name_home(registry, repository, declared, changed, reason=reason)
        if before is not None:
            repository.patience.limit(_TELLING_SECONDS)
            # The home before may be gone: that is why homes move.
            with suppress(PromptopsError):
                bring(registry, repository, reach(before, repository), new=True, unlock=changed.unlock)
        return before, home


def _require_same(home: Home, declared: Declared) -> None:
    same = declared.git == home.address or address_of(declared.git) == address_of(home.address) != ""
    if declared.git and not same:
        raise RegistryMismatch(
            f"promptops.yml names {declared.git} as the home of the journal, and it is {home}",
            hint=Sentence("Write that into promptops.yml, or ", Advice(Action.SET_HOME, words="move the home"), "."),
        )


def _was_home(registry: Registry, repository: Repository) -> bool:
    """True if an older promptops brought this registry's history here, or the registry is a file of this workspace."""
    if registry.path is not None and registry.path.is_relative_to(repository.root):
        return True
    return f"{ROOT}{REGISTRY}{registry.lineage}" in repository.refs.list(f"{ROOT}{REGISTRY}")
