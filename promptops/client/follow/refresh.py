"""Brings a replica up to date: generators that yield questions and receive the answers. No I/O.

A caller drives them: it answers each :class:`Ask` with a :class:`SourceAnswer` or a :class:`Failed`, and gets a
:class:`Refreshed` in the end. Everything that arrives is verified before it is followed. A refresh that runs out of
time follows what it has loaded, and the next one goes on from there, so a slow line gets there too.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from promptops.client.follow.loading import catch_up, compile_rollbacks, fetch, share
from promptops.client.follow.replica import Replica
from promptops.client.sources.source import Ask, AskSnapshot, AskVersion, Failed, Question, SourceAnswer, SourcePlace
from promptops.client.state.release_set import Rejected, Rejection
from promptops.client.status import LOG
from promptops.core.errors import Invalid
from promptops.core.model import ReleaseRef
from promptops.core.reference import Reference
from promptops.core.snapshot import Snapshot
from promptops.wire.snapshot import decode

INTERNAL: Final = "internal"
"""The reason of a refresh that an error of our own ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """The result of a refresh. ``trouble``: why the client does not follow the arrival, or why none came.

    ``late``: bytes of an app did not come, and may come soon.
    """

    place: SourcePlace | None = None
    trouble: Failed | None = None
    rejected: bool = False
    late: bool = False


Asking: TypeAlias = Generator[Ask, SourceAnswer | Failed, Refreshed]


def advance(asking: Asking, reply: SourceAnswer | Failed | None) -> Ask | Refreshed:
    """Returns the next question, or the result at the end. ``reply`` is None to begin."""
    try:
        return next(asking) if reply is None else asking.send(reply)
    except StopIteration as stop:
        return cast(Refreshed, stop.value)
    except Exception as error:  # noqa: BLE001 no error of one refresh may end the following
        LOG.exception("following failed", extra={"event": "refresh-failed"})
        return Refreshed(trouble=Failed(reason=INTERNAL, message=f"{type(error).__name__} while following"))


def drive(asking: Asking, answer: Callable[[Ask], SourceAnswer | Failed]) -> Refreshed:
    """Answer every question of a generator, to its end."""
    step = advance(asking, None)
    while isinstance(step, Ask):
        step = advance(asking, answer(step))
    return step


class _Trouble(Exception):
    def __init__(self, failed: Failed, *, rejected: bool = False) -> None:
        super().__init__(failed.message)
        self.failed = failed
        self.rejected = rejected


def refresh(replica: Replica, deadline: float) -> Asking:
    """Ask the places in their order until one answers with something to follow; each has its share of the time."""
    replica.contact.begin_poll()
    places = replica.settings.places
    last = Refreshed()
    for number, place in enumerate(places):
        until = share(replica, deadline, len(places) - number)
        try:
            yield from _follow(replica, place, until, deadline)
        except _Trouble as trouble:
            last = _told(replica, place, trouble)
            continue
        replica.contact.note("pin-missing", (yield from _named(replica, place, until)))
        return Refreshed(place=place, late=replica.coming.is_late(replica.unloaded))
    assert last.trouble is not None
    replica.failed(f"{last.place.label if last.place else ''}: {last.trouble.message}")
    return last


def hear(replica: Replica, place: SourcePlace, data: bytes) -> Refreshed:
    """Follow an event of a stream as far as what it points to is ready; :func:`load` brings the rest."""
    event = None
    try:
        event = _decode(data)
        _receive(replica, event)
        replica.heard_event()
    except _Trouble as trouble:
        if event is None or not _is_past(replica, event):
            return _told(replica, place, trouble)
    return Refreshed(place=place)


def load(replica: Replica, place: SourcePlace, deadline: float) -> Asking:
    """Load and compile the coming releases, and those that a rollback would need."""
    yield from catch_up(replica, place, deadline, again=False)
    yield from _prepare(replica, place, deadline)
    compile_rollbacks(replica)
    replica.look()
    return Refreshed(place=place, late=replica.coming.is_late(replica.unloaded))


def get_version(replica: Replica, reference: Reference, deadline: float) -> Asking:
    """Get one version of an app and hold it, from the first place that has it; each has its share of the time."""
    last = Refreshed(trouble=Failed(reason="nothing-held", message="the registry was not reached yet"))
    places = replica.settings.places if replica.held else ()
    for number, place in enumerate(places):
        try:
            yield from _version(replica, place, reference, share(replica, deadline, len(places) - number))
        except _Trouble as trouble:
            last = _told(replica, place, trouble)
            continue
        return Refreshed(place=place)
    return last


# --- the steps -----------------------------------------------------------------------------------


