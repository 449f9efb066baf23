"""Checks that everything that was ever written is there: the database by itself, git against it, a remote against both.

A repair only adds: it drains the outbox, writes refs and tags again, and puts guards back. It changes no row and moves
no ref, so damage stays as it is for a person to examine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from promptops.core.errors import GitUnavailable, RegistryDamaged
from promptops.core.faults import Condition, Fault
from promptops.operations.unloadable import live_faults
from promptops.projection import draining, fsck
from promptops.projection import remote as remotes
from promptops.projection.chain import journal_ref
from promptops.projection.homes import Here, HomeRef, reach
from promptops.source.git import lock
from promptops.source.git.repository import Repository
from promptops.store import Registry, upgrade
from promptops.store.checks.checks import check_store

_ALONE_SECONDS = 10.0
"""Seconds that a repair waits for processes that write to git; after that it leaves their lock files alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FsckReport:
    """The faults that are left, those that were repaired, and notes on what could not be checked."""

    faults: tuple[Fault, ...]
    repaired: tuple[Fault, ...] = ()
    notes: tuple[str, ...] = ()

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


def check(place: RegistryLocation, *, remote: str = "", repair: bool = False) -> FsckReport:
    """Check a registry and the repository of its workspace, with a remote where one is named; repair what can be.

    Raises:
        Unavailable: the database cannot be opened at all.
    """
    faults, notes = _look(place, remote)
    if not repair or not faults:
        return FsckReport(faults=faults, notes=notes)
    more = _repair(place, faults, remote)
    left, notes = _look(place, remote)
    still = {(fault.code, fault.where) for fault in left}
    repaired = tuple(fault for fault in faults if (fault.code, fault.where) not in still)
    return FsckReport(faults=left, repaired=repaired, notes=(*notes, *more))


def _look(place: RegistryLocation, remote: str) -> tuple[tuple[Fault, ...], tuple[str, ...]]:
    try:
        with _opened(place) as registry:
            faults = (*check_store(registry), *_live_faults(registry))
            try:
                more, notes = _look_at_git(place, registry, remote)
            except RegistryDamaged as error:
                more, notes = (), (f"Git could not be compared with the database: {error.message}.",)
            return (*faults, *more), notes
    except RegistryDamaged:
        return check_store(place.url), ("The database cannot be opened, so git was not checked.",)


def _live_faults(registry: Registry) -> tuple[Fault, ...]:
    try:
        return live_faults(registry)
    except RegistryDamaged:
        return ()  # the checks of the database report the damage


def _look_at_git(place: RegistryLocation, registry: Registry, remote: str) -> tuple[tuple[Fault, ...], tuple[str, ...]]:
    if place.root is None:
        return (), ("There is no workspace here, so only the database was checked, and not git.",)
    if place.name != registry.name:
        return (), (f"The workspace here is of the registry '{place.name}', so only the database was checked.",)
    try:
        repository = Repository.open(place.root)
    except GitUnavailable as error:
        hint = f" {error.hint}" if error.hint else ""
        return (), (f"Only the database was checked, and not git: {error.message}.{hint}",)
    with closing(repository):
        home: HomeRef | None = None
        notes: tuple[str, ...] = ()
        try:
            home = _home(registry, repository)
            faults = fsck.check(registry, repository, home)
        except GitUnavailable as error:
            faults, notes = tuple(fsck.outbox(registry)), (f"Git was not checked: {error.message}.",)
        more = remotes.check_remote(registry, repository, remote, home) if remote else ()
        return (*faults, *more), (*notes, *repository.ignored())


def _home(registry: Registry, repository: Repository) -> HomeRef:
    with registry.read() as reader:
        home = reader.home()
    usual = Here(repository, journal_ref(registry.name))
    # A registry whose end was cut off may have lost the line that names the home.
    return usual if home is None and usual.tip() else reach(home, repository)


def _repair(place: RegistryLocation, faults: tuple[Fault, ...], remote: str) -> tuple[str, ...]:
    """Repair all that needs no decision; returns what prevented a repair."""
    codes = {fault.code for fault in faults}
    if codes & {"guard-missing", "schema-incomplete"}:
        upgrade(place.url)
    if place.root is None or "lineage-foreign" in codes:
        return ()
    try:
        with _opened(place) as registry:
            return _bring(place.root, registry, remote) if place.name == registry.name else ()
    except (GitUnavailable, RegistryDamaged) as error:
        return (error.message,)


def _bring(root: Path, registry: Registry, remote: str) -> tuple[str, ...]:
    with closing(Repository.open(root)) as repository:
        with repository.lock.alone(_ALONE_SECONDS) as alone:
            if alone:
                lock.remove_dead(repository.folder, fsck.lock_folders(repository))
        home = _home(registry, repository)
        fsck.restore(registry, repository, home)
        drained = draining.drain(registry, repository, home)
        if remote:
            remotes.exchange(registry, repository, remote, home)
    return tuple(f"{waiting.what} waits: {waiting.why}" for waiting in drained.waiting[: fsck.MOST])


@contextmanager
def _opened(place: RegistryLocation) -> Iterator[Registry]:
    """Opens the registry for checks, although its guards may be gone."""
    registry = Registry.open(place.url, allow_network_fs=place.allow_network_fs, check_guards=False)
    try:
        yield registry
    finally:
        registry.close()
