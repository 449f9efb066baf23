"""The journal in git: one chain of commits, one for each line of the audit log, in its order.

Each commit is computed from its record and the commit before it, so any number of processes write the same chain, and
its newest commit stands for the whole history. A chain only moves forward. Where one in git does not begin with what
the registry says, it is named as what it is and stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.faults import Condition, Fault
from promptops.core.json_codec import to_json
from promptops.core.model import Json
from promptops.projection.objects import RECORD, Projected, link
from promptops.source.git.refs import Refs
from promptops.store.facts.epoch import EpochInfo
from promptops.store.facts.kind import JournalEntry
from promptops.store.facts.record import MAX_RECORD, Record

if TYPE_CHECKING:
    from promptops.store import Reader, Registry

HEADS = "refs/heads/promptops/"
"""Where a registry has the branch of its chain, unless ``journal:`` in promptops.yml names another ref."""

PAGE = 100
"""Records that are in memory together; a release may be a mebibyte."""

_REMOTE_HEADS = re.compile(r"refs/remotes/.+/promptops/[^/]+")


def journal_ref(registry: str) -> str:
    """Returns the usual ref of the chain of the registry with this name."""
    return HEADS + registry


def is_chain(ref: str) -> bool:
    """True if a ref is named as the chain of some registry is, here or on a remote."""
    return ref.startswith(HEADS) or _REMOTE_HEADS.fullmatch(ref) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in a chain: the number of a line and the id of its commit; 0 and empty before the first.

    ``tip`` is where the ref is, if that is a commit which the registry leaves behind since a restore.
    """

    seq: int = 0
    sha: str = ""
    tip: str = ""

    @property
    def ref_at(self) -> str:
        """The commit at which the ref of the chain is."""
        return self.tip or self.sha


START = Position()


class Astray(Exception):
    """A chain in git is not the beginning of the registry's."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Lines of the audit log that follow each other, with their records and what git should have of each.

    A line whose fact is missing, or is not what the line says, has neither.
    """

    entries: Sequence[JournalEntry]
    records: dict[int, Record]
    links: dict[int, Projected]


def pages(
    registry: Registry, git: Refs, after: Position, *, until: int | None = None, there: Sequence[str] = ()
) -> Iterator[Page]:
    """Yields the lines behind a position, each with the commit that belongs there.

    ``there`` are the commits behind the position that a chain in git has: each line is then computed as the next one of
    these, so that one wrong line does not make all that follow wrong.
    """
    at = after
    while until is None or at.seq < until:
        limit = PAGE if until is None else min(PAGE, until - at.seq)
        with registry.read() as reader:
            entries = reader.journal(after=at.seq, limit=limit)
            records = {record.audit.seq: record for record in reader.facts(entries)}
        if not entries:
            return
        links: dict[int, Projected] = {}
        for entry in entries:
            place = entry.seq - after.seq - 1
            before = at.sha if at.seq == entry.seq - 1 else there[place - 1] if 0 < place <= len(there) else ""
            record, sha = records.get(entry.seq), ""
            if record is not None and (before or entry.seq == 1):
                linked = links[entry.seq] = link(record, git.algorithm, *_parents(record, before))
                sha = linked.sha
            at = Position(seq=entry.seq, sha=there[place] if place < len(there) else sha)
        yield Page(entries=entries, records=records, links=links)
        if len(entries) < limit:
            return


def _parents(record: Record, before: str) -> tuple[str, ...]:
    left = record.fact.leaves if isinstance(record.fact, EpochInfo) else ""
    return tuple(sha for sha in (before, left) if sha)


def locate(registry: Registry, git: Refs, tip: str, where: str, *, known: bool = True) -> Position:
    """Returns the position of a chain's newest commit, which is in the repository of ``git``.

    It compares the commits behind the newest one that is known to be right; or, without ``known``, all of them, and
    the chain may end anywhere: it need not be the one of the home.

    Raises:
        Astray: the chain is not the beginning of the registry's.
    """
    with registry.read() as reader:
        brought = _brought(reader, git) if known else START
        if tip == brought.sha:
            return brought
        end, _ = reader.audit_head()
        left = reader.left_behind()
    if tip and tip in left:
        return replace(brought if brought.sha and git.has(brought.sha) else START, tip=tip)
    if not tip:
        raise Astray(_fault("journal-missing", f"the journal was written up to line {brought.seq} and is gone", where))
    begin, history = brought, git.history(tip, brought.sha) if brought.sha and git.has(brought.sha) else []
    if not history or history[0][1][:1] != (brought.sha,):
        begin, history = START, git.history(tip)
    shas = [sha for sha, _ in history]
    for page in pages(registry, git, begin, until=begin.seq + len(shas), there=shas):
        for entry in page.entries:
            linked = page.links.get(entry.seq)
            if linked is None or linked.sha != shas[entry.seq - begin.seq - 1]:
                raise Astray(_diverged(git, shas[entry.seq - begin.seq - 1], entry, where))
    if begin.seq + len(shas) > end:
        raise Astray(_ahead(git, end, shas[end - begin.seq :], where))
    at = Position(seq=begin.seq + len(shas), sha=tip)
    if at.seq < brought.seq:
        what = f"the journal was written up to line {brought.seq} and ends at line {at.seq}"
        raise Astray(_fault("journal-shortened", what, where))
    return at


def _brought(reader: Reader, git: Refs) -> Position:
    seq, sha = reader.drained(git.algorithm)
    return Position(seq=seq, sha=sha)


def read_line(git: Refs, sha: str) -> tuple[str, Json]:
    """Returns the name of the record in a commit and its line, not judged; an empty name without one."""
    there = next(git.read([f"{sha}:{RECORD}"], most=MAX_RECORD))
    try:
        value = json.loads(there.data if there else b"{}")
        return str(value["ref"]), value["audit"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", None


def _diverged(git: Refs, sha: str, entry: JournalEntry, where: str) -> Fault:
    """The fault of a chain whose commit for this line is another one."""
    name, audit = read_line(git, sha)
    if name and entry.seq == 1 and name != entry.ref:
        what = f"it holds the history of another registry, {name[:80]}, and this is {entry.ref}"
        return _fault("lineage-foreign", what, where)
    if name and audit != to_json(entry.audit):
        what = f"line {entry.seq} of the audit log is not the one that git has in commit {sha[:12]}"
        return _fault("journal-diverged", what, where)
    what = f"commit {sha[:12]} is not what line {entry.seq} of the audit log makes"
    return _fault("journal-diverged", what, where)


def _ahead(git: Refs, end: int, more: Sequence[str], where: str) -> Fault:
    """The fault of a chain that has commits beyond the end of the registry."""
    if not read_line(git, more[0])[0]:
        return _fault("line-foreign", f"commit {more[0][:12]} holds no line of the audit log", where)
    what = f"git has the audit log up to line {end + len(more)}, and the registry ends at {end}"
    return _fault("registry-behind", what, where)


_AGAIN = ("journal-missing", "journal-shortened")
"""What can be written again from the rows."""


def _fault(code: str, what: str, where: str) -> Fault:
    repair = (
        Sentence(Advice(Action.REPAIR, words="a repair of the registry"), " writes it again from the rows.")
        if code in _AGAIN
        else Sentence("Keep both. ", Advice(Action.FSCK, words="A check"), " names each line.")
    )
    severity = Condition.PENDING if code in _AGAIN else Condition.DAMAGE
    return Fault(code=code, severity=severity, what=what, where=where, repair=repair)