def _follow(
    replica: Replica, place: SourcePlace, until: float, deadline: float
) -> Generator[Ask, SourceAnswer | Failed, None]:
    etag, before = replica.contact.etag(place, replica.held), replica.held and replica.held.snapshot
    what = AskSnapshot(channel=replica.channel, apps=replica.settings.apps, etag=etag)
    answer = yield from _ask(replica, place, what, until)
    # First, so that an app that is served mended never shows with its old error.
    replica.contact.note("source-invalid", answer.notes)
    trouble = None
    if not answer.unchanged:
        replica.contact.answered(place, api=answer.api)
        snapshot = _decode(answer.body)
        if snapshot.partial:
            raise _Trouble(Failed(reason="content", message="an event is no snapshot"), rejected=True)
        try:
            _receive(replica, snapshot)
        except _Trouble as caught:
            trouble = caught
        overtaken = (replica.held and replica.held.snapshot) is not before and _is_past(replica, snapshot)
        if trouble and not overtaken:
            yield from catch_up(replica, place, deadline, again=True)
            raise trouble
    elif not etag:
        raise _Trouble(Failed(reason="status-304", message="nothing was held that could be unchanged"))
    yield from catch_up(replica, place, deadline, again=True)
    replica.heard(place, api=answer.api, etag="" if trouble else answer.etag)
    if not answer.unchanged or replica.conversations.is_waiting:
        yield from _prepare(replica, place, until)


def _receive(replica: Replica, snapshot: Snapshot) -> None:
    try:
        old = replica.receive(snapshot)
    except Rejected as rejected:
        raise _Trouble(_failed(rejected), rejected=True) from rejected
    if old is not None:
        raise _Trouble(_failed(old), rejected=True)


def _prepare(replica: Replica, place: SourcePlace, until: float) -> Generator[Ask, SourceAnswer | Failed, None]:
    """Fetch the releases that a later rollback would need; a missing one is requested again with the next snapshot. And
    those that conversations are on.
    """
    if wanted := replica.rollbacks():
        yield from fetch(replica, place, wanted, until)
        spare = replica.supply.spare
        replica.hold({digest: spare[digest] for digest in wanted if digest in spare})
    if asked := replica.conversations.claim():
        yield from fetch(replica, place, asked, until)
        replica.hold_for_conversations(asked)
    replica.tidy()


def _is_past(replica: Replica, snapshot: Snapshot) -> bool:
    """Returns True if the held snapshot came after this one: an event and a poll may overtake each other."""
    held = replica.held.snapshot if replica.held else None
    if held is None or held.lineage != snapshot.lineage:
        return False
    return (snapshot.epoch, snapshot.cursor) < (held.epoch, held.cursor)


def _named(
    replica: Replica, place: SourcePlace, until: float
) -> Generator[Ask, SourceAnswer | Failed, tuple[str, ...]]:
    """Get the versions that are fixed or wanted and not held yet; returns why each missing one is missing."""
    lacking = []
    for reference in (*replica.settings.fixed, *replica.settings.versions):
        if replica.held is None or reference.version in replica.held.versions(reference.app):
            continue
        try:
            yield from _version(replica, place, reference, until)
        except _Trouble as trouble:
            lacking.append(f"{reference}: {trouble.failed.message}")
    return tuple(lacking)


def _version(
    replica: Replica, place: SourcePlace, reference: Reference, until: float
) -> Generator[Ask, SourceAnswer | Failed, None]:
    answer = yield from _ask(replica, place, AskVersion(app=reference.app, version=reference.version), until)
    try:
        replica.hold_version(reference.app, ReleaseRef(version=reference.version, digest=answer.etag), answer.body)
    except Rejected as rejected:
        raise _Trouble(_failed(rejected), rejected=True) from rejected


def _ask(
    replica: Replica, place: SourcePlace, what: Question, until: float
) -> Generator[Ask, SourceAnswer | Failed, SourceAnswer]:
    answer = yield Ask(place=place, what=what, deadline=until)
    if isinstance(answer, Failed):
        if answer.api is not None:
            replica.contact.answered(place, api=answer.api)
        raise _Trouble(answer)
    return answer


def _decode(data: bytes) -> Snapshot:
    try:
        return decode(data)
    except Invalid as error:
        raise _Trouble(Failed(reason=Rejection.CONTENT, message=error.message), rejected=True) from error


def _failed(rejected: Rejected) -> Failed:
    return Failed(reason=str(rejected.reason), message=rejected.message)


def _told(replica: Replica, place: SourcePlace, trouble: _Trouble) -> Refreshed:
    if trouble.rejected:
        replica.contact.count_rejected(trouble.failed.reason)
    return Refreshed(place=place, trouble=trouble.failed, rejected=trouble.rejected)
