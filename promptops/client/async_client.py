"""The client for asyncio: ``AsyncClient``. As ``Client``, following with tasks of the loop it was started in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from promptops.client.base_client import Answering
from promptops.client.follow.refresh import get_version
from promptops.client.follow.tasks import AsyncFollowing, wait
from promptops.client.follow.work_threads import in_thread
from promptops.client.sources.local import open_local
from promptops.client.sources.source import Origin, Place
from promptops.client.state.app_release import Served
from promptops.client.status import log
from promptops.client.sync_client import require, the_version
from promptops.core.errors import PromptopsError, PromptUnavailable

if TYPE_CHECKING:
    from promptops.client.sources.http_transport import AsyncHttpOrigin


_ELSEWHERE = 2.0
"""Seconds to wait for another loop to end what follows in it."""

_parents: list[object] = []
"""What a forked child got from its parent: closing it would take it away from the parent's loop."""


@dataclass(kw_only=True)
class _Running:
    """What follows in one event loop: the tasks of each channel, and the places that they ask."""

    loop: asyncio.AbstractEventLoop
    before: _Running | None = None
    followings: dict[str, AsyncFollowing] = field(default_factory=dict)
    origins: list[tuple[Place, AsyncHttpOrigin | Origin]] = field(default_factory=list)
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    started: bool = False
    over: bool = False

    @property
    def follows(self) -> bool:
        return bool(self.followings) and all(following.running for following in self.followings.values())

    async def end(self) -> None:
        """End it, from whatever loop. What is left of a loop that was closed nobody can end, and nothing runs there."""
        self.over = True
        if self.loop is asyncio.get_running_loop():
            await self._end()
        elif self.loop.is_running():
            ended = asyncio.run_coroutine_threadsafe(self._end(), self.loop)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(ended), _ELSEWHERE)
        else:
            for following in self.followings.values():
                with contextlib.suppress(RuntimeError):
                    self.loop.call_soon_threadsafe(following.cancel)
            self.followings = {}
            await self._end()

    async def _end(self) -> None:
        followings, self.followings = self.followings, {}
        origins, self.origins = self.origins, []
        local = [cast(Origin, origin) for place, origin in origins if not place.is_http]
        for origin in local:
            origin.interrupt()
        for following in followings.values():
            following.cancel()
        try:
            for following in followings.values():
                await following.stop()
            if self.loop is asyncio.get_running_loop():
                await asyncio.gather(*(each.say_goodbye() for each in followings.values()))
        finally:
            for origin in local:
                await in_thread(origin.close)
            for place, remote in origins:
                if place.is_http and self.loop is asyncio.get_running_loop():
                    await cast("AsyncHttpOrigin", remote).close()


