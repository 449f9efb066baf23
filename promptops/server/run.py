"""Runs the server: binds its socket, starts, announces the address, and ends in time after SIGTERM or SIGINT.

With several workers this process only supervises them: it binds, forks, and replaces workers that died. A process that
gets a signal lets its requests finish. The database rolls back what did not finish when the connection closes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, NoReturn

import uvicorn

from promptops.core.advice import Sentence, option
from promptops.core.errors import Invalid
from promptops.server.app import Server, create_app
from promptops.server.http.log_lines import JsonLines
from promptops.server.http.protocol import protocol
from promptops.server.live.exhaustion import end_if_exhausted
from promptops.server.settings import Settings

GRACE: Final = 7
"""Seconds that requests have to finish after a signal to end: less than the 10 that Docker waits before it kills."""

# Seconds after a signal until the process ends without waiting any longer: after GRACE, and before a kill at 10 s.
_WATCHDOG = 9.5
# Seconds before a dead worker is replaced, so that workers that die at once do not keep a core busy with forks.
_RESPAWN_PAUSE = 1.0
_SWITCH = 0.0005
"""Seconds that a thread may wait for the interpreter. A change queries its database dozens of times, and after each
it waits while the event loop is busy; Python's default of 5 ms would add up to a quarter of a second.
"""
_QUEUE = 2048
_AT_ONCE = 16
"""New connections that the kernel queues (``_QUEUE``), and that the event loop accepts before other work."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
# Seconds between two renewals of the Date header, which counts whole seconds.
_TICK = 1.0
_log = logging.getLogger("promptops.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """Where a server listens."""

    host: str
    port: int
    workers: int = 1


def serve(settings: Settings, place: ListenAddress, announce: Callable[[str, int], None]) -> int:
    """Serve until a signal ends the server, and return the exit code. ``announce`` is called once, with host and port.

    Raises:
        Invalid: the address cannot be listened at.
    """
    listening = _bind(place)
    host, port = listening.getsockname()[:2]
    if place.workers > 1:
        return _Workers(settings, place, listening).run(lambda: announce(host, port))
    return _run(settings, place, listening, lambda: announce(host, port))


def log_to_stderr(form: str = "text", level: str = "info") -> None:
    """Write the log to stderr, as lines of text or one JSON object a line: promptops' own from ``level`` on, and
    uvicorn's errors only.
    """
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else plain)
    for name, least in (("promptops.server", level.upper()), ("uvicorn", "ERROR")):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(least)


def _bind(place: ListenAddress) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol_number, _, address = addresses[0]
        # asyncio sets TCP_NODELAY only on sockets with the protocol number of TCP. Without it, the second piece of an
        # answer waits 40 ms for Nagle's algorithm.
        listening = socket.socket(family, kind, protocol_number)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except BaseException:
            listening.close()
            raise
        return listening
    except (OSError, OverflowError) as error:
        raise Invalid(
            f"nothing can listen at {place.host}:{place.port}: {getattr(error, 'strerror', '') or error}",
            hint=Sentence(
                "Another server may be running there: ",
                option("port", "choose another port", value="PORT"),
                ", or ",
                option("port", "port 0", value="0"),
                " for any.",
            ),
        ) from error


def configuration(app: Server) -> uvicorn.Config:
    """Returns uvicorn's configuration for this server."""
    limits, files = app.state.settings.limits, _files()
    return uvicorn.Config(
        app,
        http=protocol(min(limits.connections, files - _AT_ONCE - 64), limits.deadline, limits.patience, app.state.pace),
        backlog=_AT_ONCE,
        ws="none",
        loop="asyncio",
        interface="asgi3",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        workers=1,
        timeout_keep_alive=limits.keep_alive,  # type: ignore[arg-type]  # seconds of any kind
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=limits.headers,
    )


def _run(settings: Settings, place: ListenAddress, listening: socket.socket, ready: Callable[[], None]) -> int:
    """One server process."""
    sys.setswitchinterval(_SWITCH)
    app = create_app(settings)
    process = _Process(configuration(app), app, ready)
    process.run(sockets=[listening])
    return 0 if process.started else 1


def _files() -> int:
    """Raise the limit of open files as far as allowed, and return it. Connections count as files."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    if soft < wanted:
        with suppress(OSError, ValueError):  # some systems refuse less than the hard limit that they report
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class _Process(uvicorn.Server):
    """uvicorn's server, which also reports that it is ready, and ends streams before it waits for requests."""

    def __init__(self, config: uvicorn.Config, app: Server, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._exit = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_handle)
        await super().startup(sockets)
        for listening in sockets or ():
            # asyncio accepts as many at once as uvicorn's backlog. Were that _QUEUE too, a flood would block the loop.
            listening.listen(_QUEUE)
        if self.started:
            self._ready()

    async def main_loop(self) -> None:
        """Like uvicorn's, which looks ten times a second whether a signal came: here the signal ends the wait."""
        while not await self.on_tick(0):  # with 0 it renews the Date header
            with suppress(TimeoutError):
                await asyncio.wait_for(self._exit.wait(), _TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            watchdog = threading.Timer(_WATCHDOG, os._exit, [1])
            watchdog.daemon = True
            watchdog.start()
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._exit.set)  # a signal handler may interrupt the event loop anywhere

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Like uvicorn's, but without raising the signal again after an orderly end: the exit code is then 0."""
        before = {sig: signal.signal(sig, self.handle_exit) for sig in _SIGNALS}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle errors outside of requests: in receiving, in accepting a connection, in a background task."""
    if isinstance(context.get("exception"), BaseException):
        end_if_exhausted(context["exception"])
    loop.default_exception_handler(context)


class _Workers:
    """Several server processes on one socket.

    uvicorn's own supervisor (``workers=``) does not know when all workers serve, so nothing could be announced. It
    starts workers without a pause that are killed while they start, and kills a worker that is too busy to answer a
    ping for five seconds. Its workers keep the port after the supervisor itself was killed.
    """

    def __init__(self, settings: Settings, place: ListenAddress, listening: socket.socket) -> None:
        self._settings, self._place, self._listening = settings, place, listening
        self._running: set[int] = set()
        self._ending = False
        # Nothing is ever written to this pipe. Its writing end closes when this process ends, even by a kill,
        # and then the workers' read of the other end returns.
        self._watched, self._alive = os.pipe()

    def run(self, announce: Callable[[], None]) -> int:
        """Keep the workers running until a signal, and return the exit code: 1 if one of them could not start."""
        for sig in _SIGNALS:
            signal.signal(sig, self._end)
        for _ in range(self._place.workers):
            if not self._ending and not self._start():
                self._end()
                self._wait()
                return 1
        announce()
        while self._running:
            self._wait_for_one()
            while not self._ending and len(self._running) < self._place.workers:
                _log.error("a worker died, another one is started")
                time.sleep(_RESPAWN_PAUSE)
                self._start()
        return 0

    def _start(self) -> bool:
        """Start a worker, unless a signal came meanwhile, and return whether it serves. Blocks meanwhile."""
        # The worker writes one byte when it serves. If it dies first, the kernel closes its end and the read is empty.
        ready_reader, ready_writer = os.pipe()
        # Signals wait from here until the pid is recorded. Otherwise one between fork and record would not be passed on
        # to the new worker, or would run this process's handler inside the worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        if not self._ending:
            pid = os.fork()
            if pid == 0:
                self._work(ready_reader, ready_writer)
            self._running.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.close(ready_writer)  # otherwise the read would not end when the worker dies
        with os.fdopen(ready_reader, "rb") as pipe:
            return bool(pipe.read(1))

    def _work(self, ready_reader: int, ready_writer: int) -> NoReturn:
        """Run a worker in the forked process."""
        code = 1
        try:
            for sig in _SIGNALS:
                signal.signal(sig, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(ready_reader)
            os.close(self._alive)  # only the supervisor may hold it open
            threading.Thread(target=_end_after, args=(self._watched,), daemon=True).start()
            code = _run(self._settings, self._place, self._listening, lambda: _report_ready(ready_writer))
        finally:
            os._exit(code)

    def _wait(self) -> None:
        while self._running:
            self._wait_for_one()

    def _wait_for_one(self) -> None:
        try:
            pid, _ = os.wait()
        except ChildProcessError:
            self._running.clear()
            return
        self._running.discard(pid)

    def _end(self, *_signal: object) -> None:
        self._ending = True
        for pid in self._running:
            with suppress(ProcessLookupError):  # it was waited for a moment ago
                os.kill(pid, signal.SIGTERM)


def _end_after(watched: int) -> None:
    """End this worker when its supervisor is gone: it would keep the port, and no signal would reach it."""
    os.read(watched, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _report_ready(pipe: int) -> None:
    os.write(pipe, b"!")
    os.close(pipe)
