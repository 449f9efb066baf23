"""Checks that everything that was ever written is there: the database by itself, git against it, a remote against both.

A repair only adds: it drains the outbox, writes refs and tags again, and puts guards back. It changes no row and moves
no ref, so damage stays as it is for a person to examine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from promptops.core.errors import GitUnavailable, RegistryDamaged
from promptops.core.faults import Condition, Fault
from promptops.operations import verified
from promptops.operations.remembered import COPY, behind
from promptops.operations.unloadable import live_faults
from promptops.operations.verified import Begin
from promptops.projection import draining, fsck
from promptops.projection import remote as remotes
from promptops.projection.chain import journal_ref
from promptops.projection.homes import Here, HomeRef, reach
from promptops.projection.keyring import Unlock, no_key, unverified, unvouched
from promptops.source.git import lock
from promptops.source.git.repository import Repository
from promptops.store import Registry, upgrade
from promptops.store.checks.checks import check_store
from promptops.store.checks.journal_checks import PageCheck

_ALONE_SECONDS = 10.0
"""Seconds that a repair waits for processes that write to git; after that it leaves their lock files alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The lines of the audit log that a check read: those before ``first`` were verified before, from this time on."""

    first: int
    last: int
    verified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FsckReport:
    """The faults that are left, those that were repaired, and notes on what could not be checked.

    ``extent`` is None for a database whose end is not known.
    """

    faults: tuple[Fault, ...]
    repaired: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()
    extent: Extent | None = field(default=None, compare=False)

    @property
    def exit_code(self) -> int:
        """0: no faults. 1: a fault was repaired, or is only pending work. 2: damage."""
        if any(fault.severity is Condition.DAMAGE for fault in self.faults):
            return 2
        return 1 if self.faults or self.repaired else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryLocation:
    """The registry's URL, and the workspace with the name of its registry; ``root`` is None outside of one."""

    url: str
    root: Path | None = None
    name: str = ""
    allow_network_fs: bool = False


def check(
    place: RegistryLocation,
    *,
    remote: str = "",
    repair: bool = False,
    everything: bool = True,
    now: datetime | None = None,
    unlock: Unlock = no_key,
) -> FsckReport:
    """Check a registry and the repository of its workspace, with a remote where one is named; repair what can be.

    Unless ``everything`` is to be read, it begins behind what this machine has verified of the registry. With the time
    ``now`` it remembers what it verified. A repair always reads everything, and signs lines that it writes again with
    the key of ``unlock``.

    Raises:
        Unavailable: the database cannot be opened at all.
    """
    found = _look(place, remote, everything=everything or repair, now=now)
    if not repair or not found.faults:
        return found
    more = _repair(place, found.faults, remote, unlock)
    left = _look(place, remote, everything=True, now=now)
    still = {(fault.code, fault.where) for fault in left.faults}
    repaired = tuple(fault for fault in found.faults if (fault.code, fault.where) not in still)
    return replace(left, repaired=repaired, notes=(*left.notes, *more))


def _look(place: RegistryLocation, remote: str, *, everything: bool, now: datetime | None) -> FsckReport:
    try:
        with _opened(place) as registry, _git_of(place, registry) as git:
            begin = git.begin(everything=everything, memory=now is not None)
            extent = _extent(registry, begin)
            facts = PageCheck(last=begin.verified.seq)
            of_git = git.faults(begin.chain, remote, facts)
            if COPY in {fault.code for fault in begin.faults}:  # it says what git has more
                of_git = tuple(fault for fault in of_git if fault.code != "registry-behind")
            of_store = check_store(registry, since=begin.verified, facts=facts)
            faults = (*of_store, *_live_faults(registry), *begin.faults, *of_git)
            if now is not None and git.repository is not None:
                verified.keep(registry, git.repository, begin, faults, now)
            return FsckReport(faults=faults, notes=git.notes(), extent=extent)
    except RegistryDamaged:
        notes = ("The database cannot be opened, so git was not checked.",)
        return FsckReport(faults=check_store(place.url), notes=notes)


def _live_faults(registry: Registry) -> tuple[Fault, ...]:
    try:
        return live_faults(registry)
    except RegistryDamaged:
        return ()  # the checks of the database report the damage


def _extent(registry: Registry, begin: Begin) -> Extent | None:
    try:
        with registry.read() as reader:
            last, _ = reader.audit_head()
    except RegistryDamaged:
        return None  # the same
    return Extent(first=begin.verified.seq + 1, last=last, verified_at=begin.at)


