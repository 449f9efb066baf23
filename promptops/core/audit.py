"""The hash that chains the audit log, and what a broken chain shows about a change of it.

``hash = sha256(seq | previous hash | canonical entry)`` in hex, the parts joined by ``|``, the entry as canonical JSON
of time, actor, action, app, channel, before, after, reason and key, and of the digest of the fact's record if the
line has one: promptops 0.1 wrote lines without it, and their seals stay valid. So each line seals itself, its fact and
the line before it: one that was edited, removed or moved breaks the chain. A tail that was cut off and a log that was
rewritten as a whole only show against an older hash, an anchor: in the head row, in git, or kept by a person.

Everything here reads a log once, oldest line first, so a log of any length can be streamed through it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from enum import StrEnum

from promptops.core.digest import canonical
from promptops.core.errors import Invalid
from promptops.core.model import AuditEntry

GENESIS = "0" * 64
"""The hash before the first line."""

_SEALED = ["actor", "action", "app", "channel", "before", "after", "reason", "key"]
_COMPARED = 200
"""Broken lines whose numbers are tried against each seal, which finds moved lines: n² seals of some microseconds."""


class Tampering(StrEnum):
    """What was done to a log."""

    EDITED = "edited"
    REMOVED = "removed"
    REORDERED = "reordered"
    UNLINKED = "unlinked"
    CUT = "cut"
    REWRITTEN = "rewritten"
    SECRET = "secret"  # noqa: S105 a word
    """The line is valid, and the token that it made has another secret now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFault:
    """One place where a log is not what was written: what was done, at which line, and a description."""

    tampering: Tampering
    seq: int
    what: str


def seal(entry: AuditEntry) -> str:
    """Returns the hash of the entry, computed from everything else in it."""
    fields = {name: getattr(entry, name) for name in _SEALED}
    if entry.record:
        fields["record"] = entry.record
    fields["at"] = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(f"{entry.seq}|{entry.previous}|".encode() + canonical(fields)).hexdigest()


def verify(
    entries: Iterable[AuditEntry], *, start_previous: str = GENESIS, start_seq: int = 0
) -> tuple[AuditFault, ...]:
    """Check every seal and link, oldest line first; returns no faults if the lines are what was written.

    ``start_previous`` and ``start_seq`` are the hash and number of the line before the first of ``entries``.
    """
    faults: list[AuditFault] = []
    broken: list[AuditEntry] = []
    previous, last = start_previous, start_seq
    for entry in entries:
        if not _sealed_as(entry, entry.seq):
            broken.append(entry)
        if entry.seq <= last:
            faults.append(_fault(Tampering.REORDERED, entry.seq, f"line {entry.seq} comes after line {last}"))
        elif entry.seq > last + 1:
            faults.append(_fault(Tampering.REMOVED, last + 1, _removed(last + 1, entry.seq - 1)))
        elif entry.previous != previous:
            what = f"line {entry.seq} does not follow the line before it, which was replaced or sealed anew"
            faults.append(_fault(Tampering.UNLINKED, entry.seq, what))
        previous, last = entry.hash, entry.seq
    return tuple(sorted([*faults, *_broken(broken)], key=lambda fault: fault.seq))


def verify_head(last: AuditEntry | None, *, seq: int, hash: str) -> AuditFault | None:
    """Check the newest line against the number and hash that the head row keeps."""
    newest = (last.seq, last.hash) if last else (0, GENESIS)
    if newest == (seq, hash):
        return None
    if newest[0] < seq:
        return _fault(Tampering.CUT, newest[0] + 1, _removed(newest[0] + 1, seq) + " off the end")
    what = f"the newest line is {newest[0]} ({newest[1][:12]}…), and the head says {seq} ({hash[:12]}…)"
    return _fault(Tampering.REWRITTEN, newest[0], what)


def verify_anchor(entries: Iterable[AuditEntry], anchor: str) -> AuditFault | None:
    """Check that the line with this hash is still part of the log, so that nothing before it was rewritten."""
    if anchor == GENESIS or any(entry.hash == anchor for entry in entries):
        return None
    what = f"no line has the hash {anchor[:12]}…: the log was cut before it, or rewritten"
    return _fault(Tampering.REWRITTEN, 0, what)


def verify_anchors(entries: Iterable[AuditEntry], anchors: Mapping[int, str]) -> tuple[AuditFault, ...]:
    """Check the log against lines that were kept elsewhere, by number: ``anchors[seq]`` is that line's hash."""
    left, last = dict(anchors), 0
    faults: list[AuditFault] = []
    for entry in entries:
        last = max(last, entry.seq)
        kept = left.pop(entry.seq, entry.hash)
        if kept != entry.hash:
            what = f"line {entry.seq} has the hash {entry.hash[:12]}… and was {kept[:12]}… when it was anchored"
            faults.append(_fault(Tampering.REWRITTEN, entry.seq, what))
    for seq in sorted(left):
        cut = seq > last
        what = f"line {seq} was anchored and is gone" + (f": the log ends at {last}" if cut else "")
        faults.append(_fault(Tampering.CUT if cut else Tampering.REMOVED, seq, what))
    return tuple(faults)


def _broken(entries: list[AuditEntry]) -> list[AuditFault]:
    """Judges lines with a wrong seal: moved if the seal fits the number of another such line, else edited."""
    numbers = [entry.seq for entry in entries[:_COMPARED]]
    faults = []
    for entry in entries:
        was = next((seq for seq in numbers if seq != entry.seq and _sealed_as(entry, seq)), None)
        if was is None:
            faults.append(_fault(Tampering.EDITED, entry.seq, f"line {entry.seq} is not what was sealed"))
        else:
            faults.append(_fault(Tampering.REORDERED, entry.seq, f"line {entry.seq} was line {was}"))
    return faults


def _sealed_as(entry: AuditEntry, seq: int) -> bool:
    try:
        return seal(replace(entry, seq=seq)) == entry.hash
    except (Invalid, UnicodeEncodeError):  # text that could never have been sealed
        return False


def _removed(first: int, last: int) -> str:
    return f"line {first} was removed" if first == last else f"lines {first} to {last} were removed"


def _fault(tampering: Tampering, seq: int, what: str) -> AuditFault:
    return AuditFault(tampering=tampering, seq=seq, what=what)
