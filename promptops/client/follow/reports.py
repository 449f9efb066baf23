"""What a channel's client reports to its server, in order: heartbeats while it follows, and one goodbye at the end."""

from __future__ import annotations

import threading
from typing import Final

from promptops.client.follow.follower import ChannelFollower
from promptops.client.follow.heartbeats import GOODBYE, tell
from promptops.client.follow.open_places import OpenPlaces
from promptops.client.follow.refresh import Asking, Refreshed
from promptops.client.process import is_loading

BRIEFLY: Final = 0.25
"""Seconds that a goodbye waits for a heartbeat on its way: by then it has arrived, or its server does not answer."""


class Reports:
    """Sends what is to be reported. Safe for threads; a forked child needs a new object."""

    def __init__(self, follower: ChannelFollower, places: OpenPlaces) -> None:
        self._follower = follower
        self._places = places
        self._on_its_way = threading.Lock()
        self._ended = False

    def send_heartbeat(self, deadline: float) -> None:
        """Send a heartbeat and wait for it, if one is due and no goodbye was said."""
        # A process that only loads serves no caller, and a report of it would delay the end.
        if is_loading():
            return
        replica = self._follower.replica
        with self._on_its_way:
            beat = None if self._ended else self._follower.beat()
            if beat and (place := replica.contact.place):
                asking = tell(replica, place, beat, deadline, is_over=lambda: self._ended)
                self._places.run(asking, deadline)

    def say_goodbye(self) -> threading.Event:
        """Tell the server that this process leaves, if it knows of it; set when that is over.

        It follows the heartbeat that is on its way, and no heartbeat follows it.
        """
        self._ended = True
        return self._places.errand(self._goodbye() if self._places.is_open else None)

    def _goodbye(self) -> Asking:
        deadline = self._follower.replica.world.clock() + GOODBYE
        if self._on_its_way.acquire(timeout=BRIEFLY):
            self._on_its_way.release()
        asking = self._follower.goodbye(deadline)
        return (yield from asking) if asking else Refreshed()
