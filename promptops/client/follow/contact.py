"""How a client stands with the places it asks: when one answered last, what failed, what each can do. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from promptops.client.follow.schedule import World
from promptops.client.sources.source import SourcePlace
from promptops.client.state.release_set import Held
from promptops.wire.snapshot import encode

OLD_FOR: Final = 3600.0
"""Seconds after which a place is taken for a newer server again: by then it may have been replaced by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A place as it answered last: whether it is a server of ours, and the etag of what was held then."""

    api: bool
    etag: str = ""
    held: Held | None = None


class Contact:
    """The contact of one channel with its places. Read from any thread; only these methods change it.

    ``last`` is the moment of the last contact, None before the first. ``place`` is the one that is followed.
    ``failing`` is True while the last attempt failed, and ``failure`` says why. ``unfollowed`` says why nothing follows
    in this process by itself, and is empty while something does. ``rejected`` counts refused arrivals by reason.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._started = world.clock()
        self.last: float | None = None
        self.place: SourcePlace | None = None
        self.failing = False
        self.failure = ""
        self.unfollowed = ""
        self.streaming = False
        self.polls = 0
        self.rejected: Counter[str] = Counter()
        self.notes: Mapping[str, tuple[str, ...]] = {"pin-missing": (), "source-invalid": ()}  # by their log event
        self._known: dict[SourcePlace, _Known] = {}
        self._forms: dict[SourcePlace, tuple[int, float]] = {}

    @property
    def age(self) -> float:
        """Seconds since the last contact; since the start if there was none."""
        return self._world.clock() - (self._started if self.last is None else self.last)

    @property
    def problem(self) -> str:
        """Why the last attempt failed, or the first note; empty if there is neither."""
        return self.failure or next((text for texts in self.notes.values() for text in texts), "")

    # --- what happened ----------------------------------------------------------------------------

    def begin_poll(self) -> None:
        """A refresh begins."""
        self.polls += 1

    def heard(self, place: SourcePlace, held: Held | None, *, api: bool, etag: str) -> None:
        """A place answered with something that is followed, or that nothing is new."""
        self._known[place] = _Known(api=api, etag=etag, held=held)
        self.place = place
        self.renewed()

    def renewed(self) -> None:
        """What is held is what the followed place serves now."""
        self.failure = ""  # before the state changes, which follows from the other two
        self.last, self.failing = self._world.clock(), False

    def answered(self, place: SourcePlace, *, api: bool) -> None:
        """A place answered in some way, so it is known whether it is a server of ours."""
        known = self._known.get(place)
        self._known[place] = replace(known, api=api) if known else _Known(api=api)

    def failed(self, problem: str) -> None:
        """No place answered with anything that is followed."""
        self.failure = problem  # before the state changes
        self.failing = True

    def forked(self) -> None:
        """This is a forked child, which has asked nothing yet."""
        self.streaming = False
        self.failed("this process was forked, and has not asked yet")

    def set_streaming(self, streaming: bool) -> None:
        """A stream of events was opened, or ended."""
        self.streaming = streaming

    def set_unfollowed(self, reason: str) -> None:
        """Nothing follows in this process by itself, for this reason; empty from when something does."""
        self.unfollowed = reason

    def note(self, name: str, texts: tuple[str, ...]) -> None:
        """These are the current notes of a kind, which is the event that they are logged as."""
        self.notes = {**self.notes, name: texts}

    def count_rejected(self, reason: str) -> None:
        """An arrival, or an app of one, was refused."""
        self.rejected[reason] += 1

    # --- what a place can do ----------------------------------------------------------------------

    def is_api(self, place: SourcePlace) -> bool:
        """Returns True if the place is known to be a server of ours."""
        known = self._known.get(place)
        return known is not None and known.api

    def may_report(self, place: SourcePlace) -> bool:
        """Returns True if the place takes reports of calls, or may turn out to."""
        known = self._known.get(place)
        return place.is_registry and (not place.is_http or known is None or known.api)

    def etag(self, place: SourcePlace, held: Held | None) -> str:
        """Returns the etag to ask this place with; empty if nothing is held."""
        known = self._known.get(place)
        if held is None:
            return ""
        if known is not None and known.held is held and known.etag:
            return known.etag
        return f'"{encode(replace(held.snapshot, partial=False))[1]}"'

    def form(self, place: SourcePlace) -> int:
        """Returns how much of a heartbeat is left out for the server there: 0 is nothing, and each step is more."""
        form, until = self._forms.get(place, (0, 0.0))
        return form if self._world.clock() < until else 0

    def takes(self, place: SourcePlace, form: int) -> None:
        """The server there refused more than this form of a heartbeat; a newer server may replace it."""
        if form > self.form(place):
            self._forms[place] = form, self._world.clock() + OLD_FOR
