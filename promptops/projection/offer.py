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
from promptops.core.errors import Invalid, Refused
from promptops.core.free_text import require_words
from promptops.core.signing import can_verify, fingerprint, require_extra
from promptops.projection.archive import Archive, Chain, Line, Stored
from promptops.projection.candidates import at_home, chosen, elsewhere, named, only_lineage, several, shared
from promptops.projection.loss import Loss, accept, loss_of, some
from promptops.projection.objects import ROOT
from promptops.projection.proving import Listed, Proven, prove
from promptops.projection.vouching import vouch
from promptops.source.vouched import Vouched
from promptops.store.facts.epoch import EpochInfo


def _nothing(lineage: str) -> Vouched:
    return Vouched()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is known when a history is read: an ``anchor``, the hash of the last line to take; how many lines are given
    up (None for any number), and the reason; the fingerprints of ``keys`` that are trusted; and what this machine has
    verified of a lineage.
    """

    anchor: str = ""
    accept_loss: int | None = 0
    reason: str = ""
    keys: Sequence[str] = ()
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

    ``keyed`` says that such lines should have been signed, ``key`` is the fingerprint that the journal itself names,
    and ``checked`` says that its signatures were.
    """

    lines: Sequence[Listed]
    verified: int
    loss: Loss | None = None
    keyed: bool = False
    key: str = ""
    checked: bool = True

    def __bool__(self) -> bool:
        return bool(self.lines or self.loss)


Confirm = Callable[[Doubt], bool]
"""Is asked before anything is made, where there is a doubt; raises if nothing is to be made. Returns False if no person
accepted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The lines to take, oldest first, and each as a person reads it.

    ``vouched`` is the number of the last line that this machine, a trusted key or the anchor vouches for; ``keyed``
    says that the lines after it should be signed. ``leaves`` is the newest commit of the journal, if the lines are not
    all that it has. ``epoch`` is the newest that is known of.
    """

    archive: Archive
    proven: Proven
    lines: Sequence[Line]
    vouched: int = 0
    keyed: bool = False
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
        checked = can_verify() or not self.proven.keys
        return Doubt(
            lines=some,
            verified=self.vouched,
            loss=loss,
            keyed=self.keyed,
            key=self.proven.trust.key,
            checked=checked,
        )

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
        offer = _anchored(archive, source, found, terms.anchor)
        return replace(offer, ignored=(*offer.ignored, *strange))
    proven = [prove(archive, chain) for chain in found]
    known = {each.lineage: terms.memory(each.lineage) for each in proven if each.lineage}
    for each in proven:
        if each.lineage:
            judge_chain(archive, each, terms.keys, known[each.lineage])
    lineage = only_lineage(source, proven, known)
    memory = known[lineage]
    ours = [each for each in proven if each.lineage == lineage]
    chains, passed, reached = chosen(archive, ours, memory)
    offer = offer_of(archive, source, chains, memory, reached)
    offer = replace(offer, keyed=offer.keyed or bool(terms.keys))
    if terms.keys and not offer.vouched:
        require_extra()
        raise _not_signed(source, offer)
    known_of = {id(each) for each in (*chains, *passed)}
    others = [
        f"{named(each)}: {each.problem or 'it goes another way than the journal'}"
        for each in proven
        if id(each) not in known_of
    ]
    accept(offer.loss, source, terms.accept_loss)
    return replace(offer, ignored=(*offer.ignored, *others, *strange))


def judge_chain(archive: Archive, proven: Proven, keys: Sequence[str], memory: Vouched) -> None:
    """Judges the signatures of a chain, and leaves out the lines that do not count."""
    trusted = {*keys, *map(fingerprint, memory.keys)}
    vouch(archive, proven, trusted, memory.seq if memory.seq and proven.hash(memory.seq) == memory.hash else 0)


def _not_signed(source: str, offer: Offer) -> Refused:
    key = offer.proven.trust.key
    says = f"The journal says that its key is {key}. " if key else "The journal says that it has no key. "
    return Refused(
        f"no line of the journal in {source} is signed with a key that you trust; nothing was made",
        hint=Sentence(says, "Without ", option("key", "a key"), ", you are asked about its lines."),
    )


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


def offer_of(archive: Archive, source: str, chains: Sequence[Proven], memory: Vouched, reached: int | None) -> Offer:
    """Returns what chains offer that may be the journal: of several, the lines that they have in common."""
    best = at_home(chains)
    taken = min([len(best.listed), *(shared(best, other) for other in chains if other is not best)])
    loss = loss_of(source, best, chains, taken, memory, reached)
    more = taken < len(best.chain.lines)
    ignored = () if best.lost else tuple(f"{line.name}: {best.problem}" for line in best.rest)
    return Offer(
        archive=archive,
        proven=best,
        lines=best.chain.lines[:taken],
        vouched=min(max(reached or 0, best.trust.vouched), taken),
        keyed=bool(memory.keys or best.trust.key) and not best.trust.ended,
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
