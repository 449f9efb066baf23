"""The client for asyncio: ``AsyncClient``. It follows with the threads of ``Client``; a loop only waits for them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from promptops.client.background import BackgroundClient, end_all, one_version
from promptops.client.follow.daemon_threads import begin
from promptops.client.follow.threads import LOADED, ChannelThreads
from promptops.client.state.app_release import ServedRelease
from promptops.client.status import log
from promptops.core.errors import PromptopsError

T = TypeVar("T")

_END = 2.0
"""Seconds that closing waits for the threads, of which one for the server to take the goodbye: as ``Client`` does."""

_UNSTARTED = "the client was not started: await client.start(), or use it with `async with`"
_ORPHANED = "this process was forked: await client.start() in its event loop"


class AsyncClient(BackgroundClient):
    """Follows a channel and hands out its prompts, in asyncio::

        async with AsyncClient("https://registry.internal", channel="prod") as client:
            prompt = client.get_prompt("support-bot/answer", key=user)

    :meth:`start` waits ``start_timeout`` at most for the first answer. :meth:`get_prompt` does no I/O and is a plain
    method. Hooks are called in the loop that the client was started in last. A forked child follows from the first use
    in a loop of its own, or from its own :meth:`start`.
    """

    def _begin(self) -> None:
        super()._begin()
        self._follows = False
        self._renew()
        for replica in self._replicas.values():
            replica.contact.set_unfollowed(_UNSTARTED)

    def _renew(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = asyncio.Lock()  # of several tasks, one starts and the others wait for it
        self._launching = threading.Lock()  # the same for several loops
        self._closed = threading.Event()  # set by close(), and made anew
        self._orphaned = False
        self._busy = False

    async def start(self) -> Self:
        """Read what is on disk, begin to follow, and wait for the first answer, but not for long.

        Does nothing but to move the hooks to this loop if the client follows already. Cancelled, or with an error, it
        leaves nothing behind.

        Raises:
            Invalid, ExtraMissing: a place can never be opened.
        """
        self._enter()
        closed, failed = self._closed, threading.Event()
        async with self._starting:
            if not self._is_running() and not closed.is_set():
                try:
                    await self._follow(lambda: closed.is_set() or failed.is_set())
                except BaseException:
                    failed.set()
                    await _in_thread(partial(end_all, tuple(self._channel_threads.values()), _END))
                    raise
        return self

    def _enter(self) -> None:
        """Use the client in this loop from now on."""
        if self._process != os.getpid():
            self._forked()
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # A lock of asyncio belongs to the first loop in which a task waits for it.
            self._loop, self._starting = loop, asyncio.Lock()
            for follower in self._followers.values():
                follower.announcer.call_hooks_with(partial(_call_in, loop))

    async def _follow(self, is_over: Callable[[], bool]) -> None:
        loop, first = asyncio.get_running_loop(), list[asyncio.Event]()

        def next_first() -> Callable[[], object]:
            first.append(done := asyncio.Event())
            return partial(_call_in, loop, done.set)

        await _in_thread(partial(self._launch, next_first, is_over))
        until = time.monotonic() + self._settings.start_timeout
        for done in first:
            await _wait(done, until)
        if not is_over():
            self._log_started()

    def _launch(self, first: Callable[[], Callable[[], object]], is_over: Callable[[], bool]) -> None:
        """Start to follow, in a thread that may wait for disks and for the import of what a place needs."""
        with self._launching:
            if self._is_running() or is_over():
                return
            try:
                self._start_following(first)
            except BaseException:
                end_all(self._channel_threads.values(), 0.0)
                raise
            self._follows, self._orphaned = True, False
            self._take_turns()
            if is_over():  # close() came meanwhile, and may have found nothing to end yet
                end_all(self._channel_threads.values(), _END)

    async def refresh(self, seconds: float | None = None) -> bool:
        """As :meth:`Client.refresh`."""
        if not self._mark[0]:
            self._notice()
        until = time.monotonic() + (self._settings.timeout + 1.0 if seconds is None else seconds)
        answered = [await self._ask(name, threads, until) for name, threads in self._channel_threads.items()]
        return bool(answered) and all(answered)

    async def _ask(self, channel: str, threads: ChannelThreads, until: float) -> bool:
        if threads.is_inline:
            return await _in_thread(partial(threads.refresh, max(0.0, until - time.monotonic())))
        if not threads.running:
            return False
        replica, done = self._replicas[channel], asyncio.Event()
        threads.request(partial(_call_in, asyncio.get_running_loop(), done.set))
        answered = await _wait(done, until)
        while replica.coming.is_claimed and time.monotonic() < until:
            await asyncio.sleep(LOADED)  # an event brought it, and the caller wants it
        return answered and not replica.contact.failing

    async def fetch(self, reference: str, *, channel: str | None = None) -> ServedRelease:
        """As :meth:`Client.fetch`."""
        replica = self._of(channel)
        return await _in_thread(partial(self._fetch, one_version(reference), replica.channel))

    async def close(self, seconds: float = _END) -> None:
        """As :meth:`Client.close`, in a thread, and in every loop."""
        if self._process != os.getpid():
            self._forked()
        closed, self._closed = self._closed, threading.Event()
        closed.set()
        self._follows = self._orphaned = False
        await _in_thread(partial(self._end, seconds))

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # --- another process --------------------------------------------------------------------------

    def _forked(self) -> None:
        """In a forked child: leave threads, connections and the loop to the parent, and wait for a loop of its own."""
        self._process = os.getpid()
        for threads in self._channel_threads.values():
            threads.abandon()
        self._renew()
        self._orphaned = self._follows
        for follower in self._followers.values():
            follower.announcer.call_hooks_with(_call_nowhere)
            if self._orphaned:
                follower.replica.contact.set_unfollowed(_ORPHANED)
            follower.forked()

    def _follow_forked(self) -> None:
        self._forked()

    def _go_on(self) -> None:
        if self._orphaned:
            with contextlib.suppress(RuntimeError):  # no loop runs in this thread
                self._enter()
                self._do(self._resume)
            return
        self._mark[0] = not any(threads.is_inline for threads in self._channel_threads.values())
        if not self._mark[0]:
            self._do(self._take_turns)

    def _do(self, work: Callable[[], None]) -> None:
        """Do something in a thread, unless one is at it."""
        if self._busy:
            return
        self._busy = True

        def run() -> None:
            try:
                work()
            finally:
                self._busy = False

        begin(run, "resume")

    def _take_turns(self) -> None:
        """Take the turns that are due, in a process where no threads follow."""
        taken = [threads.take_turn(self._settings.start_timeout) for threads in self._channel_threads.values()]
        self._mark[0] = not any(taken)

    def _resume(self) -> None:
        try:
            self._launch(lambda: _call_nowhere, self._closed.is_set)
        except PromptopsError as error:
            log(logging.WARNING, "refresh-failed", "%s is not followed: %s", "+".join(self._replicas), error.message)


async def _in_thread(work: Callable[[], T]) -> T:
    """Run something that blocks in a daemon thread. Nothing waits for it when the process ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: BaseException | None) -> None:
        if future.done():  # the task that waited was cancelled
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 the task raises it again
            error = raised
        _call_in(loop, deliver, result, error)

    begin(run, "call")
    return await future


async def _wait(event: asyncio.Event, until: float) -> bool:
    """Wait for an event up to a moment of the monotonic clock; False if it did not come."""
    try:
        async with asyncio.timeout(max(0.0, until - time.monotonic())):
            return await event.wait()
    except TimeoutError:
        return False


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *arguments: object) -> None:
    """Have something called in a loop, from any thread; not at all if the loop has ended."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *arguments)


def _call_nowhere(*_: object) -> None:
    """Takes the place of a loop until a forked child has one."""
