"""What a repository has for a registry that was lost: the lines to take, what is missing of it, and what is left out.

Of several chains it takes the one that this machine knows, or that says most; what forks is not decided here. A history
that ends before a line that is known, or has a hole, is refused with the numbers that are missing, unless exactly that
loss is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from promptops.core.advice import Sentence, option
from promptops.core.errors import Invalid
from promptops.core.free_text import require_words
from promptops.projection.archive import Archive, Chain, Line, Stored
from promptops.projection.candidates import at_home, chosen, elsewhere, named, only_lineage, several, shared
from promptops.projection.loss import Loss, accept, loss_of, some
from promptops.projection.objects import ROOT
from promptops.projection.proving import Listed, Proven, prove
from promptops.source.vouched import Vouched
from promptops.store.facts.epoch import EpochInfo


def _nothing(lineage: str) -> Vouched:
    return Vouched()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is known when a history is read: an ``anchor``, the hash of the last line to take; how many lines are given
    up (None for any number), and the reason; and what this machine has verified of a lineage.
    """

    anchor: str = ""
    accept_loss: int | None = 0
    reason: str = ""
    memory: Callable[[str], Vouched] = _nothing

    def require(self) -> None:
        """Raises :class:`Invalid` if they do not go together."""
        require_words(self.reason)
        if self.accept_loss and not self.reason.strip():
            raise Invalid(
                "a loss needs a reason", hint=Sentence(option("reason", "Say why", value="TEXT"), "; the log has it.")
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What a person is asked about: lines that neither this machine, nor an anchor or a key vouches for, where
    those up to ``verified`` are vouched for; and the ``loss`` that is not accepted yet.
    """

    lines: Sequence[Listed]
    verified: int
    loss: Loss | None = None

    def __bool__(self) -> bool:
        return bool(self.lines or self.loss)


Confirm = Callable[[Doubt], None]
"""Is asked before anything is made, where there is a doubt; raises if nothing is to be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The lines to take, oldest first, and each as a person reads it.

    ``vouched`` is the number of the last line that this machine, or the anchor, vouches for. ``leaves`` is the
    newest commit of the journal, if the lines are not all that it has. ``epoch`` is the newest that is known of.
    """

    archive: Archive
    proven: Proven
    lines: Sequence[Line]
    vouched: int = 0
    epoch: int = 1
    loss: Loss | None = None
    ignored: tuple[str, ...] = ()
    leaves: str = ""

    @property
    def place(self) -> Path:
        """Where the repository is."""
        return self.archive.place

    def below(self, prefix: str) -> list[Line]:
        """The lines about facts whose names begin with a prefix: ``yanks/bot/``."""
        return [line for line in self.lines if line.name.startswith(prefix)]

    def stored(self, lines: Sequence[Line]) -> Iterator[Stored]:
        """The records behind these lines."""
        return self.archive.stored(lines)

    def doubt(self, seqs: Container[int] | None = None, *, loss: Loss | None = None) -> Doubt:
        """Returns the lines after the last one that is vouched for; of these numbers, if only they matter."""
        lines = self.proven.listed[self.vouched : len(self.lines)]
        some = [line for line in lines if seqs is None or line.seq in seqs]
        return Doubt(lines=some, verified=self.vouched, loss=loss)

    def up_to(self, count: int, why: str) -> Offer:
        """Returns the same without the lines after this many, which are named with the reason."""
        left = tuple(f"{line.name}: {why}" for line in self.lines[count:])
        tip = self.leaves or self.proven.chain.tip
        return replace(self, lines=self.lines[:count], ignored=(*left, *self.ignored), leaves=tip)


def survey(archive: Archive, source: str, terms: Terms) -> Offer:
    """Reads a whole repository, named ``source`` in errors, and returns what it has for a registry.

    Raises:
        Invalid: there is no registry, or several; no line has the anchor's hash; or lines are missing, and that is not
            accepted.
        GitUnavailable: git cannot read it.
    """
    terms.require()
    found = _candidates(archive, source)
    strange = tuple(f"{name}: no registry begins there" for name in archive.strange)
    if terms.anchor:
        return replace(_anchored(archive, source, found, terms.anchor), ignored=strange)
    proven = [prove(archive, chain) for chain in found]
    known = {each.lineage: terms.memory(each.lineage) for each in proven if each.lineage}
    lineage = only_lineage(archive, source, proven, known)
    memory = known[lineage]
    ours = [each for each in proven if each.lineage == lineage]
    chains, passed, reached = chosen(archive, ours, memory)
    offer = _offer(archive, source, chains, memory, reached)
    known_of = {id(each) for each in (*chains, *passed)}
    others = [
        f"{named(each)}: {each.problem or 'it goes another way than the journal'}"
        for each in proven
        if id(each) not in known_of
    ]
    accept(offer.loss, source, terms.accept_loss)
    return replace(offer, ignored=(*offer.ignored, *others, *strange))


def _candidates(archive: Archive, source: str) -> Sequence[Chain]:
    if not archive.candidates:
        raise Invalid(
            f"{source} holds no registry: it has neither a branch promptops/NAME nor a ref below {ROOT}",
            hint=Sentence(
                "A clone of one branch lacks it: git fetch origin 'refs/heads/promptops/*:refs/heads/promptops/*'. ",
                option("ref", "Name the ref", value="REF"),
                " if `journal:` in promptops.yml named another.",
            ),
        )
    [*_, last] = archive.candidates
    if not last.tip:
        _require_in_order(last.lines, archive, source)
    return archive.candidates


def _require_in_order(lines: Sequence[Line], archive: Archive, source: str) -> None:
    """Checks what each ref of an older promptops says of itself: any of them may have been written by hand."""
    if len(archive.lineages) != 1:
        raise several(source, archive.lineages)
    unread = sorted(line.name for line in lines if not line.seq)
    if unread:
        raise Invalid(f"{some(unread)} cannot be read: no record is behind it", hint=elsewhere(source))
    for before, line in pairwise(lines):
        if before.seq == line.seq:
            raise Invalid(f"{before.name} and {line.name} both claim to be line {line.seq} of the audit log")


def _anchored(archive: Archive, source: str, found: Sequence[Chain], anchor: str) -> Offer:
    """The lines up to the one with a hash; the person who kept it vouches for them."""
    problem = ""
    for chain in found:
        for place, line in enumerate(chain.lines, 1):
            if line.hash == anchor:
                proven = prove(archive, replace(chain, lines=chain.lines[:place]))
                if not proven.problem:
                    whole = replace(proven, chain=chain)
                    offer = Offer(archive=archive, proven=whole, lines=chain.lines, vouched=place, epoch=proven.epoch)
                    cut = offer.up_to(place, "it is not before the anchor")
                    return cut if place < len(chain.lines) else offer
                problem = f"{proven.rest[0].name}: {proven.problem}; nothing was made"
    raise Invalid(
        problem
        or f"{source} has no line of the audit log with the hash {anchor[:12]}…: it was cut before it, or rewritten",
        hint=elsewhere(source),
    )


def newer(archive: Archive, lineage: str, seq: int, hash_: str) -> Offer | None:
    """Returns what a repository has of a registry beyond the newest line of a backup; None if it has not even that.

    Raises:
        Invalid: it has another line with this number, or goes different ways after it, or has a hole there.
    """
    proven = [each for each in (prove(archive, chain) for chain in archive.candidates) if each.lineage == lineage]
    backed_up = Vouched(seq=seq, hash=hash_)
    chains, _, reached = chosen(archive, proven, backed_up)
    if not chains or (reached is None and max(len(each.listed) for each in chains) < seq):
        return None
    if not any(each.hash(seq) == hash_ for each in chains):
        raise Invalid(f"git has another line {seq} of the audit log than the backup", hint=_LEAVE)
    offer = _offer(archive, str(archive.place), chains, backed_up, reached)
    if offer.loss:
        raise Invalid(f"git has lines that are newer than the backup, and {offer.loss.why}", hint=_LEAVE)
    return offer


def newest(archive: Archive, lineage: str) -> tuple[int, str]:
    """Returns the newest epoch that a proven line of a registry begins, and the newest commit of its chain.

    A backup from before that epoch must not begin it again.
    """
    proven = [each for each in (prove(archive, chain) for chain in archive.candidates) if each.lineage == lineage]
    if not proven:
        return 1, ""
    return max(each.epoch for each in proven), at_home(proven).chain.tip


_LEAVE = Sentence("Or ", option("leave-newer", "leave what git has newer"), " and go on from the backup.")


def _offer(archive: Archive, source: str, chains: Sequence[Proven], memory: Vouched, reached: int | None) -> Offer:
    best = at_home(chains)
    taken = min([len(best.listed), *(shared(best, other) for other in chains if other is not best)])
    loss = loss_of(source, best, chains, taken, memory, reached)
    more = taken < len(best.chain.lines)
    ignored = () if best.lost else tuple(f"{line.name}: {best.problem}" for line in best.rest)
    return Offer(
        archive=archive,
        proven=best,
        lines=best.chain.lines[:taken],
        vouched=min(reached or 0, taken),
        epoch=max(best.epoch, *(_epochs(archive, chains) if loss else [1])),
        loss=loss,
        ignored=ignored,
        leaves=best.chain.tip if more else "",
    )


def _epochs(archive: Archive, chains: Sequence[Proven]) -> Iterator[int]:
    """The epochs of lines that are given up and whose records are whole: none of them may begin again."""
    lines = [line for each in chains for line in each.rest if line.name.startswith("epochs/")]
    yield from (each.epoch for each in chains)
    for stored in archive.stored(lines):
        if stored.record is not None and isinstance(stored.record.fact, EpochInfo):
            yield stored.record.fact.epoch
