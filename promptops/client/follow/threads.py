"""Follows a channel with threads: one takes turns, one listens. Both are daemons, and no error ends them.

Each question is asked in a thread of a crew (:mod:`promptops.client.follow.open_places`). Another thread of the crew
loads what an event brings and is not ready to serve, so that the next event, which may be a rollback, does not wait.
When a place announces a change, the client does not wait for a refresh that has only loading left.

Threads and connections belong to one process. A forked process leaves them alone and makes new ones. In a process
without threads, the calls of the application take the turns.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Final

from promptops.client.follow.follower import ChannelFollower
from promptops.client.follow.heartbeats import GOODBYE
from promptops.client.follow.open_places import OpenPlaces
from promptops.client.follow.refresh import Asking, Refreshed
from promptops.client.follow.turns import Turns
from promptops.client.process import is_loading, lacking_threads
from promptops.client.sources.source import TIMEOUT, OpenPlace, SourcePlace
from promptops.client.status import log

LOADED: Final = 0.005
"""Seconds between two looks whether what an event brought is loaded."""

_JOIN: Final = 0.05
"""Seconds that a closing client waits for a thread before it interrupts the places again."""


class ChannelThreads:
    """The threads of one channel of one client. Followed once: after :meth:`close` a new object follows."""

    def __init__(self, follower: ChannelFollower, open_place: Callable[[SourcePlace], OpenPlace]) -> None:
        self._follower = follower
        self._replica = follower.replica
        self._contact = follower.replica.contact
        self._open_place = open_place
        self._began = False
        self._renew()

    def _renew(self) -> None:
        self._process = os.getpid()
        self._threads: tuple[threading.Thread, ...] = ()
        self._stop = threading.Event()
        self._launching = threading.RLock()  # a client that is closed meanwhile ends all threads, or none are started
        self._turning = threading.Lock()
        self._next_turn = -math.inf
        self._places = OpenPlaces(self._replica, self._open_place)
        self._turns = Turns(self._follower, self._places, self._stop)

    @property
    def running(self) -> bool:
        return bool(self._threads) and self._process == os.getpid() and not self._stop.is_set()

    @property
    def is_inline(self) -> bool:
        """True where no threads run, so that calls of the application take the turns."""
        return not self._threads and not self._stop.is_set()

    def start(self, first: Callable[[], object]) -> None:
        """Begin to follow. ``first`` is called when the first refresh is over.

        Raises:
            Invalid, ExtraMissing: a place can never be opened.
        """
        self._turns.call_after(first)
        with self._open_places():
            self._began = True
            self._launch()

    def _launch(self) -> None:
        """Start the threads over the places that are open, unless there is a reason for none."""
        before, reason = self._contact.unfollowed, lacking_threads()
        self._contact.set_unfollowed(reason)
        if reason:
            if reason != before and not is_loading():
                log(logging.WARNING, "no-threads", "%s: %s", self._replica.channel, reason)
            return
        name = f"promptops {self._replica.channel}"
        with self._launching:
            if self._stop.is_set():
                return
            self._places.crew.keep()
            self._threads = (
                threading.Thread(target=self._turns.follow, name=f"{name}: follow", daemon=True),
                threading.Thread(target=self._turns.listener.listen, name=f"{name}: listen", daemon=True),
            )
            for thread in self._threads:
                thread.start()

    def forked(self, first: Callable[[], object]) -> None:
        """In a forked child: follow with new threads and connections if the parent followed, as :meth:`start`."""
        follows = self._began and not self._stop.is_set()
        self.abandon()
        self._renew()
        self._follower.forked()
        if follows:
            self.start(first)
        else:
            self._stop.set()
            first()

    def abandon(self) -> None:
        """In a forked child: let go of what the parent goes on using."""
        self._places.forget()
        self._threads = ()
        self._stop.set()

    # --- where no threads run ---------------------------------------------------------------------

    def take_turn(self, seconds: float, *, at_once: bool = False) -> bool:
        """Take a due turn in this thread, within the given time, if no threads run; False if threads do.

        A place that does not answer is asked once an interval, and of several threads one asks.
        """
        if not self.is_inline:
            return False
        due = at_once or self._replica.world.clock() >= self._next_turn or not lacking_threads()
        if due and self._turning.acquire(blocking=False):
            try:
                self._turn_here(seconds)
            finally:
                self._turning.release()
        return self.is_inline

    def _turn_here(self, seconds: float) -> None:
        if not self.is_inline:  # it was closed meanwhile, or another thread has launched the threads
            return
        with self._open_places():
            self._launch()
            if self.is_inline:
                self._turns.take(seconds, loading=False)
        idle = self._contact.failing or is_loading()
        pause = self._replica.settings.poll if idle else self._turns.pause()
        self._next_turn = self._replica.world.clock() + pause

    @contextmanager
    def _open_places(self) -> Iterator[None]:
        """Open the places, and close them again if no threads go on: a forked child then inherits no connection."""
        self._places.open()
        try:
            yield
        finally:
            if not self._threads:
                self._places.close()

    @contextmanager
    def _after_turn(self, seconds: float) -> Iterator[None]:
        """Open the places when the turn under way has closed them; do without if it does not end in time."""
        if not self._turning.acquire(timeout=seconds):
            yield
            return
        try:
            with self._open_places():
                yield
        finally:
            self._turning.release()

    def ask(self, asking: Asking, deadline: float) -> Refreshed:
        """Drive to the end, but give up at the deadline; over places that are opened for it if none are open."""
        if not self.is_inline:
            return self._places.run(asking, deadline) or Refreshed()
        if not self._turning.acquire(timeout=max(0.0, deadline - self._replica.world.clock())):
            return Refreshed(trouble=TIMEOUT)
        try:
            with self._open_places():
                return self._places.run(asking, deadline) or Refreshed()
        finally:
            self._turning.release()

    # --- what an application calls ----------------------------------------------------------------

    def request(self, done: Callable[[], object]) -> None:
        """Have a refresh begin now; ``done`` is called from another thread when it is over."""
        self._turns.request(done)

    def refresh(self, seconds: float) -> bool:
        """Ask now, and wait up to so long for the answer; True if there was one that is followed."""
        if self.is_inline:
            self._turns.demand()
            self.take_turn(seconds, at_once=True)
            return not self._contact.failing
        if not self.running:
            return False
        if threading.current_thread() in self._threads:
            self._turns.demand()  # a hook asks: this very thread will, when the hook is over
            return not self._contact.failing
        clock, until = self._replica.world.clock, self._replica.world.clock() + seconds
        done = threading.Event()
        self.request(done.set)
        answered = done.wait(seconds)
        while self._replica.coming.is_claimed and clock() < until and not self._stop.wait(LOADED):
            pass  # an event brought it, and the caller wants it
        return answered and not self._contact.failing

    def say_goodbye(self) -> threading.Event:
        """Tell the server that this process leaves, if it knows of it; set when that is over.

        Where no threads run, only :meth:`close` does, because the turn under way closes the places when it ends.
        """
        return self._turns.reports.say_goodbye() if self.running else self._places.errand(None)

    def report_outcomes(self, seconds: float) -> threading.Event:
        """Report the calls of this process, which ends; set when that is over. Without threads, :meth:`close` does."""
        return self._turns.outcomes.flush(seconds) if self.running else self._places.errand(None)

    def close(self, seconds: float = 2.0) -> None:
        """Say goodbye, end the threads, and wait for them up to the given time. What was not reported yet gets all
        of it but the second of the goodbye.
        """
        if self._process != os.getpid():
            self.abandon()
            return
        with self._launching:
            inline, briefly = self.is_inline and self._began, min(seconds, GOODBYE)
            self._stop.set()
        with self._after_turn(briefly) if inline else nullcontext():
            patience = max(briefly, seconds - briefly)
            until = self._replica.world.clock() + patience
            reported = self._turns.outcomes.flush(patience)
            self._turns.reports.say_goodbye().wait(briefly)
            reported.wait(max(0.0, until - self._replica.world.clock()))
        self._turns.listener.end()
        self._turns.end()
        self._places.interrupt()
        clock, until = self._replica.world.clock, self._replica.world.clock() + seconds
        for thread in self._threads:
            while thread.is_alive() and thread is not threading.current_thread() and clock() < until:
                thread.join(_JOIN)
                self._places.interrupt()  # it may have begun to wait after the first time
        self._places.close()
        self._places.crew.end()
        self._contact.set_streaming(False)

    def drop(self) -> None:
        """As :meth:`close`, in another thread: a client that was dropped is collected wherever memory is needed."""
        if self.running:
            self._places.crew.begin(partial(self.close, GOODBYE))
        else:
            self.close(0.0)
