"""The journal in git: one chain of commits, one for each line of the audit log, in its order.

Each commit is computed from its record and the commit before it, so any number of processes write the same chain, and
its newest commit stands for the whole history. A chain only moves forward. Where one in git does not begin with what
the registry says, it is named as what it is and stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.faults import Condition, Fault
from promptops.core.json_codec import to_json
from promptops.core.model import Json
from promptops.projection.keyring import Keyring, Unlock, signer
from promptops.projection.objects import RECORD, Projected, link
from promptops.projection.signatures import Sign, as_it_is, signature_in
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

Facts = Callable[["Reader", Sequence[JournalEntry]], Sequence[Record]]
"""Reads the records of a page of lines, without those whose fact is missing or is not what the line says."""

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

    A line whose fact is missing, or is not what the line says, has neither. ``flaws`` are of the signatures of commits
    in git, as the codes of faults and words.
    """

    entries: Sequence[JournalEntry]
    records: dict[int, Record]
    links: dict[int, Projected]
    flaws: dict[int, tuple[str, str]]


def pages(
    registry: Registry,
    git: Refs,
    after: Position,
    *,
    until: int | None = None,
    there: Sequence[str] = (),
    unlock: Unlock | None = None,
    facts: Facts | None = None,
) -> Iterator[Page]:
    """Yields the lines behind a position, each with the commit that belongs there. ``facts`` reads those of a page.

    ``there`` are the commits behind the position that a chain in git has: each line is then computed as the next one of
    these, so that one wrong line does not make all that follow wrong, and with the signature that it has there. The
    lines behind these are signed with the key of ``unlock``; without it, they have no commit if they have to be signed.

    Raises:
        Locked: lines have to be signed, and the key for that is not here.
    """
    at = after
    while until is None or at.seq < until:
        limit = PAGE if until is None else min(PAGE, until - at.seq)
        with registry.read() as reader:
            entries = reader.journal(after=at.seq, limit=limit)
            found = facts(reader, entries) if facts else reader.facts(entries)
            records = {record.audit.seq: record for record in found}
            keyring = Keyring(reader.registry_keys())
        if not entries:
            return
        first, last = entries[0].seq - after.seq - 1, entries[-1].seq - after.seq
        sign = signer(keyring.key_in_force, unlock) if unlock and last > len(there) else None
        page = Page(entries=entries, records=records, links={}, flaws={})
        linking = _Linking(git, keyring, sign, keyring.commits(git, there[first:last]))
        for entry in entries:
            place = entry.seq - after.seq - 1
            before = at.sha if at.seq == entry.seq - 1 else there[place - 1] if 0 < place <= len(there) else ""
            sha = there[place] if place < len(there) else ""
            linking.line(page, entry.seq, sha, before)
            at = Position(seq=entry.seq, sha=sha or (page.links[entry.seq].sha if entry.seq in page.links else ""))
        yield page
        if len(entries) < limit:
            return


@dataclass(frozen=True, slots=True)
class _Linking:
    """Computes commits: with the signature that a commit in git has, or with ``sign`` for lines that git lacks."""

    git: Refs
    keyring: Keyring
    sign: Sign | None
    commits: Mapping[str, bytes]

    def line(self, page: Page, seq: int, sha: str, before: str) -> None:
        """Add the commit of a line to its page, if it has a fact; ``sha`` is the one that git has, or empty."""
        algorithm, sign = self.git.algorithm, None if sha else self.sign
        if sha in self.commits:
            sign = as_it_is(signature_in(self.commits[sha], algorithm))
            if flaw := self.keyring.problem(seq, self.commits[sha], algorithm):
                page.flaws[seq] = flaw
        record = page.records.get(seq)
        unsigned = not sha and sign is None and bool(self.keyring.key_in_force)
        if record is not None and not unsigned and (before or seq == 1):
            page.links[seq] = link(record, algorithm, *_parents(record, before), sign=sign)


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
            if entry.seq in page.flaws:
                code, what = page.flaws[entry.seq]
                raise Astray(_fault(code, f"{what}: commit {shas[entry.seq - begin.seq - 1][:12]}", where))
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
