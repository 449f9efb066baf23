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
from promptops.projection.archive import REGISTRY, Archive, Line, newest_epoch
from promptops.projection.objects import ROOT
from promptops.store.facts.record import Record

if TYPE_CHECKING:
    from promptops.source.git.repository import Repository

_SHOWN = 5
"""Refs or gaps that an error names; one is enough to start with, and a list of thousands would hide the message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A registry that came from git: its lineage, its records, the number and hash of its last audit line, its epoch.

    ``kinds`` counts the records of each kind. ``unloadable`` are releases that no client could load, ``ignored`` what
    git has beside the lines that prove themselves; both with the reason.
    """

    lineage: str
    records: int
    seq: int
    hash: str
    epoch: int
    kinds: dict[str, int]
    unloadable: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class _Unproven(Exception):
    """A line of a chain that does not prove itself: whatever follows rests on it."""

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)
        self.place, self.why = place, why


def rebuild(repository: Repository, url: str, *, source: str, actor: str, now: datetime, anchor: str = "") -> Rebuilt:
    """Make a registry at ``url`` of what a repository holds; ``source`` is the name of the repository in errors.

    With an ``anchor``, the hash of a line of the audit log, it takes that line and those before it, and nothing else.

    Raises:
        Invalid: a record is missing or was changed, or no proven line has the anchor's hash; nothing was made.
        Conflict: there is a registry already.
        GitUnavailable: git cannot read the repository.
    """
    from promptops.store.importing import import_records

    archive = Archive(repository)
    lines, ignored = _anchored(archive, anchor, source) if anchor else _in_order(archive, source)
    while True:
        epoch = 1 + newest_epoch(lines)
        reason = f"rebuilt from git, up to line {lines[-1].seq} of the audit log"
        try:
            count = import_records(url, _records(archive, lines), epoch=epoch, actor=actor, now=now, reason=reason)
            break
        except _Unproven as unproven:
            if anchor:
                name = lines[unproven.place].name
                raise Invalid(f"{name}: {unproven.why}; nothing was made", hint=_hint(source)) from unproven
            ignored += [f"{line.name}: {unproven.why}" for line in lines[unproven.place :]]
            lines = lines[: unproven.place]
    kinds: dict[str, int] = {}
    for line in lines:
        kind = line.name.partition("/")[0]
        kinds[kind] = kinds.get(kind, 0) + 1
    last = lines[-1]
    return Rebuilt(
        lineage=lines[0].name.removeprefix(REGISTRY),
        records=count,
        seq=last.seq,
        hash=last.hash,
        epoch=epoch,
        kinds=kinds,
        ignored=tuple(ignored),
    )


def _anchored(archive: Archive, anchor: str, source: str) -> tuple[Sequence[Line], list[str]]:
    """Returns the lines up to the one with this hash, oldest first; and what git has beside them.

    Raises:
        Invalid: no line proves that it has this hash.
    """
    claims = [line for line in archive.lines if line.hash == anchor]
    for line, stored in zip(claims, archive.stored(claims), strict=True):
        if stored.record is not None and seal(stored.record.audit) == anchor:
            lines = archive.up_to(line)
            taken = {line.sha for line in lines}
            left = [f"{other.name}: it is not before the anchor" for other in archive.lines if other.sha not in taken]
            return lines, [*left, *(f"{name}: no registry begins there" for name in archive.strange)]
    raise Invalid(
        f"{source} has no line of the audit log with the hash {anchor[:12]}…: it was cut before it, or rewritten",
        hint=_hint(source),
    )


def _in_order(archive: Archive, source: str) -> tuple[Sequence[Line], list[str]]:
    """Returns every line of the audit log, oldest first, without a gap; and what is left out, with the reason.

    What lies on top of a chain and is no line of an audit log is left out, so that it stops nothing.
    """
    if not archive.lines:
        raise Invalid(
            f"{source} holds no registry: it has neither a branch promptops/NAME nor a ref below {ROOT}",
            hint="A clone of one branch lacks it: git fetch origin 'refs/heads/promptops/*:refs/heads/promptops/*'",
        )
    if len(archive.lineages) != 1:
        present = ", ".join(archive.lineages) or "none"
        raise Invalid(
            f"{source} has to hold exactly one registry, and it holds {present}", hint=Sentence(Advice(Action.FSCK))
        )
    ignored = [f"{name}: no registry begins there" for name in archive.strange]
    lines = archive.lines
    if archive.chains == 1:
        end = next((place for place, line in enumerate(lines) if line.seq != place + 1), len(lines))
        if end < len(lines) and (stored := next(archive.stored(lines[end : end + 1]))).missing:
            raise Invalid(f"{lines[end].name}: {stored.problem}; nothing was made", hint=_hint(source))
        ignored += [f"{line.name}: it is no line of the audit log" for line in lines[end:]]
        lines = lines[:end]
    unread = sorted(line.name for line in lines if not line.seq)
    if unread:
        raise Invalid(f"{_listed(unread)} cannot be read: no record is behind it", hint=_hint(source))
    for before, line in pairwise(lines):
        if before.seq == line.seq:
            raise Invalid(f"{before.name} and {line.name} both claim to be line {line.seq} of the audit log")
    gaps = _gaps([line.seq for line in lines])
    if gaps:
        raise Invalid(f"lines {_listed(gaps)} of the audit log are not in {source}", hint=_hint(source))
    return lines, ignored


def _gaps(seqs: Sequence[int]) -> list[str]:
    """Returns the numbers that are missing from 1 to the last one: ``3``, ``7 to 9``."""
    gaps = []
    for before, after in zip([0, *seqs], seqs, strict=False):
        if after > before + 1:
            gaps.append(str(before + 1) if after == before + 2 else f"{before + 1} to {after - 1}")
    return gaps


def _records(archive: Archive, lines: Sequence[Line]) -> Iterator[Record]:
    """Yields the records in the order of the audit log, after a check of each record and of the chain."""
    previous = GENESIS
    for place, stored in enumerate(archive.stored(lines)):
        name, record = stored.line.name, stored.record
        if record is None and (stored.missing or stored.line.parents is None or not place):
            raise Invalid(f"{name}: {stored.problem}; nothing was made", hint=Sentence(Advice(Action.FSCK)))
        if record is None:
            raise _Unproven(place, stored.problem)
        audit = record.audit
        if seal(audit) != audit.hash or audit.previous != previous:
            if stored.line.parents is not None and place:
                raise _Unproven(place, f"line {audit.seq} does not follow the audit log before it")
            raise Invalid(f"{name}: line {audit.seq} does not follow the audit log before it; nothing was made")
        previous = audit.hash
        yield record


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN:,} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def _hint(source: str) -> str:
    return Sentence(
        f"Look for a repository that has them: git -C {source} fetch REMOTE"
        " 'refs/heads/promptops/*:refs/heads/promptops/*'."
        " Where the old registry still opens, ",
        Advice(Action.REPAIR, words="a repair of it"),
        " in its workspace writes them again.",
    )
