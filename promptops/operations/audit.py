"""Verifies the audit log: every line against its seal and the line before, its end against older hashes.

The database alone shows edited, removed and moved lines, and a missing end if the head row still counts it. A log that
was rewritten as a whole is consistent; only an anchor shows it: a hash that was kept elsewhere, or the hashes in the
commits that promptops writes to git.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from promptops.core import audit
from promptops.core.advice import Action, Advice, Sentence
from promptops.core.audit import AuditFault, Tampering
from promptops.core.errors import Invalid, PromptopsError
from promptops.core.model import AuditEntry

if TYPE_CHECKING:
    from promptops.store import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """The result of a verification: the number of lines, the hash of the newest, and every fault, oldest line first.

    ``anchors`` is the number of hashes in git that the log was compared with; ``unread`` is why git was not read.
    """

    entries: int
    head: str
    faults: tuple[AuditFault, ...]
    anchors: int = 0
    unread: str = ""


class Log(Protocol):
    """One view of an audit log, which may be read several times."""

    def audit_trail(self) -> Iterator[AuditEntry]:
        """Every line, oldest first."""

    def audit_head(self) -> tuple[int, str]:
        """The number and hash of the newest line, from the row beside the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a log is compared with: an anchor, the hashes in git by line number, or the reason why git was not read."""

    anchor: str
    hashes: Mapping[int, str]
    unread: str


def entries(
    registry: Registry,
    *,
    app: str = "",
    channel: str = "",
    actor: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> tuple[AuditEntry, ...]:
    """The log, newest first, narrowed by whatever is given; ``before`` is the number of a line."""
    with registry.read() as reader:
        return tuple(
            reader.audit(app=app, channel=channel, actor=actor, since=since, until=until, before=before, limit=limit)
        )


def trail(registry: Registry, *, after: int, limit: int) -> tuple[tuple[AuditEntry, ...], tuple[int, str]]:
    """Lines after one, oldest first, and the number and hash of the newest line as of the same moment."""
    with registry.read() as reader:
        return tuple(islice(reader.audit_trail(after=after, page=limit), limit)), reader.audit_head()


def verify(registry: Registry, *, anchor: str = "", root: Path | None = None) -> Audited:
    """Verify the whole log in one consistent view, and the secrets that its lines commit to.

    ``anchor`` is a hash that the log has to contain; ``root`` a workspace whose repository has more of them.

    Raises:
        Invalid: the anchor is not a hash.
    """
    known = kept(registry.lineage, anchor=anchor, root=root)
    with registry.read() as reader:
        audited = compare(reader, known)
        changed = reader.changed_secrets()
    secrets = [
        AuditFault(
            tampering=Tampering.SECRET, seq=seq, what=Sentence(f"{what}: ", Advice(Action.REVOKE_TOKEN, token=id))
        )
        for seq, id, what in changed
    ]
    return replace(audited, faults=tuple(sorted([*audited.faults, *secrets], key=lambda fault: fault.seq)))


def _secret(what: str, token: str) -> Sentence:
    return Sentence(f"{what}: ", Advice(Action.REVOKE_TOKEN, token=token))


def kept(lineage: str, *, anchor: str = "", root: Path | None = None) -> Kept:
    """Returns what the log of this registry has to agree with.

    Raises:
        Invalid: the anchor is not a hash.
    """
    wanted = require_anchor(anchor)
    hashes, unread = _kept_in_git(lineage, root)
    return Kept(anchor=wanted, hashes=hashes, unread=unread)


def require_anchor(typed: str) -> str:
    """Returns the hash that was typed; empty if nothing was.

    Raises:
        Invalid: it is no hash of an audit entry.
    """
    wanted = typed.strip().lower()
    if wanted and (len(wanted) != len(audit.GENESIS) or not set(wanted) <= set("0123456789abcdef")):
        raise Invalid(
            f"'{typed}' is not the hash of an audit entry, which has {len(audit.GENESIS)} hex digits",
            hint=Sentence(Advice(Action.READ_AUDIT, words="The audit log"), " has the hash of each entry."),
        )
    return wanted


def compare(log: Log, known: Kept) -> Audited:
    """Verify a log by itself, and against older hashes of it."""
    tail = _Tail()
    faults = list(audit.verify(tail.watch(log.audit_trail())))
    seq, hash = log.audit_head()
    others = [audit.verify_head(tail.last, seq=seq, hash=hash)]
    if known.anchor:
        others.append(audit.verify_anchor(log.audit_trail(), known.anchor))
    faults += [fault for fault in others if fault is not None]
    if known.hashes:
        reported = {fault.seq for fault in faults}
        faults += [
            fault for fault in audit.verify_anchors(log.audit_trail(), known.hashes) if fault.seq not in reported
        ]
    return Audited(
        entries=tail.count,
        head=tail.last.hash if tail.last else audit.GENESIS,
        faults=tuple(sorted(faults, key=lambda fault: fault.seq)),
        anchors=len(known.hashes),
        unread=known.unread,
    )


class _Tail:
    """Counts the lines of a log and keeps the newest, while it is read once for its verification."""

    def __init__(self) -> None:
        self.count = 0
        self.last: AuditEntry | None = None

    def watch(self, entries: Iterator[AuditEntry]) -> Iterator[AuditEntry]:
        for entry in entries:
            self.count += 1
            self.last = entry
            yield entry


def _kept_in_git(lineage: str, root: Path | None) -> tuple[Mapping[int, str], str]:
    """Returns the hashes in the workspace's repository by line number, or no hash and the reason."""
    if root is None:
        return {}, "there is no workspace here"
    from promptops.projection import Archive
    from promptops.source.git.repository import Repository

    try:
        with closing(Repository.open(root)) as repository:
            archive = Archive(repository)
            if lineage not in archive.lineages:
                return {}, "this repository has none of the registry's history"
            return {line.seq: line.hash for line in archive.lines if line.seq}, ""
    except PromptopsError as error:
        return {}, error.message
