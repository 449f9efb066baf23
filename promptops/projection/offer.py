"""What a repository has for a registry that was lost: the lines to take, what is missing of it, and what is left out.

Of several chains it takes the one that this machine knows, or that says most; what forks is not decided here. A history
that ends before a line that is known, or has a hole, is refused with the numbers that are missing, unless exactly that
loss is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import Invalid
from promptops.core.free_text import require_words
from promptops.projection.archive import Archive, Chain, Line
from promptops.projection.objects import ROOT
from promptops.projection.proving import Listed, Proven, prove
from promptops.source.vouched import Vouched
from promptops.store.facts.epoch import EpochInfo

_SHOWN = 5
"""Names or gaps that an error names; one is enough to start with, and a list of thousands would hide the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Lines of the audit log that are given up, from the first that is missing to the newest that is known of."""

    first: int
    last: int
    why: str

    @property
    def count(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"lines {self.first:,} to {self.last:,}" if self.count > 1 else f"line {self.first:,}"


def _nothing(lineage: str) -> Vouched:
    return Vouched()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is known when a history is read: an ``anchor``, the hash of the last line to take; how many lines are given
    up, and the reason; and what this machine has verified of a lineage.
    """

    anchor: str = ""
    accept_loss: int = 0
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
    def unvouched(self) -> Sequence[Listed]:
        """The lines after the last one that is vouched for."""
        return self.proven.listed[self.vouched : len(self.lines)]

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
    lineage = _lineage(archive, source, proven, known)
    memory = known[lineage]
    ours = [each for each in proven if each.lineage == lineage]
    chains, passed, reached = _chosen(archive, ours, memory)
    offer = _offer(archive, source, chains, memory, reached)
    known_of = {id(each) for each in (*chains, *passed)}
    others = [
        f"{_named(each)}: {each.problem or 'it goes another way than the journal'}"
        for each in proven
        if id(each) not in known_of
    ]
    _accept(offer.loss, source, terms)
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
        raise _several(source, archive.lineages)
    unread = sorted(line.name for line in lines if not line.seq)
    if unread:
        raise Invalid(f"{_some(unread)} cannot be read: no record is behind it", hint=elsewhere(source))
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


# --- which chain ---------------------------------------------------------------------------------


def _lineage(archive: Archive, source: str, proven: Sequence[Proven], known: dict[str, Vouched]) -> str:
    """Returns the one registry that is there; of several, the one that this machine knows."""
    if not known:
        raise Invalid(f"{_named(proven[0])}: {proven[0].problem}; nothing was made", hint=elsewhere(source))
    familiar = [lineage for lineage, vouched in known.items() if vouched.seq]
    lineages = familiar if len(familiar) == 1 else list(known)
    if len(lineages) > 1:
        raise _several(source, lineages)
    return lineages[0]


def _several(source: str, lineages: Sequence[str]) -> Invalid:
    present = ", ".join(sorted(lineages)) or "none"
    return Invalid(
        f"{source} has to hold exactly one registry, and it holds {present}", hint=Sentence(Advice(Action.FSCK))
    )


def _chosen(
    archive: Archive, proven: Sequence[Proven], memory: Vouched
) -> tuple[Sequence[Proven], Sequence[Proven], int | None]:
    """Returns the chains that may be the journal, one, or those that fork; those of which all is in them; and the last
    line that this machine knows, None if the line that it verified is in none of them.

    A chain that has the line that this machine verified goes before others, and one that left another one behind on
    purpose goes before that.
    """
    reached = {id(each): _reached(archive, each, memory) for each in proven}
    having = [each for each in proven if reached[id(each)] is not None] or proven
    passed = [
        each
        for each in proven
        if any(other is not each and (_begins(other, each) or _leaves(archive, other, each)) for other in having)
    ]
    kept = [each for each in having if each not in passed]
    numbers = [number for each in kept if (number := reached[id(each)]) is not None]
    return kept, [each for each in passed if not each.problem], min(numbers, default=None)


def _reached(archive: Archive, proven: Proven, memory: Vouched) -> int | None:
    """The number of the last line of a chain that this machine knows; None if the line that it verified is not there.

    That may be a line that a restore left behind on purpose: then it is the last one before.
    """
    if not memory.seq:
        return None
    if proven.hash(memory.seq) == memory.hash:
        return memory.seq
    for sha in proven.leaves:
        left = prove(archive, archive.up_to(sha))
        if left.hash(memory.seq) == memory.hash:
            return _shared(proven, left)
    return None


def _begins(whole: Proven, part: Proven) -> bool:
    """True if a chain is the beginning of another one, of which the first counts where both are the same."""
    last = len(part.listed)
    shorter = last < len(whole.listed) or (last == len(whole.listed) and id(part) > id(whole))
    return shorter and (not last or whole.hash(last) == part.hash(last))


def _leaves(archive: Archive, proven: Proven, other: Proven) -> bool:
    """True if a chain goes on from one that leaves all lines of another one behind."""
    if not proven.leaves or not other.lines:
        return False
    sha = other.lines[-1].sha
    return any(sha in {line.sha for line in archive.up_to(left).lines} for left in proven.leaves)


def _shared(one: Proven, other: Proven) -> int:
    """How many lines two chains have in common."""
    pairs = zip(one.lines, other.lines, strict=False)
    least = min(len(one.listed), len(other.listed))
    return next((place for place, (here, there) in enumerate(pairs) if here.hash != there.hash), least)


