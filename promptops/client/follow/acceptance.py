"""Decides whether a client follows an arrival, given what it holds. Pure; a refused arrival changes nothing.

1. It is of the channel that the client follows.
2. It is of the held lineage: another registry at the same address is not followed.
3. Its epoch is not lower. A higher one is a registry restored from a copy: it counts anew, and is followed.
4. Within an epoch no app's revision goes back, so of two servers behind one address the older never wins.
5. Within an epoch a revision is one thing for ever; only where a rollback would go may change, because that depends on
   what was withheld meanwhile, and what its extensions say, which is no part of what it serves.
6. An app that is not in the snapshot any more is kept. No held release is ever taken away.
7. No number leaps: an epoch counts restores, a revision the changes of an app, the cursor the lines of an audit log.
   A client that accepted the largest number would refuse every later snapshot, after a restart too.

Channel, lineage, epoch and cursor belong to the whole snapshot; the other rules apply to each app by itself, and an app
that breaks one stops no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from promptops.client.state.release_set import Held, Rejected, Rejection, require_possible
from promptops.core.snapshot import MAX_REVISION, Pointer, Snapshot

RESTORES: Final = 100
CHANGES: Final = 1_000_000
LINES: Final = 1_000_000_000
"""How far an epoch, a revision and a cursor may be above the held ones: more than any registry does in years."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalVerdict:
    """The parts of an arrival that are followed.

    ``base`` is the whole snapshot with the held pointers that stay; ``news`` are the pointers to load; ``refused``
    has the rule that an app breaks; ``settled`` are the apps that are held as they arrived. ``behind``: the arrival is
    older than the held snapshot, so an app that goes back in it has no problem of its own.
    """

    base: Snapshot
    news: Mapping[str, Pointer]
    refused: Mapping[str, Rejected] = field(default_factory=dict)
    settled: frozenset[str] = frozenset()
    behind: bool = False


def judge(snapshot: Snapshot, held: Held | None, *, channel: str) -> ArrivalVerdict:
    """Decide which part of an arrival is followed; the arrival may be an event.

    Raises:
        Rejected: with the rule that it breaks as a whole.
    """
    if snapshot.channel != channel:
        raise Rejected(Rejection.CHANNEL, f"it is of the channel '{snapshot.channel}', not of '{channel}'")
    require_possible(snapshot)
    base = replace(snapshot, apps={}, partial=False)
    now = held.snapshot if held else base
    _require_same_counting(snapshot, now)
    if snapshot.epoch > now.epoch:
        now = base
    refused = dict[str, Rejected]()
    for app, pointer in snapshot.apps.items():
        if flaw := _flaw(app, pointer, now.apps.get(app)):
            refused[app] = flaw
    fine = {app: pointer for app, pointer in snapshot.apps.items() if app not in refused}
    settled = frozenset(app for app, pointer in fine.items() if pointer == now.apps.get(app))
    return ArrivalVerdict(
        base=replace(base, apps=now.apps, cursor=max(now.cursor, snapshot.cursor)),
        news={app: pointer for app, pointer in fine.items() if app not in settled},
        refused=refused,
        settled=settled,
        behind=snapshot.cursor < now.cursor,
    )


def _require_same_counting(snapshot: Snapshot, now: Snapshot) -> None:
    if snapshot.lineage != now.lineage:
        raise Rejected(Rejection.LINEAGE, f"it is of another registry: lineage {snapshot.lineage}, not {now.lineage}")
    if snapshot.epoch < now.epoch:
        raise Rejected(Rejection.EPOCH, f"it is of epoch {snapshot.epoch}, and epoch {now.epoch} is held")
    if snapshot.epoch > now.epoch + RESTORES:
        raise Rejected(
            Rejection.EPOCH,
            f"it is of epoch {snapshot.epoch}, over {RESTORES} restores after {now.epoch}, which is held",
        )
    if snapshot.epoch == now.epoch and snapshot.cursor > now.cursor + LINES:
        raise Rejected(Rejection.REVISION, f"its cursor leaps from {now.cursor}, which is held, to {snapshot.cursor}")


def _flaw(app: str, pointer: Pointer, held: Pointer | None) -> Rejected | None:
    """Returns the rule that an app's pointer breaks."""
    revision = held.revision if held else 0
    if pointer.revision < revision:
        return Rejected(
            Rejection.REVISION, f"'{app}' is at revision {pointer.revision} there, and revision {revision} is held"
        )
    if pointer.revision > (revision + CHANGES if held else MAX_REVISION):
        return Rejected(
            Rejection.REVISION, f"'{app}' leaps to revision {pointer.revision} there, and revision {revision} is held"
        )
    if held and pointer.revision == revision and pointer.decided != held.decided:
        return Rejected(Rejection.CONFLICT, f"revision {revision} of '{app}' is two different things")
    return None
