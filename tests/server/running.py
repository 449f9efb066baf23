"""A server as a process of its own, and ways to talk to it that no HTTP library would allow."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from types import MappingProxyType

import psutil
import uvicorn

from promptops.config import VARIABLES
from promptops.core.model import Json
from promptops.server.app import Server
from promptops.server.run import configuration
from tests.support.checkout import ROOT
from tests.support.forked import Forked

PATIENCE = 60.0
"""Seconds for what has to happen; a machine that runs tests may be very busy."""


def until(condition: Callable[[], object], what: str = "") -> None:
    """Return as soon as it is true; fail where it never is."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"it never happened: {what or condition}"
        time.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. The names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Json]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    @property
    def code(self) -> str:
        """The code of the problem that this answer has to be."""
        assert self.headers["content-type"] == "application/problem+json", self
        document = self.json
        assert document["status"] == self.status
        return str(document["code"])


@dataclass(frozen=True)
class Talking:
    """A server to talk to."""

    port: int

    def ask(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | Json = None,
    ) -> Reply:
        """One request on a connection of its own; a body that is no bytes goes as JSON."""
        sent = dict(headers or {})
        if token:
            sent.setdefault("Authorization", f"Bearer {token}")
        data = body if isinstance(body, bytes) else None
        if body is not None and data is None:
            data = json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body=data, headers=sent)
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, token: str = "", **headers: str) -> Reply:
        """GET; headers are written with underscores."""
        return self.ask("GET", path, token=token, headers={n.replace("_", "-"): v for n, v in headers.items()})

    def connect(self) -> socket.socket:
        """A connection on which anything may be said."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def say(self, request: bytes) -> Reply:
        """Say these bytes, and read one answer. The server may close at once, without taking all of them."""
        with self.connect() as line:
            with suppress(OSError):  # it may say what it has to say before it heard everything
                line.sendall(request)
            return read_reply(line)


@dataclass(frozen=True)
class Running(Talking):
    """A server that is a process."""

    process: Forked
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def memory(self) -> int:
        """Bytes that the process holds."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text(encoding="utf-8")

    def end(self, sig: int = signal.SIGTERM) -> int:
        """Tell it to end, and return its exit code."""
        self.process.send_signal(sig)
        return self.process.wait(PATIENCE)


def read_reply(line: socket.socket, *, body: bool = True) -> Reply:
    """Read one answer from a connection; of its body as much as was said, and without a length what comes at once."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = line.recv(65536)
        assert piece, f"the connection was closed: {data!r}"
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}
    length = int(headers.get("content-length", "0")) if body else 0
    while len(rest) < length:
        piece = line.recv(65536)
        assert piece, "the body was cut"
        rest += piece
    return Reply(int(first.split(" ")[1]), headers, rest)


def environment(url: str) -> dict[str, str]:
    """What a process is started with: nothing of ours but the registry."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return kept | {"PROMPTOPS_REGISTRY": url, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}


@contextmanager
def running(
    url: str, folder: Path, *arguments: str, variables: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Running]:
    """A server for the registry of this URL at a free port; it is ended with the block, if it runs still."""
    log = folder / f"serve-{time.monotonic_ns()}.log"
    command = ["serve", "--port", "0", "--json", *arguments]
    with (
        log.open("w", encoding="utf-8") as errors,
        Forked(command, folder=folder, environment={**environment(url), **variables}, errors=errors) as process,
    ):
        try:
            first = process.stdout.readline()
            assert first, f"it did not start: {log.read_text(encoding='utf-8')}"
            yield Running(int(json.loads(first)["port"]), process, log)
        finally:
            process.stdout.close()
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(PATIENCE)
                finally:
                    process.kill()


@contextmanager
def inside(app: Server) -> Iterator[Talking]:
    """A server in a thread of this process, so that a test sees into it."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(configuration(app))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield Talking(listening.getsockname()[1])
    finally:
        app.stop()
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()
        assert not thread.is_alive()
