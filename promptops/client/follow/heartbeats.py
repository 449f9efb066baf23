"""The reports of a process to a server: heartbeats, and a goodbye when it closes. No I/O.

A server refuses the fields that it does not know (422): before 0.3.0 what a client understands and its extensions, and
before 0.2.0 also the apps that it cannot load, and the goodbye. The client then repeats the heartbeat without them, and
leaves them out there for a while, since a newer server may replace it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from promptops.client.follow.refresh import Asking, Refreshed
from promptops.client.follow.replica import Replica
from promptops.client.sources.http_messages import SDK
from promptops.client.sources.source import Ask, Failed, SourceAnswer, SourcePlace, TellBeat
from promptops.core.errors import Invalid
from promptops.core.features import UNDERSTOOD
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
            understands=UNDERSTOOD,
            asks=None if leaving else replica.asks(apart),
        )
    except Invalid:
        return None


def tell(
    replica: Replica,
    place: SourcePlace,
    beat: Beat,
    deadline: float,
    *,
    is_over: Callable[[], bool] = lambda: False,
) -> Asking:
    """Report it to a place, as much of it as the server there takes.

    What a server refuses as unknown is left out in a second try, and from then on for a while. A goodbye that would
    have to be left out is not sent. Once ``is_over`` returns True, nothing more is sent.
    """
    answer: SourceAnswer | Failed | None = None
    sent: Beat | None = None
    for form, leave_out in enumerate(_FORMS):
        shorter = leave_out(beat)
        if form < replica.contact.form(place) or shorter == sent:
            continue
        if beat.leaving and not shorter.leaving:
            replica.contact.takes(place, form)
            return Refreshed()
        if is_over():
            break
        answer, sent = (yield Ask(place=place, what=_question(shorter), deadline=deadline)), shorter
        if not isinstance(answer, Failed):
            replica.contact.takes(place, form)
            break
        if answer.reason != "status-422":
            break
    return Refreshed(trouble=answer if isinstance(answer, Failed) else None)


def _of_0_2(beat: Beat) -> Beat:
    return replace(beat, understands=(), asks=None)


def _of_0_1(beat: Beat) -> Beat:
    return replace(beat, understands=(), asks=None, cannot_load={}, leaving=False)


_FORMS: Final[tuple[Callable[[Beat], Beat], ...]] = (lambda beat: beat, _of_0_2, _of_0_1)
"""What is left out of a heartbeat for a server of this version, of 0.2.0, and of 0.1.0."""


def _question(beat: Beat) -> TellBeat:
    body = _body(beat)
    if len(body) > MAX_BYTES and beat.asks is not None:
        beat = replace(beat, asks=None)
        body = _body(beat)
    if len(body) > MAX_BYTES and beat.cannot_load:
        bare = _body(replace(beat, cannot_load=dict.fromkeys(beat.cannot_load, "")))
        most = max(0, MAX_BYTES - len(bare)) // (_ESCAPED * len(beat.cannot_load))
        body = _body(replace(beat, cannot_load={app: why[:most] for app, why in beat.cannot_load.items()}))
    return TellBeat(channel=beat.channel, body=body)


def _body(beat: Beat) -> bytes:
    return json.dumps(beat_to_json(beat)).encode()
