"""Git -> a new registry: every record is read, verified, put in the order of the audit log, and becomes rows.

It first reads the lines of the audit log alone, to see that the sequence is complete; then record by record, so that a
registry of any size needs little memory. The chain of hashes is verified on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from promptops.core.advice import Action, Advice, Sentence
from promptops.core.audit import GENESIS, seal
from promptops.core.errors import Invalid
from promptops.projection.archive import Archive
from promptops.projection.objects import ROOT
from promptops.store.facts.record import Record

if TYPE_CHECKING:
    from promptops.source.git.repository import Repository

_EPOCHS = ROOT + "epochs/"
_SHOWN = 5
"""Refs or gaps that an error names; one is enough to start with, and a list of thousands would hide the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A registry that came from git: its lineage, its records, the number and hash of its last audit line, its epoch.

    ``kinds`` counts the records of each kind. ``unloadable`` are releases that no client could load, with the reason.
    """

    lineage: str
    records: int
    seq: int
    hash: str
    epoch: int
    kinds: dict[str, int]
    unloadable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A line of the audit log, and the ref that has it in git."""

    ref: str
    seq: int
    hash: str
    previous: str


def rebuild(repository: Repository, url: str, *, source: str, actor: str, now: datetime) -> Rebuilt:
    """Make a registry at ``url`` of what a repository holds; ``source`` is the name of the repository in errors.

    Raises:
        Invalid: a record is missing or was changed; nothing was made.
        Conflict: there is a registry already.
        GitUnavailable: git cannot read the repository.
    """
    from promptops.store.importing import import_records

    archive = Archive(repository)
    lines = _in_order(archive, source)
    epoch = 1 + max((int(n) for name in archive.refs if (n := name.removeprefix(_EPOCHS)).isdecimal()), default=1)
    records = _records(archive, lines)
    reason = f"rebuilt from git, up to line {lines[-1].seq} of the audit log"
    count = import_records(url, records, epoch=epoch, actor=actor, now=now, reason=reason)
    kinds: dict[str, int] = {}
    for line in lines:
        kind = line.ref.removeprefix(ROOT).partition("/")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    return Rebuilt(
        lineage=archive.lineages[0], records=count, seq=lines[-1].seq, hash=lines[-1].hash, epoch=epoch, kinds=kinds
    )


def _in_order(archive: Archive, source: str) -> Sequence[_Line]:
    """Returns every line of the audit log, oldest first, without a gap."""
    if not archive.refs:
        raise Invalid(
            f"{source} holds no registry: it has no ref below {ROOT}",
            hint="A plain clone lacks them: git fetch origin 'refs/promptops/*:refs/promptops/*'",
        )
    if len(archive.lineages) != 1:
        present = ", ".join(archive.lineages) or "none"
        raise Invalid(
            f"{source} has to hold exactly one registry, and it holds {present}", hint=Sentence(Advice(Action.FSCK))
        )
    lines = [_Line(ref=ref, seq=seq, hash=hash_, previous=before) for ref, seq, hash_, before in archive.audit()]
    unread = sorted(archive.refs.keys() - {line.ref for line in lines})
    if unread:
        raise Invalid(f"{_listed(unread)} cannot be read: no record is behind it", hint=_hint(source))
    lines.sort(key=lambda line: (line.seq, line.ref))
    for before, line in pairwise(lines):
        if before.seq == line.seq:
            raise Invalid(f"{before.ref} and {line.ref} both claim to be line {line.seq} of the audit log")
    gaps = _gaps([line.seq for line in lines])
    if gaps:
        raise Invalid(f"lines {_listed(gaps)} of the audit log are not in {source}", hint=_hint(source))
    return lines


def _gaps(seqs: Sequence[int]) -> list[str]:
    """Returns the numbers that are missing from 1 to the last one: ``3``, ``7 to 9``."""
    gaps = []
    for before, after in zip([0, *seqs], seqs, strict=False):
        if after > before + 1:
            gaps.append(str(before + 1) if after == before + 2 else f"{before + 1} to {after - 1}")
    return gaps


def _records(archive: Archive, lines: Sequence[_Line]) -> Iterator[Record]:
    """Yields the records in the order of the audit log, after a check of each record and of the chain."""
    previous = GENESIS
    for stored in archive.stored({line.ref: archive.refs[line.ref] for line in lines}):
        if stored.record is None:
            raise Invalid(f"{stored.ref}: {stored.problem}; nothing was made", hint=Sentence(Advice(Action.FSCK)))
        audit = stored.record.audit
        if seal(audit) != audit.hash or audit.previous != previous:
            raise Invalid(f"{stored.ref}: line {audit.seq} does not follow the audit log before it; nothing was made")
        previous = audit.hash
        yield stored.record


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def _hint(source: str) -> str:
    return Sentence(
        f"Look for a repository that has them: git -C {source} fetch REMOTE 'refs/promptops/*:refs/promptops/*'."
        " Where the old registry still opens, ",
        Advice(Action.REPAIR, words="a repair of it"),
        " in its workspace writes them again.",
    )
