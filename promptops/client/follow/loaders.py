"""Loads new releases in threads of their own, so that the threads that follow a channel never wait for bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from promptops.client.follow.daemon_threads import Crew
from promptops.client.follow.follower import ChannelFollower
from promptops.client.follow.loading import has_work
from promptops.client.follow.refresh import drive, load
from promptops.client.sources.source import Ask, Failed, SourceAnswer, SourcePlace

LOADERS: Final = 4
"""Threads that load at once. What comes while all are busy is loaded when one of them is done."""


class Loaders:
    """The loads of one channel. Each calls ``done`` with True if asking again soon may help."""

    def __init__(
        self,
        follower: ChannelFollower,
        crew: Crew,
        answer: Callable[[Ask], SourceAnswer | Failed],
        done: Callable[[bool], None],
    ) -> None:
        self._follower = follower
        self._crew = crew
        self._answer = answer
        self._done = done
        self._free = threading.Semaphore(LOADERS)

    def load(self, place: SourcePlace) -> None:
        """Start loading the releases that are coming, if there are any."""
        replica = self._follower.replica
        if not has_work(replica) or not self._free.acquire(blocking=False):
            return
        deadline = replica.world.clock() + replica.settings.timeout

        def work() -> None:
            late = False
            try:
                late = drive(load(replica, place, deadline), self._answer).late
            finally:
                self._free.release()
            self._done(late)

        self._crew.begin(work)
