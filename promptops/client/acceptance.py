"""What a registry says now, against what is held: is it followed? Pure; what is refused changes nothing.

1. It is of the channel that was asked for.
2. It is of the lineage that is held: another registry at the same address is not followed.
3. Its epoch is not lower. A higher one is a registry restored from a copy: it counts anew, and is followed.
4. Within an epoch no app's revision goes back, so of two servers behind one address the older never wins.
5. Within an epoch a revision is one thing for ever; only where a rollback would go may change, because that depends on
   what was withheld meanwhile.
6. An app that is not there any more is kept. Nothing that is held is ever taken away.
"""

from __future__ import annotations

from dataclasses import replace

from promptops.client.held import Held, Rejected, Rejection
from promptops.core.snapshot import Pointer, Snapshot


def judge(snapshot: Snapshot, held: Held | None, *, channel: str) -> Snapshot | None:
    """The whole snapshot to follow, made of what is held and what arrived, which may be an event. None: nothing new.

    Raises:
        Rejected: with the rule it breaks.
    """
    if snapshot.channel != channel:
        raise Rejected(Rejection.CHANNEL, f"it is of the channel '{snapshot.channel}', not of '{channel}'")
    if held is None:
        return replace(snapshot, partial=False)
    now = held.snapshot
    if snapshot.lineage != now.lineage:
        raise Rejected(Rejection.LINEAGE, f"it is of another registry: lineage {snapshot.lineage}, not {now.lineage}")
    if snapshot.epoch < now.epoch:
        raise Rejected(Rejection.EPOCH, f"it is of epoch {snapshot.epoch}, and epoch {now.epoch} is held")
    if snapshot.epoch > now.epoch:
        return replace(snapshot, partial=False)
    for app, pointer in snapshot.apps.items():
        if app in now.apps:
            _require_newer(app, pointer, now.apps[app])
    apps = {**now.apps, **snapshot.apps}
    if apps == now.apps:
        return None
    return replace(snapshot, apps=apps, cursor=max(now.cursor, snapshot.cursor), partial=False)


def _require_newer(app: str, pointer: Pointer, held: Pointer) -> None:
    if pointer.revision < held.revision:
        raise Rejected(
            Rejection.REVISION, f"'{app}' is at revision {pointer.revision} there, and revision {held.revision} is held"
        )
    if pointer.revision == held.revision and replace(pointer, last_good=None) != replace(held, last_good=None):
        raise Rejected(Rejection.CONFLICT, f"revision {held.revision} of '{app}' is two different things")
