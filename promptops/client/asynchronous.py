"""The client for asyncio: ``AsyncClient``. As ``Client``, following with tasks of the loop it was started in."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from promptops.client.answering import Answering
from promptops.client.client import require, the_version
from promptops.client.origin import Origin, Place, open_local
from promptops.client.refresh import get_version
from promptops.client.served import Served
from promptops.client.status import log
from promptops.client.tasks import AsyncFollowing, in_thread, wait
from promptops.core.errors import PromptUnavailable

if TYPE_CHECKING:
    from promptops.client.sending import AsyncHttpOrigin


_parents: list[object] = []
"""What a forked child got from its parent: closing it would take it away from the parent's loop."""


class AsyncClient(Answering):
    """Follows a channel and hands out its prompts, in asyncio::

        async with AsyncClient("https://registry.internal", channel="prod") as client:
            prompt = client.get_prompt("support-bot/answer", key=user)

    :meth:`start` waits ``start_timeout`` at most for the first answer. :meth:`get_prompt` does no I/O and is a plain
    method. After a fork, :meth:`start` it again in the child's own loop.
    """

    def _begin(self) -> None:
        self._followings: dict[str, AsyncFollowing] = {}
        self._origins: list[tuple[Place, AsyncHttpOrigin | Origin]] = []
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> Self:
        """Read what is on disk, begin to follow, and wait for the first answer, but not for long.

        Raises:
            Invalid, ExtraMissing: a place can never be opened.
        """
        loop = asyncio.get_running_loop()
        if self._loop is loop and self._is_running():
            return self
        if self._process != os.getpid():
            self._forked()
        self._loop = loop
        first = []
        for name, course in self._courses.items():
            course.call_hooks_with(loop.call_soon_threadsafe)
            if course.replica.held is None:
                await in_thread(course.begin)
            # Each channel has its own: of two that wait for one place's changes, one would be told.
            origins = {place: await self._open(place) for place in self._settings.places}
            self._origins += origins.items()
            self._followings[name] = AsyncFollowing(course, self._settings.token, origins)
            first.append(self._followings[name].start())
        until = time.monotonic() + self._settings.start_timeout
        for done in first:
            await wait(done, max(0.0, until - time.monotonic()))
        places = ", ".join(place.label for place in self._settings.places)
        log(logging.INFO, "started", "%s follows %s: %s", "+".join(self._replicas), places, self.state)
        return self

    async def refresh(self, seconds: float | None = None) -> bool:
        """As :meth:`Client.refresh`."""
        until = time.monotonic() + (self._settings.timeout + 1.0 if seconds is None else seconds)
        answered = [await each.refresh(max(0.0, until - time.monotonic())) for each in self._followings.values()]
        return bool(answered) and all(answered)

    async def fetch(self, reference: str, *, channel: str | None = None) -> Served:
        """As :meth:`Client.fetch`."""
        replica = self._of(channel)
        wanted = the_version(reference)
        if replica.held is None or wanted.version not in replica.held.versions(wanted.app):
            deadline = time.monotonic() + self._settings.timeout
            following = self._followings.get(replica.channel)
            if following is None:
                raise PromptUnavailable("the client was not started", hint="await client.start(), or async with.")
            require(await following.run(get_version(replica, wanted, deadline), deadline), wanted)
        return replica.view.release(wanted.app, version=wanted.version)

    async def close(self) -> None:
        """Stop following. What is held is served on."""
        followings, self._followings = self._followings, {}
        origins, self._origins = self._origins, []
        local = [cast(Origin, origin) for place, origin in origins if not place.is_http]
        for origin in local:
            origin.interrupt()
        for following in followings.values():
            await following.stop()
        for origin in local:
            await in_thread(origin.close)
        for place, remote in origins:
            if place.is_http:
                await cast("AsyncHttpOrigin", remote).close()
        log(logging.INFO, "stopped", "%s is not followed any more", "+".join(self._replicas))

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _is_running(self) -> bool:
        running = all(following.running for following in self._followings.values())
        return bool(self._followings) and running and self._process == os.getpid()

    def _forked(self) -> None:
        """In a forked child: what belongs to the parent's loop stays as it is, and nobody here uses it."""
        self._process = os.getpid()
        _parents.append((self._loop, self._followings, self._origins))
        self._followings, self._origins = {}, []
        for course in self._courses.values():
            course.forked()

    async def _open(self, place: Place) -> AsyncHttpOrigin | Origin:
        if not place.is_http:
            return await in_thread(open_local, place)
        from promptops.client.sending import AsyncHttpOrigin

        told = self._settings
        # In a thread, because the first one imports much and reads certificates.
        return await in_thread(partial(AsyncHttpOrigin, place, token=told.token, verify=told.verify, proxy=told.proxy))
