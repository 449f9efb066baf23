"""Following a channel with tasks of an event loop: one takes turns, one listens.

Proving and compiling what arrives, the disk, and places that are no web servers are left to threads, so the loop
never waits for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, TypeVar, cast

from promptops.client.follow.follower import Course
from promptops.client.follow.heartbeats import GOODBYE, tell
from promptops.client.follow.loader_threads import LOADERS, LOOK
from promptops.client.follow.loading import has_work
from promptops.client.follow.refresh import Asking, Refreshed, advance, hear, load
from promptops.client.follow.schedule import asked_wait, wait_after
from promptops.client.follow.threads import GRACE, LISTEN, LIVED
from promptops.client.follow.work_threads import in_thread
from promptops.client.sources.http_messages import SILENCE, stream_request
from promptops.client.sources.source import TIMEOUT, Answer, Ask, Failed, Lost, Origin, Place
from promptops.client.sources.sse import EventReader
from promptops.client.status import LOG, log
from promptops.core.errors import Invalid

if TYPE_CHECKING:
    from promptops.client.sources.http_transport import AsyncHttpOrigin

T = TypeVar("T")


class AsyncFollowing:
    """The tasks of one channel of one client."""

    def __init__(self, course: Course, origins: Mapping[Place, AsyncHttpOrigin | Origin]) -> None:
        self._course = course
        self._replica = course.replica
        self._origins = origins
        self._wake = asyncio.Event()
        self._reached = asyncio.Event()
        self._waiting: list[asyncio.Event] = []
        self._last_id = ""
        self._demanded = asyncio.Event()
        self._loaders: set[asyncio.Task[None]] = set()
        self._left: set[asyncio.Task[Refreshed]] = set()
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def running(self) -> bool:
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    def start(self) -> asyncio.Event:
        """Begin to follow. What is answered is set when the first refresh is over."""
        self._waiting.append(first := asyncio.Event())
        name = f"promptops {self._replica.channel}"
        self._tasks = (
            asyncio.create_task(self._follow(), name=f"{name}: follow"),
            asyncio.create_task(self._listen(), name=f"{name}: listen"),
        )
        return first

    async def refresh(self, seconds: float) -> bool:
        """Ask now, and wait up to so long for the answer; True where there was one that is followed."""
        until = time.monotonic() + seconds
        self._waiting.append(done := asyncio.Event())
        self._wake.set()
        answered = await wait(done, seconds)
        while self._replica.is_loading and time.monotonic() < until:
            await asyncio.sleep(LOOK)  # an event brought it, and the caller wants it
        return answered and not self._replica.failing

    async def run(self, asking: Asking, deadline: float) -> Refreshed:
        """Drive to the end, but give up at the deadline."""
        try:
            async with asyncio.timeout(deadline - time.monotonic() + GRACE):
                return await self._drive(asking)
        except TimeoutError:
            # What was given up may hold the replica's lock while it compiles: the loop does not wait for that.
            await in_thread(self._replica.failed, TIMEOUT.message)
            return Refreshed(trouble=TIMEOUT)

    async def say_goodbye(self) -> None:
        """Tell the server that this process leaves, if it knows of it."""
        asking = self._course.goodbye(time.monotonic() + GOODBYE)
        if asking is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await self._drive(asking)

    def cancel(self) -> None:
        """Ask the tasks to end."""
        for task in self._every():
            task.cancel()

    async def stop(self) -> None:
        """End the tasks."""
        self.cancel()
        await asyncio.gather(*self._every(), return_exceptions=True)
        for done in self._waiting:
            done.set()
        self._replica.streaming = False

    def _every(self) -> tuple[asyncio.Task[None] | asyncio.Task[Refreshed], ...]:
        return (*self._tasks, *self._loaders, *self._left)

    async def _drive(self, asking: Asking) -> Refreshed:
        step = await in_thread(advance, asking, None)
        while isinstance(step, Ask):
            step = await in_thread(advance, asking, await self._answer(step))
        return step

    async def _answer(self, ask: Ask) -> Answer | Failed:
        origin = self._origins[ask.place]
        if ask.place.is_http:
            return await cast("AsyncHttpOrigin", origin).answer(ask.what, ask.deadline)
        return await in_thread(cast(Origin, origin).answer, ask.what, ask.deadline)

    def _demand(self) -> None:
        """Have a refresh begin from now on: one that is on its way may have been answered already."""
        self._demanded.set()
        self._wake.set()

    # --- the task that takes turns ----------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception:  # noqa: BLE001 whatever it is, this task goes on: nothing would ever change again
                LOG.exception("a turn failed", extra={"event": "refresh-failed"})
                self._replica.schedule.failed(time.monotonic())
            await wait(self._wake, self._course.pause())
            self._wake.clear()

    async def _turn(self) -> None:
        timeout = self._replica.settings.timeout
        if (beat := self._course.beat()) and (place := self._replica.place):
            until = time.monotonic() + timeout
            await self.run(tell(self._replica, place, beat, until), until)
        waiting, self._waiting = self._waiting, []
        if waiting or self._demanded.is_set():
            self._demanded.clear()
            self._replica.schedule.at_once(time.monotonic())
        try:
            if asking := self._course.poll(deadline := time.monotonic() + timeout):
                refreshed = await self._unless_demanded(self.run(asking, deadline))
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
        if place := self._replica.place:
            self._load(place)
        await in_thread(self._course.tend)

    async def _unless_demanded(self, work: Coroutine[None, None, Refreshed]) -> Refreshed | None:
        """The result of a refresh; None if it is left to end by itself."""
        task = asyncio.create_task(work)
        self._left.add(task)
        task.add_done_callback(self._left.discard)
        demanded = asyncio.create_task(self._demanded.wait())
        try:
            await asyncio.wait({task, demanded}, return_when=asyncio.FIRST_COMPLETED)
            while not task.done() and not self._replica.is_loading:
                await asyncio.wait({task}, timeout=LOOK)
            return task.result() if task.done() else None
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            demanded.cancel()

    def _load(self, place: Place) -> None:
        """Start loading the releases that are coming, without waiting for them here."""
        if has_work(self._replica) and len(self._loaders) < LOADERS:
            task = asyncio.create_task(self._loaded(place))
            self._loaders.add(task)
            task.add_done_callback(self._loaders.discard)

    async def _loaded(self, place: Place) -> None:
        deadline = time.monotonic() + self._replica.settings.timeout
        refreshed = await self._drive(load(self._replica, place, deadline))
        self._course.tell_changes()
        self._demand() if refreshed.late else self._wake.set()

    # --- the task that listens --------------------------------------------------------------------

    async def _listen(self) -> None:
        dice, failures = self._replica.world.dice, 0
        while True:
            place = self._replica.place
            try:
                if place is None or (place.is_http and not self._replica.is_api(place)):
                    await self._reached.wait()
                elif place.is_http:
                    began = time.monotonic()
                    retry, told = await self._stream(place)
                    failures = 1 if time.monotonic() - began >= LIVED else failures + 1
                    self._reached.clear()
                    await self._hold_off(place, told)
                    # A poll that is answered meanwhile says that the server is back.
                    await wait(self._reached, retry * dice() + wait_after(failures, dice))
                else:
                    if await in_thread(cast(Origin, self._origins[place]).changes, LISTEN):
                        self._demand()
                    continue
            except Exception:  # noqa: BLE001 as above
                LOG.exception("listening failed", extra={"event": "stream-lost"})
                await asyncio.sleep(1.0)
            self._reached.clear()

    async def _hold_off(self, place: Place, seconds: float) -> None:
        """Leave a place alone that said how long, unless another one is followed meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._replica.place == place:
            await wait(self._reached, until - time.monotonic())
            self._reached.clear()

    async def _stream(self, place: Place) -> tuple[float, float]:
        """Follow a stream to its end; answers the seconds that it said to wait, and those that its refusal said."""
        replica = self._replica
        request = stream_request(place, replica.channel, replica.settings.apps, self._last_id, place.token)
        reader, message, told = EventReader(), "it ended", 0.0
        origin = cast("AsyncHttpOrigin", self._origins[place])
        try:
            async with origin.listen(request, replica.settings.timeout) as pieces:
                replica.streaming = True
                log(logging.INFO, "stream-opened", "%s: changes come as they happen", place.label)
                heard, lines = time.monotonic(), 0
                async for piece in pieces:
                    await self._take(place, reader, piece)
                    heard, lines = (time.monotonic(), reader.lines) if reader.lines != lines else (heard, lines)
                    if time.monotonic() - heard > SILENCE:
                        break
        except Lost as lost:
            message, told = lost.failed.message, asked_wait(lost.failed.retry_after or 0.0, replica.world.dice)
        except Invalid as error:
            message = error.message
        except asyncio.CancelledError:
            replica.streaming = False
            raise
        if replica.streaming:
            replica.streaming = False
            log(logging.INFO, "stream-lost", "%s: %s", place.label, message)
        return min(reader.retry or 0.0, 60.0), told

    async def _take(self, place: Place, reader: EventReader, piece: bytes) -> None:
        for event in reader.feed(piece):
            if event.name != "change":
                continue
            heard = await in_thread(hear, self._replica, place, event.data)
            if heard.trouble is None:
                self._last_id = event.id
                self._load(place)
                self._course.tell_changes()
                self._wake.set()
            else:
                self._course.say_trouble(heard)
                self._demand()


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event up to so long; False where it did not come."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
