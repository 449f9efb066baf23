"""Where a check of a registry may begin: behind what this machine has verified, if database and git still have that.

An earlier check counts for one database, as often as it had come back from a backup by then. Its newest line has to be
in the audit log with the same hash, and the commit of that line in the chain at the home.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from promptops.core.faults import Fault
from promptops.projection.chain import Position
from promptops.projection.fsck import Chain, read_chain
from promptops.projection.keyring import Keyring, unverified
from promptops.source.git.refs import is_id
from promptops.source.vouched import Checked, Vouched, read, remember
from promptops.store.checks.verified import NOTHING, Verified, rows_up_to

if TYPE_CHECKING:
    from promptops.projection.homes import HomeRef
    from promptops.source.git.refs import Refs
    from promptops.store import Registry

_AGAIN = frozenset({"outbox-pending", "lock-stale", "remote-silent", "remote-behind", "remote-ahead"})
"""Faults that are not about verified lines, so that the next check finds them as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """What a check need not read again, and when the first of it was verified; None if it reads everything."""

    verified: Verified = NOTHING
    at: datetime | None = None
    chain: Chain | None = None


def begin(registry: Registry, git: Refs, home: HomeRef) -> Begin:
    """Returns where a check may begin.

    Raises:
        GitUnavailable: the home does not answer. RegistryDamaged: the database cannot be read.
    """
    known = read(registry.lineage).checked
    if known is None or not _fits(registry, known):
        return Begin(chain=read_chain(git, home))
    chain = read_chain(git, home, Position(seq=known.seq, sha=known.sha))
    if not chain.begin.seq:
        return Begin(chain=chain)
    return Begin(verified=Verified(seq=known.seq, hash=known.hash, rows=known.rows), at=known.at, chain=chain)


def _fits(registry: Registry, known: Checked) -> bool:
    """True if an earlier check was one of this database, which still has the line up to which it came."""
    if known.place != _place(registry) or not is_id(known.sha) or min(known.rows.values(), default=0) < 0:
        return False
    with registry.read() as reader:
        line = reader.journal([known.seq])
        return reader.epoch() == known.epoch and [entry.audit.hash for entry in line] == [known.hash]


def keep(registry: Registry, begin: Begin, faults: tuple[Fault, ...], now: datetime) -> None:
    """Remember on this machine that every line which the home has was checked.

    If anything was wrong, forget what was, so that the next check finds the same.
    """
    chain = begin.chain
    if {fault.code for fault in faults} - _AGAIN:
        known = read(registry.lineage)
        if known.checked is not None:
            remember(registry.lineage, replace(known, checked=None), instead=True)
        return
    if chain is None or not chain.shas or unverified(registry):
        return
    seq, sha = len(chain.shas), chain.shas[-1]
    with registry.read() as reader:
        line, epoch, rows = reader.journal([seq]), reader.epoch(), rows_up_to(reader, seq)
    if line and chain.tip == sha:
        at, hash_ = begin.at or now, line[0].audit.hash
        checked = Checked(seq=seq, hash=hash_, sha=sha, at=at, place=_place(registry), epoch=epoch, rows=rows)
        vouch(registry, Position(seq=seq, sha=sha), checked)


def vouch(registry: Registry, at: Position, checked: Checked | None = None) -> None:
    """Remember on this machine that the journal is right up to a line, by the database, and the key in force now.

    No key from before is believed any longer: it may have been replaced because it was stolen.
    """
    with registry.read() as reader:
        lines = reader.journal([at.seq])
        key = Keyring(reader.registry_keys()).key_in_force
    known = read(registry.lineage)
    newest = Vouched(seq=at.seq, hash=lines[0].audit.hash, sha=at.sha) if lines and known.seq <= at.seq else known
    newest = replace(newest, keys=(key,) if key else (), checked=checked or known.checked)
    if newest != known:
        remember(registry.lineage, newest, instead=True)


def _place(registry: Registry) -> str:
    """Stands for a database, of which a copy may be elsewhere. Its URL may name a user, so it is not in the file."""
    return hashlib.sha256(registry.url.encode()).hexdigest()
