"""Run the server: bind, start, say where, and end in time when told to.

With several workers this process only watches over them: it binds, forks, and forks again what died. Whoever is told to
end lets what runs finish; what has not finished in time is rolled back by the database when its connection goes.
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

from promptops.core.errors import Invalid
from promptops.server.app import Server, create_app
from promptops.server.http.protocol import protocol
from promptops.server.live.exhaustion import end_if_exhausted
from promptops.server.settings import Settings

GRACE: Final = 7
"""Seconds that requests have to finish when the server is told to end."""

_WATCHDOG = 9.5
_RESPAWN_PAUSE = 1.0
_SWITCH = 0.0005
"""Seconds that a thread may wait for the interpreter. A change asks its database dozens of times, and waits each time
where the event loop has much to do; Python's own 5 ms would make that a quarter of a second.
"""
_QUEUE = 2048
_AT_ONCE = 16
"""New connections that the system keeps for us, and of which as many are taken before other work."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_log = logging.getLogger("promptops.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server listens."""

    host: str
    port: int
    workers: int = 1


def serve(settings: Settings, place: Place, announce: Callable[[str, int], None]) -> int:
    """Serve until told to end, and return the exit code. ``announce`` is called once, when requests are answered.

    Raises:
        Invalid: nothing can listen there.
    """
    log_to_stderr()
    listening = _bind(place)
    host, port = listening.getsockname()[:2]
    if place.workers > 1:
        return _Workers(settings, place, listening).run(lambda: announce(host, port))
    return _run(settings, place, listening, lambda: announce(host, port))


def log_to_stderr() -> None:
    """Our log, and of uvicorn's only what is an error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("promptops.server", logging.INFO), ("uvicorn", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)


def _bind(place: Place) -> socket.socket:
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol_number, _, address = found[0]
        # With the number said, or asyncio takes it for no TCP and an answer in two pieces waits 40 ms for Nagle.
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
            hint="Another server may be running there: --port PORT, or --port 0 for any.",
        ) from error


def configuration(app: Server) -> uvicorn.Config:
    """How uvicorn is to run this server."""
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


def _run(settings: Settings, place: Place, listening: socket.socket, ready: Callable[[], None]) -> int:
    """One server process."""
    sys.setswitchinterval(_SWITCH)
    app = create_app(settings)
    process = _Process(configuration(app), app, ready)
    process.run(sockets=[listening])
    return 0 if process.started else 1


def _files() -> int:
    """How many files and connections this process may have open, after asking for as many as there may be."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    if soft < wanted:
        with suppress(OSError, ValueError):  # some systems have limits that they do not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class _Process(uvicorn.Server):
    """uvicorn's server, which says when it is there, and ends streams before it waits for requests to end."""

    def __init__(self, config: uvicorn.Config, app: Server, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app = app
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(_handle)
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(_QUEUE)  # asyncio takes as many at once as uvicorn's backlog, and a flood would hold the loop
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            watchdog = threading.Timer(_WATCHDOG, os._exit, [1])
            watchdog.daemon = True
            watchdog.start()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but what ended the server in good order is not raised again: its exit code is 0."""
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
    """Several server processes on one socket."""

    def __init__(self, settings: Settings, place: Place, listening: socket.socket) -> None:
        self._settings, self._place, self._listening = settings, place, listening
        self._running: set[int] = set()
        self._ending = False
        self._watched, self._alive = os.pipe()  # nobody writes: reading ends when this process does

    def run(self, announce: Callable[[], None]) -> int:
        """Keep them running until told to end; 1 where one could not even start."""
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
        """Start one, unless told to end meanwhile, and wait until it serves or is gone."""
        heard, said = os.pipe()
        # A signal that comes in between would miss the new process, or reach it as if it were this one.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        if not self._ending:
            pid = os.fork()
            if pid == 0:
                self._work(heard, said)
            self._running.add(pid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.close(said)
        with os.fdopen(heard, "rb") as pipe:
            return bool(pipe.read(1))

    def _work(self, heard: int, said: int) -> NoReturn:
        """Be a worker, in a process of its own."""
        code = 1
        try:
            for sig in _SIGNALS:
                signal.signal(sig, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(heard)
            os.close(self._alive)
            threading.Thread(target=_end_after, args=(self._watched,), daemon=True).start()
            code = _run(self._settings, self._place, self._listening, lambda: _say(said))
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
    """End this process when nobody watches over it any more: it would keep the port, and nobody could end it."""
    os.read(watched, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _say(pipe: int) -> None:
    os.write(pipe, b"!")
    os.close(pipe)
