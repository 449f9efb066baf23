"""Git -> a new registry: the lines that a repository offers (:mod:`promptops.projection.offer`) become rows.

Record by record, so that a registry of any size needs little memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from promptops.core.errors import Invalid
from promptops.projection.archive import Line
from promptops.projection.loss import Loss
from promptops.projection.offer import Offer
from promptops.projection.proving import Listed
from promptops.store.facts.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A registry that came from git: its lineage, its records, the number and hash of its last audit line, its epoch.

    ``kinds`` counts the records of each kind. ``unloadable`` are releases that no client could load, ``ignored`` what
    git has beside the lines that were taken; both with the reason. ``loss`` are the lines that were given up, and
    ``leaves`` is the commit of the journal that the registry leaves behind. ``unvouched`` are the lines that were taken
    although neither this machine, nor an anchor or a key vouched for them.
    """

    lineage: str
    records: int
    seq: int
    hash: str
    epoch: int
    kinds: dict[str, int]
    unloadable: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    loss: Loss | None = None
    leaves: str = ""
    unvouched: Sequence[Listed] = ()


def take(offer: Offer, url: str, *, actor: str, now: datetime, reason: str = "") -> Rebuilt:
    """Make a registry at ``url`` of the lines of an offer; what is lost is part of the reason of its new epoch.

    The first line that contradicts those before it, and what follows it, is left out if it is not vouched for.

    Raises:
        Invalid: the lines do not make a registry; nothing was made.
        Conflict: there is a registry already.
        GitUnavailable: git cannot read the repository.
    """
    try:
        return _take(offer, url, actor, now, reason)
    except Invalid as error:
        if not offer.doubt():
            raise
        offer = _without_contradiction(offer, url, actor, now, reason, error)
        return take(offer, url, actor=actor, now=now, reason=reason)


def _without_contradiction(offer: Offer, url: str, actor: str, now: datetime, reason: str, error: Invalid) -> Offer:
    """Returns the lines before the first one that contradicts them, if it is not vouched for; and makes nothing."""
    asked: list[Line] = []
    try:
        _take(offer, url, actor, now, reason, asked)
    except Invalid as again:
        error = again
    if len(asked) <= max(offer.vouched, 1):
        raise error
    return offer.up_to(len(asked) - 1, f"it contradicts the lines before it: {error.message}")


def _take(offer: Offer, url: str, actor: str, now: datetime, reason: str, asked: list[Line] | None = None) -> Rebuilt:
    """Makes the registry; ``asked`` gets the lines up to the first one that cannot be one of it."""
    from promptops.store.importing import import_records

    last, epoch = offer.lines[-1], offer.epoch + 1
    words = f"rebuilt from git, up to line {last.seq} of the audit log"
    words += f", without {offer.loss}" if offer.loss else ""
    words += f": {reason}" if reason.strip() else ""
    count = import_records(
        url,
        _records(offer, [] if asked is None else asked),
        epoch=epoch,
        actor=actor,
        now=now,
        reason=words,
        leaves=offer.leaves,
        careful=asked is not None,
    )
    return Rebuilt(
        lineage=offer.proven.lineage,
        records=count,
        seq=last.seq,
        hash=last.hash,
        epoch=epoch,
        kinds=dict(Counter(line.name.partition("/")[0] for line in offer.lines)),
        ignored=offer.ignored,
        loss=offer.loss,
        leaves=offer.leaves,
        unvouched=offer.doubt().lines,
    )


def _records(offer: Offer, asked: list[Line]) -> Iterator[Record]:
    for stored in offer.archive.stored(offer.lines):
        asked.append(stored.line)
        if stored.record is None:
            raise Invalid(f"{stored.line.name}: {stored.problem}; nothing was made")
        yield stored.record