@dataclass(slots=True)
class _Git:
    """The repository of a workspace as far as it can be checked, and the ``problem`` why not all of it can.

    ``unread`` are the faults of a chain that git cannot read; ``rebuilt`` is what git does not have on purpose.
    """

    registry: Registry
    repository: Repository | None = None
    home: HomeRef | None = None
    problem: str = ""
    unread: tuple[Fault, ...] = ()
    rebuilt: tuple[str, ...] = ()

    def begin(self, *, everything: bool, memory: bool) -> Begin:
        """Where the check may begin; at the first line if the chain cannot be read, or without ``memory``."""
        if self.repository is None or self.home is None:
            return Begin()
        try:
            if not memory:
                return Begin(chain=fsck.read_chain(self.repository.refs, self.home))
            return verified.begin(self.registry, self.repository, self.home, everything=everything)
        except GitUnavailable as error:
            self.unread = fsck.unreadable(error, self.home)
        except RegistryDamaged as error:
            self.problem = _not_compared(error)
        return Begin()

    def faults(self, chain: fsck.Chain | None, remote: str, facts: PageCheck) -> tuple[Fault, ...]:
        """What is wrong with git, compared with the database."""
        if self.repository is None:
            return ()
        try:
            if self.home is None:
                faults = tuple(fsck.outbox(self.registry))
            else:
                faults = fsck.check(self.registry, self.repository, self.home, chain, facts) if chain else self.unread
            self.rebuilt = fsck.rebuilt(self.registry)
            more = remotes.check_remote(self.registry, self.repository, remote, self.home) if remote else ()
        except RegistryDamaged as error:
            self.problem = _not_compared(error)
            return ()
        return (*faults, *more)

    def notes(self) -> tuple[str, ...]:
        """What was not checked, and what of git is not believed."""
        problem = (self.problem,) if self.problem else ()
        if self.repository is None or self.home is None:
            return (*problem, *(self.repository.ignored() if self.repository else ()))
        of_git = (*unverified(self.registry), *unvouched(self.registry), *self.repository.ignored())
        return (*problem, *self.rebuilt, *of_git)


@contextmanager
def _git_of(place: RegistryLocation, registry: Registry) -> Iterator[_Git]:
    """The repository of the workspace and the home of the journal, as far as these can be reached."""
    git = _Git(registry)
    if place.root is None:
        git.problem = "There is no workspace here, so only the database was checked, and not git."
    elif place.name != registry.name:
        git.problem = f"The workspace here is of the registry '{place.name}', so only the database was checked."
    else:
        try:
            git.repository = Repository.open(place.root)
        except GitUnavailable as error:
            hint = f" {error.hint}" if error.hint else ""
            git.problem = f"Only the database was checked, and not git: {error.message}.{hint}"
    if git.repository is None:
        yield git
        return
    with closing(git.repository):
        try:
            git.home = _home(registry, git.repository)
        except GitUnavailable as error:
            git.problem = f"Git was not checked: {error.message}."
        except RegistryDamaged as error:
            git.problem = _not_compared(error)
        yield git


def _not_compared(error: RegistryDamaged) -> str:
    return f"Git could not be compared with the database: {error.message}."


def _home(registry: Registry, repository: Repository) -> HomeRef:
    with registry.read() as reader:
        home = reader.home()
    usual = Here(repository, journal_ref(registry.name))
    # A registry whose end was cut off may have lost the line that names the home.
    return usual if home is None and usual.tip() else reach(home, repository)


def _repair(place: RegistryLocation, faults: tuple[Fault, ...], remote: str, unlock: Unlock) -> tuple[str, ...]:
    """Repair all that needs no decision; returns what prevented a repair."""
    codes = {fault.code for fault in faults}
    if codes & {"guard-missing", "schema-incomplete"}:
        upgrade(place.url)
    if place.root is None or "lineage-foreign" in codes:
        return ()
    try:
        with _opened(place) as registry:
            if place.name != registry.name:
                return ()
            if lost := behind(registry):  # nothing of it goes to git, as in a sync
                return (f"Nothing was brought to git: {lost[0].what}.",)
            return _bring(place.root, registry, remote, unlock)
    except (GitUnavailable, RegistryDamaged) as error:
        return (error.message,)


def _bring(root: Path, registry: Registry, remote: str, unlock: Unlock) -> tuple[str, ...]:
    with registry.read() as reader:
        named = reader.home()
    refs = (named.ref,) if named and not named.address else ()
    with closing(Repository.open(root)) as repository:
        with repository.lock.alone(_ALONE_SECONDS) as alone:
            if alone:
                lock.remove_dead(repository.folder, fsck.lock_folders(repository), refs)
        home = _home(registry, repository)
        locked = fsck.restore(registry, repository, home, unlock)
        drained = draining.drain(registry, repository, home, unlock=unlock)
        if remote:
            remotes.exchange(registry, repository, remote, home)
    waits = [f"{waiting.what} waits: {waiting.why}" for waiting in drained.waiting[: fsck.MOST]]
    lost = [f"Lines of the journal that are lost were not written again: {locked}."] if locked else []
    return (*lost, *waits)


@contextmanager
def _opened(place: RegistryLocation) -> Iterator[Registry]:
    """Opens the registry for checks, although its guards may be gone."""
    registry = Registry.open(place.url, allow_network_fs=place.allow_network_fs, check_guards=False)
    try:
        yield registry
    finally:
        registry.close()
