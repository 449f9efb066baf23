"""Threads that load new releases, so that the threads that follow a channel never wait for bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from promptops.client.follow.follower import Course
from promptops.client.follow.loading import has_work
from promptops.client.follow.refresh import Asking, Refreshed, advance, load
from promptops.client.sources.source import Answer, Ask, Failed, Place

LOADERS = 4
"""Threads, or tasks, that load at once; what comes with more is loaded when one of them is done."""

LOOK = 0.005
"""Seconds between two looks whether what an event brought is loaded."""


def drive(asking: Asking, answer: Callable[[Ask], Answer | Failed]) -> Refreshed:
    """Answer everything that is asked, to the end."""
    step = advance(asking, None)
    while isinstance(step, Ask):
        step = advance(asking, answer(step))
    return step


def begin(work: Callable[[], None], name: str) -> None:
    """Run a function in a new thread, which ends with the process."""
    try:
        threading.Thread(target=work, name=f"promptops {name}", daemon=True).start()
    except RuntimeError:  # there are too many, or the main thread has ended: then this one does it, and may wait
        work()


def errand(asking: Asking | None, answer: Callable[[Ask], Answer | Failed], name: str) -> threading.Event:
    """Drive a generator to its end in a new thread. The event is set when it ends, in any way; without one, at once."""
    over = threading.Event()
    if asking is None:
        over.set()
        return over

    def work() -> None:
        drive(asking, answer)
        over.set()

    begin(work, name)
    return over


class Loaders:
    """The threads of one channel of one client. Each calls ``done`` with whether asking again soon may help."""

    def __init__(self, course: Course, answer: Callable[[Ask], Answer | Failed], done: Callable[[bool], None]) -> None:
        self._course = course
        self._answer = answer
        self._done = done
        self._free = threading.Semaphore(LOADERS)

    def load(self, place: Place) -> None:
        """Start loading the releases that are coming, if there are any."""
        replica = self._course.replica
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

        begin(work, f"{replica.channel}: load")
