"""The reports of a process to a server: heartbeats, and a goodbye when it closes. No I/O.

Servers before 0.2.0 refuse two unknown fields (422): the apps that a process cannot load, and the goodbye. The client
then repeats the heartbeat without them, and leaves them out there for a while, since a newer server may replace it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from promptops.client.follow.refresh import Asking, Refreshed
from promptops.client.follow.replica import Replica
from promptops.client.sources.http_messages import SDK
from promptops.client.sources.source import Ask, Failed, SourcePlace, TellBeat
from promptops.core.errors import Invalid
from promptops.core.heartbeat import MAX_APPS, Beat
from promptops.core.model import is_name
from promptops.wire.heartbeat import MAX_BYTES, beat_to_json

GOODBYE: Final = 1.0
"""Seconds that a goodbye may take: an application that ends waits for it."""

_ESCAPED: Final = 12
"""Bytes that a character takes at most in JSON of ASCII."""


def heartbeat(replica: Replica, identity: str, name: str, *, leaving: bool = False) -> Beat | None:
    """Returns the current heartbeat: which revision of each app is served. None if there is nothing to report yet, or
    if a registry would refuse it: too many apps, or a name that is not valid text.

    Apps that are fixed or overridden are left out: this process does not follow the channel there. An app that it
    cannot load is named with the reason, beside the revision that it still serves.
    """
    held = replica.held
    if held is None or replica.contact.last is None:
        return None
    apart = {fixed.app for fixed in replica.settings.fixed} | set(replica.overrides)
    revisions = {app: pointer.revision for app, pointer in held.snapshot.apps.items() if app not in apart}
    cannot = {app: why for app, why in replica.cannot_load.items() if is_name(app) and app not in apart}
    try:
        return Beat(
            id=identity,
            channel=replica.channel,
            name=name,
            sdk=SDK,
            state=replica.state,
            lineage=held.snapshot.lineage,
            epoch=held.snapshot.epoch,
            revisions=revisions,
            cannot_load=dict(sorted(cannot.items())[:MAX_APPS]),
            leaving=leaving,
        )
    except Invalid:
        return None


def tell(replica: Replica, place: SourcePlace, beat: Beat, deadline: float) -> Asking:
    """Report it to a place, as much of it as the server there takes."""
    old = replica.contact.is_old(place)
    if old and beat.leaving:
        return Refreshed()
    answer = yield Ask(place=place, what=_question(_plain(beat) if old else beat), deadline=deadline)
    if isinstance(answer, Failed) and answer.reason == "status-422" and not old and beat != _plain(beat):
        if not beat.leaving:
            answer = yield Ask(place=place, what=_question(_plain(beat)), deadline=deadline)
        if beat.leaving or not isinstance(answer, Failed):
            replica.contact.found_old(place)
    return Refreshed(trouble=answer if isinstance(answer, Failed) else None)


def _plain(beat: Beat) -> Beat:
    return replace(beat, cannot_load={}, leaving=False)


def _question(beat: Beat) -> TellBeat:
    body = _body(beat)
    if len(body) > MAX_BYTES and beat.cannot_load:
        bare = _body(replace(beat, cannot_load=dict.fromkeys(beat.cannot_load, "")))
        most = max(0, MAX_BYTES - len(bare)) // (_ESCAPED * len(beat.cannot_load))
        body = _body(replace(beat, cannot_load={app: why[:most] for app, why in beat.cannot_load.items()}))
    return TellBeat(channel=beat.channel, body=body)


def _body(beat: Beat) -> bytes:
    return json.dumps(beat_to_json(beat)).encode()
