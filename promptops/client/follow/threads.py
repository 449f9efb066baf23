"""Following a channel with threads: one takes turns, one listens. Both are daemons, and neither can be lost.

A refresh runs in its own thread, which the client abandons at the deadline whatever it waits for: a name server, a
socket that drips, a disk behind a network. Its sockets are shut down, so it ends soon after. Another thread loads what
an event brings and is not ready to serve, so that the next event, which may be a rollback, does not wait. When a place
announces a change, the client does not wait for a refresh that has only loading left.

Threads and connections belong to one process. A forked process leaves them alone and makes new ones. In a process
without threads, the calls of the application take the turns.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, cast

from promptops.client.follow.follower import Course
from promptops.client.follow.heartbeats import GOODBYE, tell
from promptops.client.follow.loader_threads import LOOK, Loaders, begin, drive, errand
from promptops.client.follow.refresh import Asking, Refreshed, hear
from promptops.client.follow.schedule import asked_wait, wait_after
from promptops.client.process import is_loading, lacking_threads
from promptops.client.sources.http_messages import SILENCE, stream_request
from promptops.client.sources.source import TIMEOUT, Answer, Ask, Failed, Lost, Origin, Place
from promptops.client.sources.sse import EventReader
from promptops.client.status import LOG, log
from promptops.core.errors import Invalid

if TYPE_CHECKING:
    from promptops.client.sources.http_transport import HttpOrigin

GRACE = 0.25
"""Seconds after the deadline in which a refresh may still say itself what went wrong."""

LIVED = 10.0
"""Seconds after which a stream was a good one, and the next one is tried soon."""

_JOIN = 0.05

LISTEN = 30.0
"""Seconds of one wait for changes of a place that is no web server."""


class Following:
    """The threads of one channel of one client."""

    def __init__(self, course: Course, open_place: Callable[[Place], Origin]) -> None:
        self._course = course
        self._replica = course.replica
        self._open = open_place
        self._origins: Mapping[Place, Origin] = {}
        self._threads: tuple[threading.Thread, ...] = ()
        self._last_id = ""
        self._process = os.getpid()
        self._began = False
        self._renew()

    def _renew(self) -> None:
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._reached = threading.Event()
        self._waiting: list[threading.Event] = []
        self._turning = threading.Lock()
        self._next_turn = -math.inf
        self._busy_until: float | None = None
        self._demanded = False
        self._news = threading.Condition()
        self._loaders = Loaders(self._course, self._answer, self._loaded)

    @property
    def running(self) -> bool:
        return bool(self._threads) and self._process == os.getpid() and not self._stop.is_set()

    def start(self) -> threading.Event:
        """Begin to follow. What is answered is set when the first refresh is over.

        Raises:
            Invalid, ExtraMissing: a place can never be opened.
        """
        self._waiting.append(first := threading.Event())
        with self._open_places():
            self._began = True
            self._launch()
        return first

    def _launch(self) -> None:
        """Start the threads over the places that are open, unless there is a reason for none."""
        before, self._replica.unfollowed = self._replica.unfollowed, lacking_threads()
        if self._replica.unfollowed:
            if self._replica.unfollowed != before and not is_loading():
                log(logging.WARNING, "no-threads", "%s: %s", self._replica.channel, self._replica.unfollowed)
            return
        name = f"promptops {self._replica.channel}"
        self._threads = (
            threading.Thread(target=self._follow, name=f"{name}: follow", daemon=True),
            threading.Thread(target=self._listen, name=f"{name}: listen", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    def forked(self) -> threading.Event:
        """In a forked child: the parent's threads and connections are not here, so :meth:`start` again."""
        follows = self._began and not self._stop.is_set()
        self._abandon()
        self._process = os.getpid()
        self._renew()
        self._course.forked()
        if follows:
            return self.start()
        self._stop.set()
        return self._stop

    def _abandon(self) -> None:
        """Let go of what belongs to another process, which goes on using it."""
        for origin in self._origins.values():
            origin.forget()
        self._origins, self._threads, self._last_id = {}, (), ""
        self._stop.set()

    # --- where no threads run ---------------------------------------------------------------------

    @property
    def _is_inline(self) -> bool:
        return not self._threads and not self._stop.is_set()

    def take_turn(self, seconds: float, *, at_once: bool = False) -> bool:
        """Take a due turn in this thread, within the given time, if no threads run; False if threads do.

        A place that does not answer is asked once an interval, and of several threads one asks.
        """
        if not self._is_inline:
            return False
        clock = self._replica.world.clock
        due = at_once or clock() >= self._next_turn or not lacking_threads()
        if due and self._turning.acquire(blocking=False):
            try:
                with self._open_places():
                    self._launch()
                    if self._is_inline:
                        self._try_turn(seconds)
                idle = self._replica.failing or is_loading()
                self._next_turn = clock() + (self._replica.settings.poll if idle else self._course.pause())
            finally:
                self._turning.release()
        return self._is_inline

    @contextmanager
    def _open_places(self) -> Iterator[None]:
        """The places, closed again where no threads go on with them: nothing of theirs is there in a forked child."""
        self._origins = {place: self._open(place) for place in self._replica.settings.places}
        try:
            yield
        finally:
            if not self._threads:
                origins, self._origins = self._origins, {}
                for origin in origins.values():
                    origin.close()

    def ask(self, asking: Asking, deadline: float) -> Refreshed:
        """Drive to the end, but give up at the deadline; over places that are opened for it where none are."""
        if not self._is_inline:
            return self.run(asking, deadline)
        if not self._turning.acquire(timeout=max(0.0, deadline - self._replica.world.clock())):
            return Refreshed(trouble=TIMEOUT)
        try:
            with self._open_places():
                return self.run(asking, deadline)
        finally:
            self._turning.release()

    # --- what an application calls ----------------------------------------------------------------

    def refresh(self, seconds: float) -> bool:
        """Ask now, and wait up to so long for the answer; True where there was one that is followed."""
        if self._is_inline:
            self._demand()
            self.take_turn(seconds, at_once=True)
            return not self._replica.failing
        if not self.running:
            return False
        if threading.current_thread() in self._threads:
            self._demand()  # a hook asks: this very thread will, when the hook is over
            return not self._replica.failing
        clock, until = self._replica.world.clock, self._replica.world.clock() + seconds
        self._waiting.append(done := threading.Event())
        self._wake.set()
        answered = done.wait(seconds)
        while self._replica.is_loading and clock() < until and not self._stop.wait(LOOK):
            pass  # an event brought it, and the caller wants it
        return answered and not self._replica.failing

    def run(self, asking: Asking, deadline: float) -> Refreshed:
        """Drive to the end, but give up at the deadline."""
        return self._run(asking, deadline, lambda: False) or Refreshed()

    def _run(self, asking: Asking, deadline: float, leave: Callable[[], bool]) -> Refreshed | None:
        """The same; None if it is left to end by itself, and its result is dropped."""
        clock, found = self._replica.world.clock, list[Refreshed]()
        given_up = False

        def answer(ask: Ask) -> Answer | Failed:
            return TIMEOUT if given_up else self._answer(ask)

        def work() -> None:
            found.append(drive(asking, answer))
            with self._news:
                self._news.notify_all()

        begin(work, f"{self._replica.channel}: ask")
        with self._news:
            while not found and (left := deadline - clock() + GRACE) > 0:
                if leave():
                    return None
                self._news.wait(min(left, _JOIN) if self._demanded else left)
        if found:
            return found[0]
        given_up = True
        for place, origin in self._origins.items():
            if place.is_http:
                cast("HttpOrigin", origin).cut()
        self._replica.failed(TIMEOUT.message)
        return Refreshed(trouble=TIMEOUT)

    def _answer(self, ask: Ask) -> Answer | Failed:
        return self._origins[ask.place].answer(ask.what, ask.deadline)

    def _loaded(self, late: bool) -> None:
        if not self._stop.is_set():
            self._course.tell_changes()
            self._demand() if late else self._wake.set()

    def say_goodbye(self) -> threading.Event:
        """Tell the server that this process leaves, if it knows of it; set when that is over."""
        ours = bool(self._origins) and self._process == os.getpid()
        asking = self._course.goodbye(self._replica.world.clock() + GOODBYE) if ours else None
        return errand(asking, self._answer, f"{self._replica.channel}: goodbye")

    def close(self, seconds: float = 2.0) -> None:
        """Say goodbye, end the threads, and wait for them up to the given time."""
        if self._process != os.getpid():
            self._abandon()
            return
        with self._open_places() if self._is_inline and self._began else nullcontext():
            self._stop.set()
            self.say_goodbye().wait(min(seconds, GOODBYE))
        for event in (self._wake, self._reached, *self._waiting):
            event.set()
        for origin in self._origins.values():
            origin.interrupt()
        clock, until = self._replica.world.clock, self._replica.world.clock() + seconds
        for thread in self._threads:
            while thread.is_alive() and thread is not threading.current_thread() and clock() < until:
                thread.join(_JOIN)
                for origin in self._origins.values():
                    origin.interrupt()  # it may have begun to wait after the first time
        for origin in self._origins.values():
            origin.close()
        self._replica.streaming = False

    def _demand(self) -> None:
        """Have a refresh begin from now on: one that is on its way may have been answered already."""
        self._demanded = True
        self._wake.set()
        with self._news:
            self._news.notify_all()

    # --- the thread that takes turns --------------------------------------------------------------

    def _follow(self) -> None:
        stop, wake = self._stop, self._wake
        while not stop.is_set():
            self._try_turn(self._replica.settings.timeout)
            wake.wait(self._course.pause())
            wake.clear()

    def _try_turn(self, timeout: float) -> None:
        try:
            self._turn(timeout)
        except Exception:  # noqa: BLE001 whatever it is, this goes on: nothing would ever change again
            LOG.exception("a turn failed", extra={"event": "refresh-failed"})
            self._replica.schedule.failed(self._replica.world.clock())

    def _turn(self, timeout: float) -> None:
        clock = self._replica.world.clock
        # A thread that only loads serves no caller, and would delay the end.
        if not is_loading() and (beat := self._course.beat()) and (place := self._replica.place):
            self.run(tell(self._replica, place, beat, clock() + timeout), clock() + timeout)
        waiting, self._waiting = self._waiting, []
        if waiting or self._demanded:
            self._demanded = False
            self._replica.schedule.at_once(clock())
        try:
            if asking := self._course.poll(deadline := clock() + timeout):
                refreshed = self._run(asking, deadline, lambda: self._demanded and self._replica.is_loading)
                if self._stop.is_set():
                    return
                if refreshed is None:  # only loading is left, and there is news: start the next one
                    self._waiting, waiting = [*waiting, *self._waiting], []
                    self._wake.set()
                    return
                self._course.settle(refreshed)
                if refreshed.trouble is None:
                    self._reached.set()
        finally:
            for done in waiting:
                done.set()
        if self._threads and (place := self._replica.place):
            self._loaders.load(place)
        self._course.tend()
        if self._busy_until is not None and clock() > self._busy_until:
            for place, origin in self._origins.items():
                if place.is_http:
                    origin.interrupt()

    # --- the thread that listens ------------------------------------------------------------------

    def _listen(self) -> None:
        stop, clock, dice = self._stop, self._replica.world.clock, self._replica.world.dice
        failures = 0
        while not stop.is_set():
            place = self._replica.place
            try:
                if place is None or (place.is_http and not self._replica.is_api(place)):
                    self._reached.wait()
                elif not place.is_http:
                    if self._origins[place].changes(LISTEN):
                        self._demand()
                    continue
                else:
                    began = clock()
                    retry, told = self._stream(place)
                    failures = 1 if clock() - began >= LIVED else failures + 1
                    self._reached.clear()
                    self._hold_off(place, told)
                    if stop.is_set():
                        return
                    # A poll that is answered meanwhile says that the server is back.
                    self._reached.wait(retry * dice() + wait_after(failures, dice))
            except Exception:  # noqa: BLE001 as above
                LOG.exception("listening failed", extra={"event": "stream-lost"})
                stop.wait(1.0)
            self._reached.clear()

    def _hold_off(self, place: Place, seconds: float) -> None:
        """Leave a place alone that said how long, unless another one is followed meanwhile."""
        clock = self._replica.world.clock
        until = clock() + seconds
        while clock() < until and self._replica.place == place and not self._stop.is_set():
            self._reached.wait(until - clock())
            self._reached.clear()

    def _stream(self, place: Place) -> tuple[float, float]:
        """Follow a stream to its end; answers the seconds that it said to wait, and those that its refusal said."""
        replica, timeout = self._replica, self._replica.settings.timeout
        request = stream_request(place, replica.channel, replica.settings.apps, self._last_id, place.token)
        reader, message, told = EventReader(), "it ended", 0.0
        origin = cast("HttpOrigin", self._origins[place])
        try:
            self._busy_until = replica.world.clock() + timeout
            with origin.listen(request, timeout) as pieces:
                self._busy_until, replica.streaming = None, True
                log(logging.INFO, "stream-opened", "%s: changes come as they happen", place.label)
                heard, lines = replica.world.clock(), 0
                for piece in pieces:
                    self._take(place, reader, piece)
                    now = replica.world.clock()
                    heard, lines = (now, reader.lines) if reader.lines != lines else (heard, lines)
                    if self._stop.is_set() or now - heard > SILENCE:
                        break
        except Lost as lost:
            message, told = lost.failed.message, asked_wait(lost.failed.retry_after or 0.0, replica.world.dice)
        except Invalid as error:
            message = error.message
        self._busy_until = None
        if replica.streaming:
            replica.streaming = False
            if not self._stop.is_set():  # otherwise it was our own doing
                log(logging.INFO, "stream-lost", "%s: %s", place.label, message)
        return min(reader.retry or 0.0, 60.0), told

    def _take(self, place: Place, reader: EventReader, piece: bytes) -> None:
        for event in reader.feed(piece):
            if event.name != "change":
                continue
            heard = hear(self._replica, place, event.data)
            if self._stop.is_set():
                return  # and what went wrong was our own doing
            if heard.trouble is None:
                self._last_id = event.id
                self._loaders.load(place)
                self._course.tell_changes()
                self._wake.set()
            else:
                self._course.say_trouble(heard)
                self._demand()
