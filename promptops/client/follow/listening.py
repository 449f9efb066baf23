"""The thread that waits for news of a place: events of a server, or a change of a file or a database."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from promptops.client.follow.follower import ChannelFollower
from promptops.client.follow.loaders import Loaders
from promptops.client.follow.open_places import OpenPlaces
from promptops.client.follow.refresh import hear
from promptops.client.follow.schedule import asked_wait, wait_after
from promptops.client.sources.http_messages import SILENCE, stream_request
from promptops.client.sources.source import Lost, SourcePlace
from promptops.client.sources.sse import EventReader
from promptops.client.status import LOG, log
from promptops.core.errors import Invalid

if TYPE_CHECKING:
    from promptops.client.sources.http_transport import HttpPlace

LIVED: Final = 10.0
"""Seconds after which a stream was a good one, and the next one is tried soon."""

LISTEN: Final = 30.0
"""Seconds of one wait for changes of a place that is no web server. Closing ends a wait at once."""

AFTER_ERROR: Final = 1.0
"""Seconds after an error of our own, so that one that stays does not fill the log."""

LONGEST_RETRY: Final = 60.0
"""Seconds; no server delays the next stream by more with the ``retry`` of its events."""


class ChannelListener:
    """Listens to the place that is followed, with one thread in :meth:`listen`.

    ``wake`` has a turn taken soon, ``ask_again`` has a refresh begin from now on.
    """

    def __init__(
        self,
        follower: ChannelFollower,
        places: OpenPlaces,
        loaders: Loaders,
        stop: threading.Event,
        *,
        wake: Callable[[], None],
        ask_again: Callable[[], None],
    ) -> None:
        self.reached = threading.Event()
        self._follower = follower
        self._replica = follower.replica
        self._contact = follower.replica.contact
        self._places = places
        self._loaders = loaders
        self._stop = stop
        self._wake = wake
        self._ask_again = ask_again
        self._last_id = ""
        self._opening_until: float | None = None

    def end(self) -> None:
        """End the waits of the thread, after ``stop`` was set."""
        self.reached.set()

    def is_stuck(self) -> bool:
        """Returns True while a stream takes longer to open than it may; only :meth:`OpenPlaces.interrupt` ends that."""
        until = self._opening_until
        return until is not None and self._replica.world.clock() > until

    def listen(self) -> None:
        """Listen until ``stop`` is set."""
        failures = 0
        while not self._stop.is_set():
            place = self._contact.place
            try:
                if place is None or (place.is_http and not self._contact.is_api(place)):
                    self.reached.wait()
                elif place.is_http:
                    failures = self._follow_stream(place, failures)
                else:
                    if self._places[place].changes(LISTEN):
                        self._ask_again()
                    continue
            except Exception:  # noqa: BLE001 nothing but this thread hears of changes
                LOG.exception("listening failed", extra={"event": "stream-lost"})
                self._stop.wait(AFTER_ERROR)
            self.reached.clear()

    def _follow_stream(self, place: SourcePlace, failures: int) -> int:
        """Follow one stream to its end, and wait before the next; returns how many streams ended early in a row."""
        clock, dice = self._replica.world.clock, self._replica.world.dice
        began = clock()
        retry, delay = self._stream(place)
        failures = 1 if clock() - began >= LIVED else failures + 1
        self.reached.clear()
        self._hold_off(place, delay)
        if not self._stop.is_set():
            # A poll that is answered meanwhile shows that the server is back, and ends this wait.
            self.reached.wait(retry * dice() + wait_after(failures, dice))
        return failures

    def _hold_off(self, place: SourcePlace, seconds: float) -> None:
        """Leave a place alone for as long as it said, unless another one is followed meanwhile."""
        clock = self._replica.world.clock
        until = clock() + seconds
        while clock() < until and self._contact.place == place and not self._stop.is_set():
            self.reached.wait(until - clock())
            self.reached.clear()

    def _stream(self, place: SourcePlace) -> tuple[float, float]:
        """Follow a stream to its end; returns the seconds of its ``retry``, and those that its refusal said to wait."""
        replica, timeout = self._replica, self._replica.settings.timeout
        request_with = partial(stream_request, place, replica.channel, replica.settings.apps, self._last_id)
        reader, message, delay = EventReader(), "it ended", 0.0
        origin = cast("HttpPlace", self._places[place])
        try:
            self._opening_until = replica.world.clock() + timeout
            with origin.listen(request_with, timeout) as pieces:
                self._opening_until = None
                self._contact.set_streaming(True)
                log(logging.INFO, "stream-opened", "%s: changes come as they happen", place.label)
                heard, lines = replica.world.clock(), 0
                for piece in pieces:
                    self._take(place, reader, piece)
                    now = replica.world.clock()
                    heard, lines = (now, reader.lines) if reader.lines != lines else (heard, lines)
                    if self._stop.is_set() or now - heard > SILENCE:
                        break
        except Lost as lost:
            message, delay = lost.failed.message, asked_wait(lost.failed.retry_after or 0.0, replica.world.dice)
        except Invalid as error:
            message = error.message
        self._opening_until = None
        if self._contact.streaming:
            self._contact.set_streaming(False)
            if not self._stop.is_set():  # otherwise the client itself ended it
                log(logging.INFO, "stream-lost", "%s: %s", place.label, message)
        return min(reader.retry or 0.0, LONGEST_RETRY), delay

    def _take(self, place: SourcePlace, reader: EventReader, piece: bytes) -> None:
        for event in reader.feed(piece):
            if event.name != "change":
                continue
            heard = hear(self._replica, place, event.data)
            if self._stop.is_set():
                return  # and what went wrong was our own doing
            if heard.trouble is None:
                self._last_id = event.id
                self._loaders.load(place)
                self._follower.tell_changes()
                self._wake()
            else:
                self._follower.trouble(heard)
                self._ask_again()
