"""A chain of a repository, line by line: how far each proves that it follows the one before, and what it says.

Who wrote a line is another question: a person who may push to the journal can write lines that prove themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from promptops.core.audit import GENESIS, seal
from promptops.core.registry_key import RegistryKey
from promptops.projection.archive import REGISTRY, Archive, Chain, Line, Stored
from promptops.projection.chain import journal_ref
from promptops.projection.objects import title
from promptops.projection.trust import Trust
from promptops.store.facts.epoch import EpochInfo
from promptops.store.facts.home import Home
from promptops.store.facts.kind import Fact
from promptops.store.facts.registry import RegistryInfo

_DECIDE = (RegistryInfo, Home, EpochInfo, RegistryKey)
_Noun = TypeVar("_Noun", RegistryInfo, Home, EpochInfo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A line as a person reads it: its number, when and by whom, and the title of its commit."""

    seq: int
    at: datetime
    actor: str
    what: str


@dataclass(slots=True, kw_only=True, eq=False)
class Proven:
    """The lines of a chain that prove themselves, from the first on, and what they say.

    ``problem`` is what is wrong with the next one, if there is one; ``lost`` says that its objects are not there, so
    that it is not known what it was. ``facts`` are those that decide what is taken, with their numbers, and ``signed``
    the lines that have a signature, not judged. ``trust`` is who vouches for the lines.
    """

    chain: Chain
    listed: list[Listed] = field(default_factory=list)
    problem: str = ""
    lost: bool = False
    facts: list[tuple[int, Fact]] = field(default_factory=list)
    signed: set[int] = field(default_factory=set)
    trust: Trust = field(default_factory=lambda: Trust(vouched=0, taken=0))

    @property
    def name(self) -> str:
        """The name of the registry."""
        return next((fact.name for fact in self._facts(RegistryInfo)), "")

    @property
    def home(self) -> Home | None:
        """The home of the journal, as its last line about that says."""
        return next(reversed(self._facts(Home)), None)

    @property
    def epoch(self) -> int:
        """The newest epoch that a line begins."""
        return max((fact.epoch for fact in self._facts(EpochInfo)), default=1)

    @property
    def leaves(self) -> list[str]:
        """The commits that its epochs leave behind."""
        return [fact.leaves for fact in self._facts(EpochInfo) if fact.leaves]

    @property
    def keys(self) -> dict[int, RegistryKey]:
        """The keys that its lines set, by the number of the line."""
        return {seq: fact for seq, fact in self.facts if isinstance(fact, RegistryKey) and seq <= len(self.listed)}

    def _facts(self, noun: type[_Noun]) -> list[_Noun]:
        return [fact for seq, fact in self.facts if isinstance(fact, noun) and seq <= len(self.listed)]

    @property
    def lines(self) -> tuple[Line, ...]:
        return self.chain.lines[: len(self.listed)]

    @property
    def rest(self) -> tuple[Line, ...]:
        """The lines behind the last one that proves itself."""
        return self.chain.lines[len(self.listed) :]

    @property
    def lineage(self) -> str:
        """The lineage of the registry; empty if not even the first line proves itself."""
        return self.chain.lines[0].name.removeprefix(REGISTRY) if self.listed else ""

    @property
    def ref(self) -> str:
        """The ref of the chain at its home."""
        return self.home.ref if self.home else journal_ref(self.name)

    def hash(self, seq: int) -> str:
        """Returns the hash of a line by its number; empty if it is not among the proven ones."""
        return self.chain.lines[seq - 1].hash if 0 < seq <= len(self.listed) else ""

    def take(self, stored: Stored) -> None:
        """Adds the next line."""
        record = stored.record
        assert record is not None
        audit = record.audit
        self.listed.append(Listed(seq=audit.seq, at=audit.at, actor=audit.actor, what=title(record)))
        if isinstance(record.fact, _DECIDE):
            self.facts.append((audit.seq, record.fact))
        if stored.commit:
            self.signed.add(audit.seq)

    def cut(self, count: int, why: str) -> None:
        """Leaves out the lines after this many, with the reason."""
        if count < len(self.listed):
            del self.listed[count:]
            self.problem, self.lost = why, False


def prove(archive: Archive, chain: Chain) -> Proven:
    """Returns the lines of a chain up to the first one that does not prove itself."""
    proven, previous = Proven(chain=chain), GENESIS
    for place, stored in enumerate(archive.stored(chain.lines), 1):
        if problem := _problem(stored, place, previous):
            proven.problem = problem
            # Behind a ref of its own, each line is somewhere: what does not follow has something missing before it.
            proven.lost = stored.missing or stored.line.parents is None
            break
        proven.take(stored)
        previous = stored.line.hash
    return proven


def _problem(stored: Stored, seq: int, previous: str) -> str:
    """Says why a line is not the one with this number after the line with this hash; nothing if it is."""
    record = stored.record
    if stored.missing:
        return stored.problem
    if stored.line.seq != seq:
        return "it is no line of the audit log" if stored.line.parents is not None else "a line before it is missing"
    if record is None:
        return stored.problem
    if seal(record.audit) != record.audit.hash or record.audit.previous != previous:
        return f"line {seq} does not follow the audit log before it"
    if isinstance(record.fact, RegistryInfo) != (seq == 1):
        return "another registry begins with it"
    return ""
