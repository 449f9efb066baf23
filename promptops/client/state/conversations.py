"""Conversations stay on the release that they began with: which releases are kept for them, and what a hold means.

An application gives the hold that it keeps with a conversation. Whatever it gives, no call breaks: what is no hold, or
of another app, channel or registry, or over, or of a withdrawn release, holds nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final, NamedTuple

from promptops.client.state.app_release import ServedRelease
from promptops.client.state.release_set import CompiledRelease, Held, Rejected
from promptops.core.snapshot import Pointer, Snapshot

if TYPE_CHECKING:
    from promptops.core.hold import Hold

MOST: Final = 32
"""Releases of a channel that are kept for conversations beside those that it serves; the one used last goes last."""
AGAIN: Final = 30.0
"""Seconds after which a release that could not be had is requested again."""
_TEXTS: Final = 1_000
"""Holds whose meaning is remembered: those of a day, release and side are one text, so there are few."""
_DAY: Final = 86_400


class Conversations:
    """The releases that conversations of a channel are on, as long as the client lasts.

    Any thread may use it. It has no lock, which a forked child could find held: each step is one of a dict.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._used: dict[str, None] = {}
        self._wanted: dict[str, str] = {}
        self._again: dict[str, float] = {}
        self._nudge: Callable[[], object] = int

    def nudge_with(self, nudge: Callable[[], object]) -> None:
        """Have this called when there is a release to fetch."""
        self._nudge = nudge

    @property
    def digests(self) -> Collection[str]:
        """The releases to keep."""
        return tuple(self._used)

    @property
    def is_waiting(self) -> bool:
        """True where there is a release to fetch."""
        return bool(self._wanted)

    def use(self, digest: str) -> None:
        """A conversation is on this release: keep it."""
        self._used.pop(digest, None)
        self._used[digest] = None
        if len(self._used) > MOST:
            for oldest in list(self._used)[:-MOST]:
                self._used.pop(oldest, None)

    def want(self, app: str, digest: str) -> None:
        """Have this release fetched in the background, unless that was tried a moment ago."""
        is_tried = self._clock() < self._again.get(digest, -math.inf)
        if not is_tried and digest not in self._wanted and len(self._wanted) < MOST:
            self._wanted[digest] = app
            self._nudge()

    def claim(self) -> dict[str, str]:
        """Take out the releases to fetch: the app of each digest. Each can be wanted again after a while."""
        claimed = dict(self._wanted)
        for digest in claimed:
            self._wanted.pop(digest, None)
            self._again[digest] = self._clock() + AGAIN
        for oldest in list(self._again)[: -8 * MOST]:
            self._again.pop(oldest, None)
        return claimed


class Talk(NamedTuple):
    """What a hold means while a view lasts. Without a release, that is not held by this process. ``until`` is when it
    is over, in seconds since 1970.
    """

    hold: Hold
    until: float
    release: ServedRelease | None


class Talks:
    """The meaning of holds while a view lasts.

    ``serves`` says which apps the channel serves here, and ``serve`` makes what is served of a release.
    """

    def __init__(
        self,
        held: Held | None,
        channel: str,
        book: Conversations | None,
        *,
        serves: Callable[[str], bool],
        serve: Callable[[Hold, CompiledRelease, Pointer, str], ServedRelease],
    ) -> None:
        self._held = held
        self._channel = channel
        self._book = book
        self._serves = serves
        self._serve = serve
        self._known: dict[str, Talk] = {}

    def of(self, app: str, text: object) -> Talk | None:
        """Returns what a hold of a conversation with an app means; None where it holds nothing."""
        if not isinstance(text, str):
            return None
        talk = self._known.get(text) or self._read(text)
        if talk is None or talk.hold.app != app or time.time() >= talk.until:
            return None
        if self._book is not None:
            if talk.release is None:
                self._book.want(app, talk.hold.digest)
            else:
                self._book.use(talk.hold.digest)
        return talk

    def _read(self, text: str) -> Talk | None:
        from promptops.core.hold import day_of, read_hold  # most applications have no holds

        hold, held = read_hold(text), self._held
        if hold is None or held is None or hold.channel != self._channel or not self._serves(hold.app):
            return None
        pointer = held.apps[hold.app]
        if hold.is_over(day_of(time.time())) or not _stands(hold, pointer, _counted(held, hold.app)):
            return None
        talk = Talk(hold, hold.ends * _DAY, self._release(hold, held, pointer, text))
        if len(self._known) >= _TEXTS:
            self._known.clear()
        self._known[text] = talk
        return talk

    def _release(self, hold: Hold, held: Held, pointer: Pointer, text: str) -> ServedRelease | None:
        try:
            return self._serve(hold, held.release(hold.app, hold.digest), pointer, text)
        except Rejected:  # it is not here, or cannot be loaded here
            return None


def _stands(hold: Hold, pointer: Pointer, counted: Snapshot) -> bool:
    """Returns whether a hold is of this counting, and its release was not withdrawn."""
    from promptops.core.hold import mark

    same = (hold.lineage, hold.epoch) == (mark(counted.lineage), counted.epoch)
    in_time = max(1, pointer.held_from) <= hold.revision <= pointer.revision
    return same and in_time and hold.digest not in pointer.withdrawn


def _counted(held: Held, app: str) -> Snapshot:
    return held.gone if held.gone and app in held.gone.apps else held.snapshot
