"""Threads that load what is coming, beside those that follow: whoever hears of a change never waits for its bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from promptops.client.course import Course
from promptops.client.loading import has_work
from promptops.client.origin import Answer, Ask, Failed, Place
from promptops.client.refresh import Asking, Refreshed, advance, load

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
    """Do something in a thread of its own, which ends with the process."""
    try:
        threading.Thread(target=work, name=f"promptops {name}", daemon=True).start()
    except RuntimeError:  # there are too many, or the main thread has ended: then this one does it, and may wait
        work()


def errand(asking: Asking | None, answer: Callable[[Ask], Answer | Failed], name: str) -> threading.Event:
    """Drive to the end in a thread of its own; set when that is over, well or not, and at once where there is none."""
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
    """The threads of one channel of one client. ``done`` is told whether it is worth asking again soon."""

    def __init__(self, course: Course, answer: Callable[[Ask], Answer | Failed], done: Callable[[bool], None]) -> None:
        self._course = course
        self._answer = answer
        self._done = done
        self._free = threading.Semaphore(LOADERS)

    def load(self, place: Place) -> None:
        """Have what is coming loaded, if anything is."""
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
