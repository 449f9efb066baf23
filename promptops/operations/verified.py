"""Where a check of a registry may begin: behind what this machine has verified, if database and git still have that.

An earlier check counts for one database and one repository, as often as the database had come back from a backup by
then. Its newest line has to be in the audit log with the same hash, and the commit of it in the chain at the home.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from promptops._version import __version__
from promptops.core.faults import Fault
from promptops.operations.remembered import behind, database_of, lost
from promptops.projection.chain import START, Position
from promptops.projection.fsck import Chain, read_chain
from promptops.projection.keyring import Keyring, unverified
from promptops.source.git.refs import is_id
from promptops.source.vouched import Checked, Vouched, read, update
from promptops.store.checks.verified import NOTHING, Verified, rows_up_to
from promptops.store.facts.epoch import EpochInfo

if TYPE_CHECKING:
    from promptops.projection.homes import HomeRef
    from promptops.source.git.refs import Refs
    from promptops.source.git.repository import Repository
    from promptops.store import Registry

_AGAIN = frozenset({"outbox-pending", "lock-stale", "remote-silent", "remote-behind", "remote-ahead"})
"""Faults that are not about verified lines, so that the next check finds them as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """What a check need not read again, and when the first of it was verified; None if it reads everything.

    ``faults`` are of lines that were verified here and that the database has lost.
    """

    verified: Verified = NOTHING
    at: datetime | None = None
    chain: Chain | None = None
    faults: tuple[Fault, ...] = ()


def begin(registry: Registry, repository: Repository, home: HomeRef, *, everything: bool) -> Begin:
    """Returns where a check may begin; at the first line if it is to read ``everything``.

    Raises:
        GitUnavailable: the home does not answer. RegistryDamaged: the database cannot be read.
    """
    known = _known(registry, repository)
    faults = (lost(registry, known.seq, known.hash) if known else ()) or behind(registry)
    usable = known is not None and not everything and not faults and known.version == __version__
    at = Position(seq=known.seq, sha=known.sha) if known is not None and usable else START
    chain = read_chain(repository.refs, home, at)
    if known is None or not chain.begin.seq:
        return Begin(chain=chain, faults=faults)
    return Begin(verified=Verified(seq=known.seq, hash=known.hash, rows=known.rows), at=known.at, chain=chain)


def keep(registry: Registry, repository: Repository, begin: Begin, faults: tuple[Fault, ...], now: datetime) -> None:
    """Remember on this machine that every line which the home has was checked.

    If anything was wrong, forget what was, so that the next check finds the same; but not that lines were lost.
    """
    chain, place = begin.chain, _place(registry, repository)
    if {fault.code for fault in faults} - _AGAIN:
        if not begin.faults:
            update(registry.lineage, lambda known: _without(known, place))
        return
    if chain is None or not chain.shas or chain.tip != chain.shas[-1] or unverified(registry):
        return
    at = Position(seq=len(chain.shas), sha=chain.tip)
    with registry.read() as reader:
        line, epoch, rows = reader.journal([at.seq]), reader.epoch(), rows_up_to(reader, at.seq)
    if line:
        hash_, since = line[0].audit.hash, begin.at or now
        checked = Checked(
            seq=at.seq, hash=hash_, sha=at.sha, at=since, place=place, epoch=epoch, version=__version__, rows=rows
        )
        vouch(registry, repository.refs, at, checked)


def vouch(registry: Registry, git: Refs, at: Position, *checked: Checked) -> None:
    """Remember on this machine that the journal is right up to a line, by the database, and the key in force now.

    No key from before is believed any longer: it may have been replaced because it was stolen. The line that is known
    is replaced by one of a lower number only if a restore left it behind, or the registry came back without it.
    """
    at = _before_its_epoch(registry, git, at)
    with registry.read() as reader:
        lines = reader.journal([at.seq])
        key, epoch = Keyring(reader.registry_keys()).key_in_force, reader.epoch()
    known = read(registry.lineage)
    gone = known if known.seq > at.seq and _is_left_behind(registry, git, known) else None

    def change(known: Vouched) -> Vouched:
        came_back = 0 < known.epoch < epoch
        newest = known
        if lines and (known.seq <= at.seq or came_back or (gone and known.sha == gone.sha)):
            line = replace(known, seq=at.seq, hash=lines[0].audit.hash, sha=at.sha)
            newest = replace(line, epoch=epoch, database=database_of(registry))
        return replace(newest, keys=(key,) if key else ()).with_check(*checked)

    update(registry.lineage, change)


def _without(known: Vouched, place: str) -> Vouched:
    return replace(known, checked=tuple(each for each in known.checked if each.place != place))


def _before_its_epoch(registry: Registry, git: Refs, at: Position) -> Position:
    """Returns the newest line up to a position that is more than the beginning of an epoch.

    A rebuild that was made to compare begins one as well, which the registry that lives never has: without it nothing
    is lost. It counts where it leaves lines of the journal behind.
    """
    with registry.read() as reader:
        end = at.seq
        # The name comes first: a drain ends with any fact, and a release may be a mebibyte.
        while (line := reader.journal([end])) and line[0].ref.startswith("epochs/"):
            record = next(iter(reader.facts(line)), None)
            if record is None or not isinstance(record.fact, EpochInfo) or record.fact.leaves:
                break
            end -= 1
    if end == at.seq:
        return at
    before = next(git.read([f"{at.sha}~{at.seq - end}"], most=0))
    return Position(seq=end, sha=before.sha) if before else at


def _is_left_behind(registry: Registry, git: Refs, known: Vouched) -> bool:
    """True if a line that was verified is one of those that a restore of the registry left behind."""
    with registry.read() as reader:
        left = reader.left_behind()
    return any(known.sha in {sha for sha, _ in git.history(tip)} for tip in left if git.has(tip))


def _known(registry: Registry, repository: Repository) -> Checked | None:
    """The last check of this database and this repository, since the database came back from a backup last."""
    place = _place(registry, repository)
    known = next((each for each in read(registry.lineage).checked if each.place == place), None)
    if known is None or not is_id(known.sha) or known.seq < 1:
        return None
    with registry.read() as reader:
        return known if reader.epoch() == known.epoch else None


def _place(registry: Registry, repository: Repository) -> str:
    """Stands for a database and a repository. The URL of a database may name a user, so it is not in the file."""
    return hashlib.sha256(f"{registry.url}\n{repository.folder}".encode()).hexdigest()