class AsyncClient(Answering):
    """Follows a channel and hands out its prompts, in asyncio::

        async with AsyncClient("https://registry.internal", channel="prod") as client:
            prompt = client.get_prompt("support-bot/answer", key=user)

    :meth:`start` waits ``start_timeout`` at most for the first answer. :meth:`get_prompt` does no I/O and is a plain
    method. A forked child follows in the first loop that it is used in, or that it is started in.
    """

    def _begin(self) -> None:
        self._running: _Running | None = None
        self._orphaned = False
        self._resuming: asyncio.Task[None] | None = None

    async def start(self) -> Self:
        """Read what is on disk, begin to follow, and wait for the first answer, but not for long.

        Does nothing where this loop follows already. Started in another loop, it follows there and no more here.
        Cancelled, or with an error, it leaves nothing behind.

        Raises:
            Invalid, ExtraMissing: a place can never be opened.
        """
        if self._process != os.getpid():
            self._forked()
        loop, running = asyncio.get_running_loop(), self._running
        if running is None or running.loop is not loop or (running.started and not running.follows):
            self._running = running = _Running(loop=loop, before=running)
        async with running.starting:
            if not running.started and not running.over:
                try:
                    await self._follow(running)
                except BaseException:
                    closed = running.over
                    await running.end()
                    running.started, running.over = False, closed
                    raise
        return self

    async def _follow(self, running: _Running) -> None:
        before, running.before = running.before, None
        if before is not None:
            await before.end()
        first = []
        for name, course in self._courses.items():
            course.call_hooks_with(running.loop.call_soon_threadsafe)
            course.replica.unfollowed = ""
            if course.replica.held is None:
                await in_thread(course.begin)
            # Each channel has its own: of two that wait for one place's changes, one would be told.
            origins = {place: await self._open(place) for place in self._settings.places}
            running.origins += origins.items()
            if running.over:  # closed meanwhile
                await running.end()
                return
            running.followings[name] = AsyncFollowing(course, origins)
            first.append(running.followings[name].start())
        running.started = True
        until = time.monotonic() + self._settings.start_timeout
        for done in first:
            await wait(done, max(0.0, until - time.monotonic()))
        places = ", ".join(place.label for place in self._settings.places)
        log(logging.INFO, "started", "%s follows %s: %s", "+".join(self._replicas), places, self.state)

    async def refresh(self, seconds: float | None = None) -> bool:
        """As :meth:`Client.refresh`."""
        until = time.monotonic() + (self._settings.timeout + 1.0 if seconds is None else seconds)
        answered = [await each.refresh(max(0.0, until - time.monotonic())) for each in self._here().values()]
        return bool(answered) and all(answered)

    async def fetch(self, reference: str, *, channel: str | None = None) -> Served:
        """As :meth:`Client.fetch`."""
        replica = self._of(channel)
        wanted = the_version(reference)
        if not await in_thread(replica.keep, wanted.app, wanted.version):
            deadline = time.monotonic() + self._settings.timeout
            following = self._here().get(replica.channel)
            if following is None:
                raise PromptUnavailable(
                    "the client was not started in this event loop", hint="await client.start(), or async with."
                )
            require(await following.run(get_version(replica, wanted, deadline), deadline), wanted)
        return replica.view.release(wanted.app, version=wanted.version)

    async def close(self) -> None:
        """Stop following, in whatever loop it was started, and say goodbye to the server, for a second at most. The
        client still serves what it holds.
        """
        running, self._running = self._running, None
        self._orphaned = False
        if running is not None and self._process == os.getpid():
            for each in (running, running.before):
                if each is not None:
                    await each.end()
        log(logging.INFO, "stopped", "%s is not followed any more", "+".join(self._replicas))

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _is_running(self) -> bool:
        return self._running is not None and self._running.follows and self._process == os.getpid()

    def _here(self) -> dict[str, AsyncFollowing]:
        """What follows in this very loop: no other can ask it anything."""
        running = self._running if self._process == os.getpid() else None
        return running.followings if running and running.loop is asyncio.get_running_loop() else {}

    def _forked(self) -> None:
        """In a forked child: what belongs to the parent's loop stays as it is, and nobody here uses it."""
        self._process = os.getpid()
        _parents.append(self._running)
        self._orphaned = self._running is not None and self._running.started
        self._running = self._resuming = None
        for course in self._courses.values():
            if self._orphaned:
                course.replica.unfollowed = "this process was forked: await client.start() in its event loop"
            course.forked()

    def _go_on(self) -> None:
        self._orphaned = self._orphaned and not self._is_running()
        if not self._orphaned:
            self._mark[0] = 1
        elif self._resuming is None or self._resuming.done():
            with contextlib.suppress(RuntimeError):  # this thread has no loop
                self._resuming = asyncio.get_running_loop().create_task(self._resume(), name="promptops: resume")

    async def _resume(self) -> None:
        try:
            await self.start()
        except PromptopsError as error:
            log(logging.WARNING, "refresh-failed", "%s is not followed: %s", "+".join(self._replicas), error.message)

    async def _open(self, place: Place) -> AsyncHttpOrigin | Origin:
        if not place.is_http:
            return await in_thread(open_local, place)
        from promptops.client.sources.http_transport import AsyncHttpOrigin

        told = self._settings
        # In a thread, because the first one imports much and reads certificates.
        return await in_thread(partial(AsyncHttpOrigin, place, token=place.token, verify=told.verify, proxy=told.proxy))
