"""A fork waits until nobody is inside the database, but not for ever; and the child may go in."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from promptops.store.engine import forking
from promptops.store.engine.forking import no_fork


@contextmanager
def inside() -> Iterator[threading.Event]:
    """A thread that is inside until the event is set, or the block ends."""
    entered, leave = threading.Event(), threading.Event()

    def work() -> None:
        with no_fork(), no_fork():
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    assert entered.wait(60)
    try:
        yield leave
    finally:
        leave.set()
        thread.join()


def fork_and_go_in() -> int:
    """The exit code of a child that goes in with a thread of its own: 0, unless something holds it up for ever."""
    child = os.fork()
    if child == 0:
        done = threading.Event()

        def work() -> None:
            with no_fork():
                done.set()

        threading.Thread(target=work, daemon=True).start()
        os._exit(0 if done.wait(30) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_waits_for_who_is_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "_PATIENCE", 60.0)
    with inside() as leave:
        forked = threading.Event()

        def fork() -> None:
            assert fork_and_go_in() == 0
            forked.set()

        forker = threading.Thread(target=fork)
        forker.start()
        assert not forked.wait(0.2)
        leave.set()
        assert forked.wait(60)
        forker.join()
    with no_fork():  # the parent goes in as before
        pass


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_who_never_comes_out_holds_up_neither_the_fork_nor_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "_PATIENCE", 0.05)
    with inside():
        assert fork_and_go_in() == 0
    assert fork_and_go_in() == 0


def test_who_is_inside_may_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "_PATIENCE", 60.0)
    with no_fork():
        assert fork_and_go_in() == 0
