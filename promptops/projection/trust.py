"""Who vouches for the lines of a journal, and which of them may be taken: by their signatures, without the database.

A signed line vouches for all lines before it. Which keys there are, the journal says itself: each key is endorsed by
the one before, so from a key that is trusted on, the later ones are too. A line that should be signed and is not counts
for nothing, nor does what follows it. Keys are named by their fingerprints.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A line that sets a key, an empty one for none; and the key that endorsed it, empty without a right signature.

    Where signatures are ``required``, unsigned lines count for nothing, also where the key is not trusted.
    """

    key: str
    endorser: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What may be taken: the lines up to ``taken``, of which a trusted key vouches for those up to ``vouched``.

    ``why`` is what is wrong with the next one. ``key`` is the key in force at the last line, or the first one that a
    line behind it sets, and ``trusted`` says that it is trusted. ``ended`` says that a trusted key itself let signing
    end.
    """

    vouched: int
    taken: int
    why: str = ""
    key: str = ""
    trusted: bool = False
    ended: bool = False


def judge(
    count: int, signer: Callable[[int], str], changes: Mapping[int, Change], trusted: Collection[str], verified: int = 0
) -> Trust:
    """Judges lines 1 to ``count``. ``signer`` returns the key that signed a line, empty without a right signature;
    ``changes`` are the lines that set a key, ``trusted`` the keys that are trusted, and those up to ``verified`` the
    lines that are.
    """
    walk = _Walk(sorted(changes.items()), set(trusted), verified)
    last = min(count, walk.end)
    back = range(last, verified, -1) if walk.trusted else ()
    vouched = max(verified, next((seq for seq in back if walk.vouches(seq, signer(seq))), 0))
    found = ((seq, walk.problem(seq, signer(seq))) for seq in range(vouched + 1, last + 1))
    end, why = next(((seq - 1, why) for seq, why in found if why), (last, walk.why if last < count else ""))
    key = walk.key(end)
    offs = [change for seq, change in walk.changes if seq <= end and not change.key]
    ended = not key and any(change.endorser in walk.trusted for change in offs)
    key = key or ("" if ended else walk.next_key(end))
    return Trust(vouched=vouched, taken=end, why=why, key=key, trusted=key in walk.trusted, ended=ended)


class _Walk:
    """The keys of a journal in their order, in runs in which each endorsed the next one.

    ``end`` is the last line before a key that takes over from another one without its signature, and ``why`` says that.
    """

    def __init__(self, changes: Sequence[tuple[int, Change]], trusted: set[str], verified: int) -> None:
        self.changes = changes
        self.trusted = trusted | ({self.key(verified)} - {""})
        runs = _runs(changes)
        last = self._trust(runs)
        self.end, self.why = sys.maxsize, ""
        for number, run in enumerate(runs[1:], 1):
            before, (seq, change) = runs[number - 1][-1][1].key, run[0]
            if number > last and before and seq > verified:
                self.end = seq - 1
                self.why = f"it sets {change.key or 'no key'}, and the key before, {before}, did not sign for that"
                break

    def _trust(self, runs: Sequence[Sequence[tuple[int, Change]]]) -> int:
        """Adds the keys that trusted ones endorsed; returns the last run with a trusted key, or -1."""
        older: set[str] = set()
        last = -1
        for number, run in enumerate(runs):
            keys = [change.key for _, change in run]
            # A key that was replaced, perhaps because it was stolen, comes back by no signature of its own.
            first = next((place for place, key in enumerate(keys) if key in self.trusted - older), None)
            if first is not None:
                last = number
                self.trusted |= set(keys[first:]) - {""}
            older |= set(keys)
        return last

    def key(self, seq: int) -> str:
        """Returns the key in force at a line."""
        return self._at(seq).key

    def next_key(self, seq: int) -> str:
        """Returns the first key that a line behind this one sets: without it a journal whose first key was replaced
        would look as if it never had one.
        """
        return next((change.key for at, change in self.changes if at > seq and change.key), "")

    def _at(self, seq: int) -> Change:
        return next((change for at, change in reversed(self.changes) if at <= seq), Change(key=""))

    def _may_sign(self, signer: str, seq: int) -> bool:
        """True for the key in force at a line, and for later ones: git may get a line late."""
        later = (change.key for at, change in self.changes if seq < at <= self.end)
        return bool(signer) and signer in (self.key(seq), *later)

    def vouches(self, seq: int, signer: str) -> bool:
        """True if a trusted key signed a line while it could. The line that sets it may be cut off."""
        known = any(change.key == signer for _, change in self.changes)
        return signer in self.trusted and (self._may_sign(signer, seq) or not known)

    def problem(self, seq: int, signer: str) -> str:
        """Says why a line that is not vouched for does not count; empty if it may."""
        now = self._at(seq)
        key, counts = now.key, now.required or now.key in self.trusted
        if not key or self._may_sign(signer, seq) or not (counts or signer):
            return ""
        return f"it is signed with {signer}, and not with {key}" if signer else f"it is not signed with {key}"


def _runs(changes: Sequence[tuple[int, Change]]) -> list[list[tuple[int, Change]]]:
    runs: list[list[tuple[int, Change]]] = []
    before = ""
    for seq, change in changes:
        if not before or change.endorser != before:
            runs.append([])
        runs[-1].append((seq, change))
        before = change.key
    return runs
