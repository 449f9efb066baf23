"""Is the audit log what was written? Every line against its seal and the one before, the end against what was kept.

The database alone shows an edit, a removal, lines that were moved, and an end that was cut off behind the head's back.
A log that was rewritten as a whole agrees with itself; that is seen by an anchor: a hash that somebody kept, or the
hashes in the commits that promptops writes to git.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from promptops.core import audit
from promptops.core.audit import AuditFault
from promptops.core.errors import Invalid, PromptopsError
from promptops.core.model import AuditEntry

if TYPE_CHECKING:
    from promptops.store import Reader, Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What verifying found: how many lines there are, the hash of the newest, and every fault, oldest line first.

    ``anchors`` is how many hashes in git the log was compared with; ``unread`` says why git was not asked, if it was
    not.
    """

    entries: int
    head: str
    faults: tuple[AuditFault, ...]
    anchors: int = 0
    unread: str = ""


def verify(registry: Registry, *, anchor: str = "", root: Path | None = None) -> Audited:
    """Verify the whole log, in one consistent view of it, however long it is.

    ``anchor`` is a hash that the log has to contain; ``root`` a workspace whose repository is asked for more of them.

    Raises:
        Invalid: the anchor is no hash.
    """
    wanted = anchor.strip().lower()
    if wanted and (len(wanted) != len(audit.GENESIS) or not set(wanted) <= set("0123456789abcdef")):
        raise Invalid(
            f"'{anchor}' is not the hash of an audit entry, which has {len(audit.GENESIS)} hex digits",
            hint="promptops audit --json has the hash of each entry.",
        )
    kept, unread = _kept_in_git(registry.lineage, root)
    with registry.read() as reader:
        return _verify(reader, wanted, kept, unread)


def _verify(reader: Reader, anchor: str, kept: Mapping[int, str], unread: str) -> Audited:
    tail = _Tail()
    faults = list(audit.verify(tail.watch(reader.audit_trail())))
    seq, hash = reader.audit_head()
    others = [audit.verify_head(tail.last, seq=seq, hash=hash)]
    if anchor:
        others.append(audit.verify_anchor(reader.audit_trail(), anchor))
    faults += [fault for fault in others if fault is not None]
    if kept:
        told = {fault.seq for fault in faults}
        faults += [fault for fault in audit.verify_anchors(reader.audit_trail(), kept) if fault.seq not in told]
    return Audited(
        entries=tail.count,
        head=tail.last.hash if tail.last else audit.GENESIS,
        faults=tuple(sorted(faults, key=lambda fault: fault.seq)),
        anchors=len(kept),
        unread=unread,
    )


class _Tail:
    """Counts the lines that pass and keeps the newest, so that a log of any length is read once for all three."""

    def __init__(self) -> None:
        self.count = 0
        self.last: AuditEntry | None = None

    def watch(self, entries: Iterator[AuditEntry]) -> Iterator[AuditEntry]:
        for entry in entries:
            self.count += 1
            self.last = entry
            yield entry


def _kept_in_git(lineage: str, root: Path | None) -> tuple[Mapping[int, str], str]:
    """The hashes in the workspace's repository by their line's number, or none and the reason why."""
    if root is None:
        return {}, "there is no workspace here"
    from promptops.projection import Archive, anchors
    from promptops.source.git import Repository

    try:
        with closing(Repository.open(root)) as repository:
            if lineage not in Archive(repository).lineages:
                return {}, "this repository has none of the registry's history"
            return dict(anchors(repository)), ""
    except PromptopsError as error:
        return {}, error.message
