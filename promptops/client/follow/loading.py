"""Loads new releases app by app, small ones first, and follows each app as soon as it is ready. No I/O.

A generator like those of :mod:`promptops.client.follow.refresh`: it yields questions and receives the answers. One
question requests many releases; if that fails, each is requested alone, so that a release that is not available stops
no other. It asks the followed place first, then the other places, because a digest is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from promptops.client.follow.replica import Replica
from promptops.client.sources.http_messages import BATCH
from promptops.client.sources.source import TIMEOUT, Ask, AskContents, Failed, SourceAnswer, SourcePlace
from promptops.client.state.release_set import Rejected, Unloaded, load, unloaded_of
from promptops.core.snapshot import Pointer

_LARGE: Final = 64 << 10
_MOMENT: Final = 0.05
"""An app that is ready does not wait while a release of more bytes compiles. For smaller ones it waits this many
seconds at most: to serve each app by itself would make the view anew for each, which is slow with hundreds of apps.
"""
_IN_A_ROW: Final = 3
"""Questions for one release each that failed one after the other: then the place is at fault, not the release."""

Loading = Generator[Ask, SourceAnswer | Failed, None]


@dataclass(slots=True)
class _Work:
    """Apps that are being loaded; an app leaves when it is done."""

    replica: Replica
    apps: dict[str, Pointer]

    def needed(self) -> list[str]:
        """Returns the digests whose bytes are not here; those of apps that failed before come last."""
        before = self.replica.unloaded
        order = sorted(self.apps, key=lambda app: app in before)
        known = self.known()
        return list(dict.fromkeys(r.digest for app in order for r in self.apps[app].served() if r.digest not in known))

    def known(self) -> Mapping[str, bytes]:
        held = self.replica.held
        spare = self.replica.supply.spare
        return {**spare, **held.contents} if held else spare

    def load(self) -> None:
        """Load the apps whose bytes are all here."""
        replica, known = self.replica, self.known()
        sizes = {
            app: sum(len(known[ref.digest]) for ref in pointer.served())
            for app, pointer in self.apps.items()
            if all(ref.digest in known for ref in pointer.served())
        }
        done, compiled, failed = dict[str, Pointer](), dict(replica.held.compiled if replica.held else {}), {}
        began = replica.world.clock()
        for app in sorted(sizes, key=sizes.__getitem__):
            if done and (sizes[app] > _LARGE or replica.world.clock() - began > _MOMENT):
                replica.settle(done, known, compiled, {})
                done, began = {}, replica.world.clock()
            pointer = self.apps.pop(app)
            try:
                compiled |= load(app, pointer, known, compiled, required=replica.settings.required)
                done[app] = pointer
            except Rejected as rejected:
                failed[app] = unloaded_of(rejected, pointer)
        replica.settle(done, known, compiled, failed)

    def give_up(self, lost: Mapping[str, Failed]) -> None:
        """Give up the remaining apps for now; a later attempt tries them again."""
        failed = {}
        for app, pointer in self.apps.items():
            for ref in pointer.served():
                if why := lost.get(ref.digest):
                    message = f"the release {app}@{ref.version} ({ref.digest}) could not be fetched: {why.message}"
                    failed[app] = Unloaded(reason=why.reason, message=message, pointer=pointer, final=False)
        self.replica.settle({}, {}, {}, failed)


def catch_up(replica: Replica, first: SourcePlace, until: float, *, again: bool) -> Loading:
    """Load everything that is coming and that no other thread loads; leave what is not available for a later attempt.

    ``again``: also releases that failed before. The caller waits an interval between such attempts.
    """
    tried = dict[str, Pointer]()
    while claimed := replica.claim(tried, again=again):
        tried |= claimed
        try:
            yield from _load(replica, first, claimed, until)
        finally:
            replica.coming.release(claimed)


def _load(replica: Replica, first: SourcePlace, claimed: dict[str, Pointer], until: float) -> Loading:
    work, lost = _Work(replica, dict(claimed)), dict[str, Failed]()
    work.load()
    places = tuple(dict.fromkeys((first, *replica.settings.places)))
    for number, place in enumerate(places):
        if digests := work.needed():
            lost |= yield from _fetch(replica, place, digests, share(replica, until, len(places) - number), work)
    work.give_up(lost)


def share(replica: Replica, deadline: float, places: int) -> float:
    """Returns the deadline of one place, when this many places are left."""
    now = replica.world.clock()
    return now + (deadline - now) / places


def has_work(replica: Replica) -> bool:
    """Returns True if a coming release was not tried yet, one is wanted for a conversation, or the target of a rollback
    is not compiled.
    """
    if replica.coming.is_new(replica.unloaded) or replica.conversations.is_waiting:
        return True
    return next(replica.uncompiled(), None) is not None


def compile_rollbacks(replica: Replica) -> None:
    """Compile the releases that a rollback would go to, so that following one is a swap."""
    for app, digest in replica.uncompiled():
        replica.compile_rollback(app, digest)


def fetch(replica: Replica, place: SourcePlace, digests: Iterable[str], until: float) -> Loading:
    """Put the bytes of these releases into the spare ones, as far as they can be had."""
    yield from _fetch(replica, place, digests, until, _Work(replica, {}))


def _fetch(
    replica: Replica, place: SourcePlace, digests: Iterable[str], until: float, work: _Work
) -> Generator[Ask, SourceAnswer | Failed, dict[str, Failed]]:
    """Fetch, and load the complete releases. Returns why each missing release is missing."""
    left, lost, in_a_row, supply = list(digests), dict[str, Failed](), 0, replica.supply
    # A plain web server has one file for each; a server of ours, a database or a folder hand out many at once.
    most = BATCH if replica.contact.is_api(place) or not place.is_http else 1
    while left:
        several = min(most, supply.batch)
        some, left = left[:several], left[several:]
        answer: SourceAnswer | Failed = TIMEOUT
        if replica.world.clock() < until:
            answer = yield Ask(place=place, what=AskContents(digests=tuple(some)), deadline=until)
        if not isinstance(answer, Failed):
            in_a_row = 0
            supply.widen()
            came, damaged = supply.take(some, answer.contents, held=replica.held)
            lost |= damaged
            work.load()
            if rest := [digest for digest in some if digest not in came and digest not in lost]:
                if len(some) == 1:
                    lost[rest[0]] = Failed(reason="missing", message="it is not there")
                else:
                    most, left = (most if came else 1), left + rest
            continue
        if answer.api is not None:
            replica.contact.answered(place, api=answer.api)
        late = answer.reason == TIMEOUT.reason
        if len(some) > 1 and not late:
            most, left = 1, some + left  # which of them is it?
            continue
        if answer.reason == "status-404":
            lost[some[0]] = replace(answer, reason="missing")
            continue
        lost |= dict.fromkeys(some, answer)
        in_a_row += 1
        if late or in_a_row == _IN_A_ROW:
            supply.narrow(several)
            return lost | dict.fromkeys(left, answer)
    return lost