# --- what is missing -----------------------------------------------------------------------------


def _offer(archive: Archive, source: str, chains: Sequence[Proven], memory: Vouched, reached: int | None) -> Offer:
    longest = max(chains, key=lambda each: len(each.listed))
    # The one at the home's ref is where the registry goes on.
    chosen = next((each for each in chains if any(_is_at(ref, each.ref) for ref in each.chain.refs)), longest)
    taken = min([len(chosen.listed), *(_shared(chosen, other) for other in chains if other is not chosen)])
    loss = _loss(source, chosen, chains, taken, memory, reached)
    more = taken < len(chosen.chain.lines)
    ignored = () if chosen.lost else tuple(f"{line.name}: {chosen.problem}" for line in chosen.rest)
    return Offer(
        archive=archive,
        proven=chosen,
        lines=chosen.chain.lines[:taken],
        vouched=min(reached or 0, taken),
        epoch=max(chosen.epoch, *(_epochs(archive, chains) if loss else [1])),
        loss=loss,
        ignored=ignored,
        leaves=chosen.chain.tip if more else "",
    )


def _is_at(ref: str, home: str) -> bool:
    short = home.removeprefix("refs/heads/")
    return ref == home or (ref.startswith("refs/remotes/") and ref.endswith(f"/{short}"))


def _loss(
    source: str, chosen: Proven, chains: Sequence[Proven], taken: int, memory: Vouched, reached: int | None
) -> Loss | None:
    """What is known of the registry beyond the lines to take."""
    first = taken + 1
    if len(chains) > 1:
        other = next(each for each in chains if each is not chosen and _shared(chosen, each) == taken)
        names = [f"{each.lines[taken].name} ({_named(each)})" for each in (chosen, other)]
        last = max(len(each.listed) for each in chains)
        return Loss(first=first, last=last, why=f"{names[0]} and {names[1]} both claim to be line {first}")
    if chosen.lost:
        last = max([first, *(line.seq for place, line in enumerate(chosen.rest, first) if _counts(line, place))])
        last = max(last, memory.seq if reached is None else 0)
        missing = gaps([line.seq for line in chosen.chain.lines]) if not chosen.chain.tip else []
        why = (
            f"lines {_some(missing)} of the audit log are not in {source}"
            if missing
            else f"{chosen.rest[0].name}: {chosen.problem}"
        )
        return Loss(first=first, last=last, why=why)
    if reached is not None or not memory.seq:
        return None
    if memory.seq > taken:
        why = f"{source} ends at line {taken:,} of the audit log, and this machine has verified line {memory.seq:,}"
        return Loss(first=first, last=memory.seq, why=why)
    why = f"line {memory.seq:,} of the audit log in {source} is not the one that this machine has verified"
    return Loss(first=1, last=memory.seq, why=why)


def _counts(line: Line, place: int) -> bool:
    """True if a line behind a hole says that it is one: by its place in a chain, or by itself."""
    return line.seq == place or line.parents is None


def _epochs(archive: Archive, chains: Sequence[Proven]) -> Iterator[int]:
    """The epochs of lines that are given up and whose records are whole: none of them may begin again."""
    lines = [line for each in chains for line in each.rest if line.name.startswith("epochs/")]
    yield from (each.epoch for each in chains)
    for stored in archive.stored(lines):
        if stored.record is not None and isinstance(stored.record.fact, EpochInfo):
            yield stored.record.fact.epoch


def gaps(seqs: Sequence[int]) -> list[str]:
    """Returns the numbers that are missing from 1 to the last one: ``3``, ``7 to 9``."""
    missing = []
    for before, after in zip([0, *seqs], seqs, strict=False):
        if after > before + 1:
            missing.append(str(before + 1) if after == before + 2 else f"{before + 1} to {after - 1}")
    return missing


def _accept(loss: Loss | None, source: str, terms: Terms) -> None:
    """Compares what is missing with what was accepted.

    Raises:
        Invalid: it is not the same.
    """
    if loss is None:
        if terms.accept_loss:
            raise Invalid(
                f"{source} has no hole, and nothing is known beyond it; nothing was made",
                hint=Sentence("Leave out ", option("accept-loss", "the accepted loss"), "."),
            )
        return
    if terms.accept_loss == loss.count:
        return
    said = f" and not {terms.accept_loss:,}" if terms.accept_loss else ""
    lines = f"{loss.count:,} lines" if loss.count > 1 else "1 line"
    raise Invalid(
        f"{loss.why}: {lines}{said} would be lost, {loss}; nothing was made",
        hint=Sentence(
            elsewhere(source),
            " To give up ",
            f"{loss} for ever: ",
            option("accept-loss", f"accept the loss of {lines}", value=str(loss.count)),
            " ",
            option("reason", "with a reason", value="TEXT"),
            ".",
        ),
    )


def _named(proven: Proven) -> str:
    return proven.chain.refs[0] if proven.chain.refs else f"{ROOT}…"


def _some(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def elsewhere(source: str) -> Sentence:
    """Where else the missing lines may be."""
    return Sentence(
        f"Look for a repository that has them: git -C {source} fetch REMOTE"
        " 'refs/heads/promptops/*:refs/heads/promptops/*'."
        " Where the old registry still opens, ",
        Advice(Action.REPAIR, words="a repair of it"),
        " in its workspace writes them again.",
    )
