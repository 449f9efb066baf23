"""The places of one channel while they are open, and the threads in which they are asked.

A refresh runs in a thread of its own, which is abandoned at the deadline. It may wait for a name server, for a socket
that drips, or for a disk behind a network. Its sockets are shut down, so it ends soon after.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, cast

from promptops.client.follow.daemon_threads import Crew
from promptops.client.follow.refresh import Asking, Refreshed, drive
from promptops.client.follow.replica import Replica
from promptops.client.sources.source import TIMEOUT, Ask, Failed, OpenPlace, SourceAnswer, SourcePlace

if TYPE_CHECKING:
    from promptops.client.sources.http_transport import HttpPlace

GRACE: Final = 0.25
"""Seconds after the deadline in which a refresh may still report itself what went wrong."""

LOOK: Final = 0.05
"""Seconds between two looks whether a refresh that is in the way of news has only loading left."""


class OpenPlaces:
    """Opens the places of a channel, asks them, and closes them. Safe for threads, except :meth:`open`."""

    def __init__(self, replica: Replica, open_place: Callable[[SourcePlace], OpenPlace]) -> None:
        self.crew = Crew(f"{replica.channel}: work")
        self._replica = replica
        self._open_place = open_place
        self.is_open = False
        self._origins: Mapping[SourcePlace, OpenPlace] = {}
        self._news = threading.Condition()

    def __getitem__(self, place: SourcePlace) -> OpenPlace:
        return self._origins[place]

    def open(self) -> None:
        """Open all places of the settings.

        Raises:
            Invalid, ExtraMissing: a place can never be opened.
        """
        self._origins = {place: self._open_place(place) for place in self._replica.settings.places}
        self.is_open = True

    def close(self) -> None:
        """Close what is open; a thread that still asks there gets a failure. Closing twice is harmless."""
        self.is_open = False
        for origin in self._origins.values():
            origin.close()

    def forget(self) -> None:
        """In a forked child: let go of connections that the parent goes on using."""
        for origin in self._origins.values():
            origin.forget()
        self._origins, self.is_open = {}, False

    def interrupt(self) -> None:
        """End everything that waits at a place, streams too."""
        for origin in self._origins.values():
            origin.interrupt()

    def http(self) -> list[HttpPlace]:
        """Returns the places that are web servers."""
        return [cast("HttpPlace", origin) for place, origin in self._origins.items() if place.is_http]

    def answer(self, ask: Ask) -> SourceAnswer | Failed:
        """Ask a place and wait for its answer, in this thread."""
        return self._origins[ask.place].answer(ask.what, ask.deadline)

    def news(self) -> None:
        """Have a :meth:`run` that is waiting look whether it shall go on waiting."""
        with self._news:
            self._news.notify_all()

    def run(self, asking: Asking, deadline: float, *, hurried: Callable[[], bool] = lambda: False) -> Refreshed | None:
        """Drive to the end, but give up at the deadline.

        None if it was left to end by itself, and its result is dropped: another one is wanted (``hurried``), and this
        one has only loading left.
        """
        clock, results = self._replica.world.clock, list[Refreshed]()
        given_up = False

        def answer(ask: Ask) -> SourceAnswer | Failed:
            return TIMEOUT if given_up else self.answer(ask)

        def work() -> None:
            results.append(drive(asking, answer))
            self.news()

        self.crew.begin(work)
        with self._news:
            while not results and (left := deadline - clock() + GRACE) > 0:
                in_a_hurry = hurried()
                if in_a_hurry and self._replica.coming.is_claimed:
                    return None
                self._news.wait(min(left, LOOK) if in_a_hurry else left)
        if results:
            return results[0]
        given_up = True
        for origin in self.http():
            origin.cut()
        self._replica.failed(TIMEOUT.message)
        return Refreshed(trouble=TIMEOUT)

    def errand(self, asking: Asking | None) -> threading.Event:
        """Drive to the end in a thread. The event is set when that is over, in any way; at once if there is nothing."""
        over = threading.Event()
        if asking is None:
            over.set()
            return over

        def work() -> None:
            try:
                drive(asking, self.answer)
            finally:
                over.set()

        self.crew.begin(work)
        return over
