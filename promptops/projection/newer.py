"""What git has of a registry beyond a backup of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptops.core.advice import Sentence, option
from promptops.core.errors import Invalid
from promptops.projection.archive import Archive
from promptops.projection.candidates import at_home, chosen
from promptops.projection.offer import Offer, judge_chain, offer_of
from promptops.projection.proving import prove
from promptops.source.vouched import Vouched

_LEAVE = Sentence("Or ", option("leave-newer", "leave what git has newer"), " and go on from the backup.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Newer:
    """What git has beyond a backup: an ``offer`` that has at least its newest line, None without one; the newest epoch
    that a line begins, since a backup from before it must not begin it again; and the commit that is left behind.
    """

    offer: Offer | None = None
    epoch: int = 1
    leaves: str = ""


def newer(archive: Archive, lineage: str, backed_up: Vouched, keys: Sequence[str], *, leave: bool = False) -> Newer:
    """Returns what a repository has of a registry beyond the newest line of a backup; to ``leave`` it, no offer.

    The key that was in force in the backup is trusted, and those with the fingerprints ``keys``.

    Raises:
        Invalid: it has another line with this number, or goes different ways after it, or has a hole there.
    """
    proven = [each for each in (prove(archive, chain) for chain in archive.candidates) if each.lineage == lineage]
    if not proven:
        return Newer()
    for each in proven:
        judge_chain(archive, each, keys, backed_up)
    epoch = max(each.epoch for each in proven)
    if leave:
        return Newer(epoch=epoch, leaves=at_home(proven).chain.tip)
    chains, _, reached = chosen(archive, proven, backed_up)
    if reached is None and max(len(each.listed) for each in chains) < backed_up.seq:
        return Newer(epoch=epoch)
    if not any(each.hash(backed_up.seq) == backed_up.hash for each in chains):
        raise Invalid(f"git has another line {backed_up.seq} of the audit log than the backup", hint=_LEAVE)
    offer = offer_of(archive, str(archive.place), chains, backed_up, reached)
    if offer.loss:
        raise Invalid(f"git has lines that are newer than the backup, and {offer.loss.why}", hint=_LEAVE)
    return Newer(offer=offer, epoch=epoch, leaves=offer.leaves)
