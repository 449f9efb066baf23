"""What is missing of a history: lines that are known of and cannot be taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from promptops.core.advice import Sentence, option
from promptops.core.errors import Invalid
from promptops.projection.archive import Line
from promptops.projection.candidates import elsewhere, named, shared
from promptops.projection.proving import Proven
from promptops.source.vouched import Vouched

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


def loss_of(
    source: str, chosen: Proven, chains: Sequence[Proven], taken: int, memory: Vouched, reached: int | None
) -> Loss | None:
    """What is known of the registry beyond the lines to take."""
    first = taken + 1
    if len(chains) > 1:
        other = next(each for each in chains if each is not chosen and shared(chosen, each) == taken)
        names = [f"{each.lines[taken].name} ({named(each)})" for each in (chosen, other)]
        last = max(len(each.listed) for each in chains)
        return Loss(first=first, last=last, why=f"{names[0]} and {names[1]} both claim to be line {first}")
    if chosen.lost:
        last = max([first, *(line.seq for place, line in enumerate(chosen.rest, first) if _counts(line, place))])
        last = max(last, memory.seq if reached is None else 0)
        missing = gaps([line.seq for line in chosen.chain.lines]) if not chosen.chain.tip else []
        why = (
            f"lines {some(missing)} of the audit log are not in {source}"
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


def gaps(seqs: Sequence[int]) -> list[str]:
    """Returns the numbers that are missing from 1 to the last one: ``3``, ``7 to 9``."""
    missing = []
    for before, after in zip([0, *seqs], seqs, strict=False):
        if after > before + 1:
            missing.append(str(before + 1) if after == before + 2 else f"{before + 1} to {after - 1}")
    return missing


def accept(loss: Loss | None, source: str, accepted: int | None) -> None:
    """Compares what is missing with what was accepted.

    Raises:
        Invalid: it is not the same.
    """
    if loss is None:
        if accepted:
            raise Invalid(
                f"{source} has no hole, and nothing is known beyond it; nothing was made",
                hint=Sentence("Leave out ", option("accept-loss", "the accepted loss"), "."),
            )
        return
    if accepted in (loss.count, None):
        return
    said = f" and not {accepted:,}" if accepted else ""
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


def some(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
