"""The turns of a channel: each reports, asks if that is due or wanted, and does what is to be done on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable

from promptops.client.follow.follower import ChannelFollower
from promptops.client.follow.listening import ChannelListener
from promptops.client.follow.loaders import Loaders
from promptops.client.follow.open_places import OpenPlaces
from promptops.client.follow.outcome_reports import OutcomeReports
from promptops.client.follow.reports import Reports
from promptops.client.status import LOG


class Turns:
    """Takes turns, one at a time, until ``stop`` is set. The other methods may be called from any thread."""

    def __init__(self, follower: ChannelFollower, places: OpenPlaces, stop: threading.Event) -> None:
        self.reports = Reports(follower, places)
        self.outcomes = OutcomeReports(follower, places)
        self._follower = follower
        self._replica = follower.replica
        self._places = places
        self._stop = stop
        self._wake = threading.Event()
        self._waiting: list[Callable[[], object]] = []
        self._demanded = False
        follower.replica.desk.nudge_with(self._wake.set)
        follower.replica.conversations.nudge_with(self._wake.set)
        self._loaders = Loaders(follower, places.crew, places.answer, self._loaded)
        self.listener = ChannelListener(
            follower, places, self._loaders, stop, wake=self._wake.set, ask_again=self.demand
        )

    # --- what others want -------------------------------------------------------------------------

    def call_after(self, done: Callable[[], object]) -> None:
        """Have something called when the next refresh is over. It makes none begin: that takes :meth:`request`."""
        self._waiting.append(done)

    def request(self, done: Callable[[], object]) -> None:
        """Have a refresh begin now; ``done`` is called from the thread that takes the turn when it is over."""
        self._waiting.append(done)
        self._wake.set()

    def demand(self) -> None:
        """Have a refresh begin from now on: one that is on its way may have been answered already."""
        self._demanded = True
        self._wake.set()
        self._places.news()

    def end(self) -> None:
        """End the wait for a turn, and those for a refresh, after ``stop`` was set."""
        self._wake.set()
        self._call(self._waiting)

    # --- turns ------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Take each turn when it is due, until ``stop`` is set."""
        while not self._stop.is_set():
            self.take(self._replica.settings.timeout, loading=True)
            self._wake.wait(self.pause())
            self._wake.clear()

    def pause(self) -> float:
        """Returns the seconds that the next turn can wait."""
        return min(self._follower.pause(), self.outcomes.wait())

    def take(self, timeout: float, *, loading: bool) -> None:
        """Take a turn. ``loading``: threads may load what there is to load meanwhile. No error gets out of it."""
        try:
            self._turn(timeout, loading)
            reporting = self.outcomes.turn()
            if not loading:  # the places are closed with the turn
                reporting.wait(timeout)
        except Exception:  # noqa: BLE001 without this thread nothing would ever change again
            LOG.exception("a turn failed", extra={"event": "refresh-failed"})
            self._replica.schedule.failed(self._replica.world.clock())

    def _turn(self, timeout: float, loading: bool) -> None:
        self.reports.send_heartbeat(self._replica.world.clock() + timeout)
        if not self._refresh(timeout):
            return
        if loading and (place := self._replica.contact.place):
            self._loaders.load(place)
        self._follower.tend()
        if self.listener.is_stuck():
            for origin in self._places.http():
                origin.interrupt()

    def _refresh(self, timeout: float) -> bool:
        """Ask, if a refresh is due or wanted. False if the turn ends here, for another one or for good."""
        clock = self._replica.world.clock
        waiting, self._waiting = self._waiting, []
        if waiting or self._demanded:
            self._demanded = False
            self._replica.schedule.at_once(clock())
        try:
            asking = self._follower.poll(deadline := clock() + timeout)
            if asking is None:
                return True
            refreshed = self._places.run(asking, deadline, hurried=lambda: self._demanded)
            if self._stop.is_set():
                return False
            if refreshed is None:  # only loading is left, and there is news: the next turn starts the next refresh
                self._waiting, waiting = [*waiting, *self._waiting], []
                self._wake.set()
                return False
            self._follower.settle(refreshed)
            if refreshed.trouble is None:
                self.listener.reached.set()
            return True
        finally:
            self._call(waiting)

    def _loaded(self, late: bool) -> None:
        if not self._stop.is_set():
            self._follower.tell_changes()
            self.demand() if late else self._wake.set()

    @staticmethod
    def _call(waiting: list[Callable[[], object]]) -> None:
        for done in waiting:
            done()
