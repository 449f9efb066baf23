"""Daemon threads for work that may block. A thread that has done its work waits for the next, so a poll starts none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

KEPT: Final = 2
"""Threads of a crew that wait for work: a refresh and what an event brought are often loaded at the same time."""


class _Inbox:
    """Work for one thread; None ends it. Made of an event, because gevent replaces those of `threading` at any time."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work: Callable[[], None] | None = work
        self._ready = threading.Event()
        self._ready.set()

    def put(self, work: Callable[[], None] | None) -> None:
        """Hand over work. The caller has taken the inbox from the idle ones, so no other thread does the same."""
        self._work = work
        self._ready.set()

    def take(self) -> Callable[[], None] | None:
        """Wait for work."""
        self._ready.wait()
        self._ready.clear()
        work, self._work = self._work, None
        return work


def begin(work: Callable[[], None], name: str) -> None:
    """Run a function in a new thread, which ends with the process."""
    _start(threading.Thread(target=work, name=f"promptops {name}", daemon=True), otherwise=work)


def _start(thread: threading.Thread, *, otherwise: Callable[[], None]) -> None:
    try:
        thread.start()
    except RuntimeError:  # there are too many, or the main thread has ended: the caller does the work, and may wait
        otherwise()


class Crew:
    """The threads that work for one channel. A forked child needs a new crew, because these threads are not there.

    It keeps no thread before :meth:`keep` and after :meth:`end`: each ends with its work.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle: list[_Inbox] = []
        self._kept = 0

    def keep(self) -> None:
        """Let a thread without work wait for more."""
        self._kept = KEPT

    def end(self) -> None:
        """End the threads without work; the others end when their work is done."""
        self._kept = 0
        while self._idle:
            self._idle.pop().put(None)

    def begin(self, work: Callable[[], None]) -> None:
        """Run a function in a thread of the crew; in this thread if the process can start no more threads."""
        try:
            inbox = self._idle.pop()
        except IndexError:
            inbox = _Inbox(work)
            name = f"promptops {self._name}"
            _start(threading.Thread(target=self._serve, args=(inbox,), name=name, daemon=True), otherwise=work)
        else:
            inbox.put(work)

    def _serve(self, inbox: _Inbox) -> None:
        while (work := inbox.take()) is not None:
            work()
            del work  # otherwise all that the work refers to lives as long as this thread is idle
            if len(self._idle) >= self._kept:
                return
            self._idle.append(inbox)
            if not self._kept and self._leave(inbox):  # end() came between the two lines before
                return

    def _leave(self, inbox: _Inbox) -> bool:
        """Take an inbox back; False if new work, or the end, is on its way to it."""
        try:
            self._idle.remove(inbox)
        except ValueError:
            return False
        return True
