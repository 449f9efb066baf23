"""Daemon threads for the blocking work of tasks. Each waits for more work before it ends, so a poll starts none."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, TypeAlias, TypeVar

T = TypeVar("T")

IDLE_SECONDS: Final = 30.0
"""A thread without work ends after this: longer than most clients wait between two polls."""

_Inbox: TypeAlias = "SimpleQueue[Callable[[], None]]"

_numbers = itertools.count(1)
_idle: list[_Inbox] = []
_process = os.getpid()


async def in_thread(work: Callable[..., T], *arguments: object) -> T:
    """Run something that blocks in a daemon thread. Nothing waits for it when the process ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work(*arguments)
        except BaseException as raised:  # noqa: BLE001 the caller raises it again
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(deliver, result, error)

    _inbox().put(run)
    return await future


def _inbox() -> _Inbox:
    """The inbox of an idle thread, or of a new one."""
    global _process
    if _process != os.getpid():  # a fork leaves the threads behind, and not every server's fork calls Python's hooks
        _process = os.getpid()
        _idle.clear()
    with contextlib.suppress(IndexError):
        return _idle.pop()
    inbox: _Inbox = SimpleQueue()
    threading.Thread(target=_serve, args=(inbox,), name=f"promptops: work {next(_numbers)}", daemon=True).start()
    return inbox


def _serve(inbox: _Inbox) -> None:
    while True:
        try:
            run = inbox.get(timeout=IDLE_SECONDS)
        except Empty:
            try:
                _idle.remove(inbox)
            except ValueError:  # a caller took it a moment ago, and its work comes
                run = inbox.get()
            else:
                return
        run()
        del run  # or the last work and all it refers to lives as long as the thread is idle
        _idle.append(inbox)
