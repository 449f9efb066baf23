"""What git has of one registry's history, for a restore: the lines that a backup lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core.errors import PromptopsError

if TYPE_CHECKING:
    from promptops.projection import Offer
    from promptops.projection.archive import Archive
    from promptops.projection.offer import Doubt
    from promptops.store.facts.home import Home
    from promptops.store.facts.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class BackedUp:
    """The newest line of a backup, the lineage of its registry, and the fingerprints of keys that are trusted."""

    lineage: str
    seq: int
    hash: str
    keys: Sequence[str] = ()


@dataclass(slots=True, kw_only=True)
class HistoryInGit:
    """The lines of one registry in one repository. ``taken`` counts the records that :meth:`newer` gave.

    ``offer`` is what it has, with at least the newest line of the backup ``at``; None if it has less.
    """

    at: BackedUp
    offer: Offer | None
    newest_epoch: int = 1
    tip: str = ""
    taken: int = field(default=0, init=False)

    def doubt(self) -> Doubt | None:
        """Returns the newer lines that neither the backup nor this machine vouches for."""
        from promptops.source import vouched

        if self.offer is None:
            return None
        known = vouched.read(self.at.lineage)
        first = known.seq if self.offer.proven.hash(known.seq) == known.hash else 0
        return replace(self.offer, vouched=max(first, self.offer.vouched)).doubt()

    def newer(self) -> Iterator[Record]:
        """Yields the records after the backup."""
        if self.offer is None:
            return
        for stored in self.offer.stored(self.offer.lines[self.at.seq :]):
            assert stored.record is not None
            self.taken += 1
            yield stored.record


@contextmanager
def history_in_git(
    root: Path | None, at: BackedUp, home: Home | None, unread: list[str], *, leave_newer: bool = False
) -> Iterator[HistoryInGit | None]:
    """What the home of the journal has of this registry, where it is an address; else what the repository of the
    workspace at ``root`` has. Where its lines say that the home was moved after the backup, it is the new home.

    None outside of a workspace, if there is nothing of it, or if it cannot be read: a restore does not wait for git.
    ``unread`` gets the home that could not be read, with the reason.

    Raises:
        Invalid: git has other lines than the backup, or a hole behind it. It does not matter with ``leave_newer``.
    """
    if root is None:
        yield None
        return
    history = None
    with ExitStack() as stack:
        while True:
            try:
                archive = _open(stack, root, home)
                known = at.lineage in archive.lineages
            except PromptopsError as error:
                known = False
                unread += [f"{home}: {error.message}"] if home else []
            if not known:
                break
            history = _read(archive, at, leave_newer=leave_newer)
            named = history.offer.proven.home if history.offer else None
            if named is None or (home is not None and named.number <= home.number):
                break
            home = named
        yield history


def _open(stack: ExitStack, root: Path, home: Home | None) -> Archive:
    from promptops.operations.git_sync import reading
    from promptops.projection import Archive
    from promptops.source.git.repository import Repository

    ref = home.ref if home else ""
    place = reading(home.address, ref) if home and home.address else closing(Repository.open(root))
    return Archive(stack.enter_context(place), ref=ref)


def _read(archive: Archive, at: BackedUp, *, leave_newer: bool) -> HistoryInGit:
    from promptops.projection.newer import newer
    from promptops.source import vouched
    from promptops.source.vouched import Vouched

    backed_up = Vouched(seq=at.seq, hash=at.hash, keys=vouched.read(at.lineage).keys)
    found = newer(archive, at.lineage, backed_up, at.keys, leave=leave_newer)
    return HistoryInGit(at=at, offer=found.offer, newest_epoch=found.epoch, tip=found.leaves)
