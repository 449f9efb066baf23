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
from promptops.client.follow.heartbeats import GOODBYE, tell
from promptops.client.follow.listening import ChannelListener
from promptops.client.follow.loaders import Loaders
from promptops.client.follow.open_places import OpenPlaces
from promptops.client.follow.refresh import Asking, Refreshed
from promptops.client.process import is_loading, lacking_threads
from promptops.client.sources.source import TIMEOUT, OpenPlace, SourcePlace
from promptops.client.status import LOG, log

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
        self._wake = threading.Event()
        self._waiting: list[Callable[[], object]] = []
        self._turning = threading.Lock()
        self._next_turn = -math.inf
        self._demanded = False
        self._places = OpenPlaces(self._replica, self._open_place)
        self._loaders = Loaders(self._follower, self._places.crew, self._places.answer, self._loaded)
        self._listener = ChannelListener(
            self._follower, self._places, self._loaders, self._stop, wake=self._wake.set, ask_again=self._demand
        )

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
        self._waiting.append(first)
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
        self._places.crew.keep()
        self._threads = (
            threading.Thread(target=self._follow, name=f"{name}: follow", daemon=True),
            threading.Thread(target=self._listener.listen, name=f"{name}: listen", daemon=True),
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
        clock = self._replica.world.clock
        due = at_once or clock() >= self._next_turn or not lacking_threads()
        if due and self._turning.acquire(blocking=False):
            try:
                with self._open_places():
                    self._launch()
                    if self.is_inline:
                        self._try_turn(seconds)
                idle = self._contact.failing or is_loading()
                self._next_turn = clock() + (self._replica.settings.poll if idle else self._follower.pause())
            finally:
                self._turning.release()
        return self.is_inline

    @contextmanager
    def _open_places(self) -> Iterator[None]:
        """Open the places, and close them again if no threads go on: a forked child then inherits no connection."""
        self._places.open()
        try:
            yield
        finally:
            if not self._threads:
                self._places.close()

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
        self._waiting.append(done)
        self._wake.set()

    def refresh(self, seconds: float) -> bool:
        """Ask now, and wait up to so long for the answer; True if there was one that is followed."""
        if self.is_inline:
            self._demand()
            self.take_turn(seconds, at_once=True)
            return not self._contact.failing
        if not self.running:
            return False
        if threading.current_thread() in self._threads:
            self._demand()  # a hook asks: this very thread will, when the hook is over
            return not self._contact.failing
        clock, until = self._replica.world.clock, self._replica.world.clock() + seconds
        done = threading.Event()
        self.request(done.set)
        answered = done.wait(seconds)
        while self._replica.coming.is_claimed and clock() < until and not self._stop.wait(LOADED):
            pass  # an event brought it, and the caller wants it
        return answered and not self._contact.failing

    def say_goodbye(self) -> threading.Event:
        """Tell the server that this process leaves, if it knows of it; set when that is over."""
        ours = self._places.is_open and self._process == os.getpid()
        return self._places.errand(self._follower.goodbye(self._replica.world.clock() + GOODBYE) if ours else None)

    def close(self, seconds: float = 2.0) -> None:
        """Say goodbye, end the threads, and wait for them up to the given time."""
        if self._process != os.getpid():
            self.abandon()
            return
        with self._open_places() if self.is_inline and self._began else nullcontext():
            self._stop.set()
            self.say_goodbye().wait(min(seconds, GOODBYE))
        self._wake.set()
        self._listener.end()
        self._answer_waiting(self._waiting)
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

    def _demand(self) -> None:
        """Have a refresh begin from now on: one that is on its way may have been answered already."""
        self._demanded = True
        self._wake.set()
        self._places.news()

    def _loaded(self, late: bool) -> None:
        if not self._stop.is_set():
            self._follower.tell_changes()
            self._demand() if late else self._wake.set()

    # --- the thread that takes turns --------------------------------------------------------------

    def _follow(self) -> None:
        stop, wake = self._stop, self._wake
        while not stop.is_set():
            self._try_turn(self._replica.settings.timeout)
            wake.wait(self._follower.pause())
            wake.clear()

    def _try_turn(self, timeout: float) -> None:
        try:
            self._turn(timeout)
        except Exception:  # noqa: BLE001 without this thread nothing would ever change again
            LOG.exception("a turn failed", extra={"event": "refresh-failed"})
            self._replica.schedule.failed(self._replica.world.clock())

    def _turn(self, timeout: float) -> None:
        deadline = self._replica.world.clock() + timeout
        # A process that only loads serves no caller, and a report of it would delay the end.
        if not is_loading() and (beat := self._follower.beat()) and (place := self._contact.place):
            self._places.run(tell(self._replica, place, beat, deadline), deadline)
        if not self._refresh(timeout):
            return
        if self._threads and (place := self._contact.place):
            self._loaders.load(place)
        self._follower.tend()
        if self._listener.is_stuck():
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
                self._listener.reached.set()
            return True
        finally:
            self._answer_waiting(waiting)

    @staticmethod
    def _answer_waiting(waiting: list[Callable[[], object]]) -> None:
        for done in waiting:
            done()
