"""A provider on this machine for tests: real HTTP, and each test says what is answered."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

Body = Mapping[str, Any]

MODEL = "local/echo-2026-01-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the server does: after ``delay`` seconds, a status and a body, of which it sends ``only`` so many bytes.

    With a ``drip`` it sends a byte every so many seconds.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    only: int | None = None
    drip: float = 0.0


def said(
    text: str, *, model: str = MODEL.partition("/")[2], finish: str = "stop", fingerprint: str = "", **message: object
) -> Reply:
    """A good answer of chat completions."""
    document = {
        "object": "chat.completion",
        "model": model,
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **message}}
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3},
        **({"system_fingerprint": fingerprint} if fingerprint else {}),
    }
    return Reply(body=json.dumps(document).encode())


def spoken(body: Body) -> str:
    """The last message of a request."""
    return str(body["messages"][-1]["content"])


@dataclass(slots=True)
class ModelServer:
    """A running server: its address, and what it was asked, in order."""

    url: str
    asked: list[Body] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def times(self, body: Body) -> int:
        """How often these bytes were asked so far."""
        return sum(other == body for other in self.asked)


Answering = Callable[[Body, int], Reply]
"""From a request, and how often it came, this time included, to what is answered."""


@contextmanager
def model_server(answering: Answering = lambda body, times: said(f"echo {spoken(body)}")) -> Iterator[ModelServer]:
    """A server for as long as the block runs."""
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or a body waits 40 ms for the word that its headers arrived

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                running.asked.append(body)
                running.headers.append({name.lower(): value for name, value in self.headers.items()})
                running.paths.append(self.path)
                times = running.times(body)
            self._send(answering(body, times))

        def _send(self, reply: Reply) -> None:
            time.sleep(reply.delay)
            try:
                self.send_response(reply.status)
                for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in [reply.body[i : i + 1] for i in range(len(reply.body))] if reply.drip else ():
                    self.wfile.write(piece)
                    self.wfile.flush()
                    time.sleep(reply.drip)
                if not reply.drip:
                    self.wfile.write(reply.body[: reply.only])
                    self.wfile.flush()
            except OSError:
                self.close_connection = True
            if reply.only is not None:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: object) -> None:
            """Prints nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running = ModelServer(url=f"http://127.0.0.1:{server.server_port}/v1")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
