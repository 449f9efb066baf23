"""Which chain of a repository is the journal: of several, the one that this machine knows, or that says most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptops.core.advice import Action, Advice, Sentence, option
from promptops.core.errors import Invalid
from promptops.projection.archive import Archive
from promptops.projection.objects import ROOT
from promptops.projection.proving import Proven, prove
from promptops.source.vouched import Vouched


def only_lineage(source: str, proven: Sequence[Proven], known: Mapping[str, Vouched]) -> str:
    """Returns the one registry that is there; of several, the one that this machine knows, or a trusted key signed."""
    if not known:
        raise Invalid(f"{named(proven[0])}: {proven[0].problem}; nothing was made", hint=elsewhere(source))
    signed = {each.lineage for each in proven if each.trust.vouched}
    familiar = [lineage for lineage, vouched in known.items() if vouched.seq or lineage in signed]
    lineages = familiar if len(familiar) == 1 else list(known)
    if len(lineages) > 1:
        raise several(source, lineages)
    return lineages[0]


def several(source: str, lineages: Sequence[str]) -> Invalid:
    present = ", ".join(sorted(lineages)) or "none"
    return Invalid(
        f"{source} has to hold exactly one registry, and it holds {present}",
        hint=Sentence(option("ref", "Name the ref of the journal", value="REF"), " or ", option("key", "its key"), "."),
    )


def chosen(
    archive: Archive, proven: Sequence[Proven], memory: Vouched
) -> tuple[Sequence[Proven], Sequence[Proven], int | None]:
    """Returns the chains that may be the journal, one, or those that fork; those of which all is in them; and the last
    line that this machine knows, None if the line that it verified is in none of them.

    A chain that has the line that this machine verified, or the newest that a trusted key signed, goes before others,
    and one that left another one behind on purpose goes before that.
    """
    reached = {id(each): _reached(archive, each, memory) for each in proven}
    having = [each for each in proven if reached[id(each)] is not None] or proven
    newest = max(having, key=lambda each: each.trust.vouched, default=None)
    if newest is not None and newest.trust.vouched > memory.seq:
        last = newest.trust.vouched
        having = [each for each in having if each.hash(last) == newest.hash(last)]
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
            return shared(proven, left)
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


def shared(one: Proven, other: Proven) -> int:
    """How many lines two chains have in common."""
    pairs = zip(one.lines, other.lines, strict=False)
    least = min(len(one.listed), len(other.listed))
    return next((place for place, (here, there) in enumerate(pairs) if here.hash != there.hash), least)


def at_home(chains: Sequence[Proven]) -> Proven:
    """Returns the chain at the ref of the home, where the registry goes on; else the longest one."""
    longest = max(chains, key=lambda each: len(each.listed))
    return next((each for each in chains if any(_is_at(ref, each.ref) for ref in each.chain.refs)), longest)


def _is_at(ref: str, home: str) -> bool:
    short = home.removeprefix("refs/heads/")
    return ref == home or (ref.startswith("refs/remotes/") and ref.endswith(f"/{short}"))


def named(proven: Proven) -> str:
    return proven.chain.refs[0] if proven.chain.refs else f"{ROOT}…"


def elsewhere(source: str) -> Sentence:
    """Where else the missing lines may be."""
    return Sentence(
        f"Look for a repository that has them: git -C {source} fetch REMOTE"
        " 'refs/heads/promptops/*:refs/heads/promptops/*'."
        " Where the old registry still opens, ",
        Advice(Action.REPAIR, words="a repair of it"),
        " in its workspace writes them again.",
    )
