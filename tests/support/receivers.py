"""Receivers of notifications for tests: one in memory with a script, and one that answers HTTP on this machine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from promptops.operations.notify import apply_receivers
from promptops.operations.sending import Sender
from promptops.operations.webhook import Answer, Post
from promptops.store import Registry
from tests.support.factory import ACTOR, NAME, START

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()
URL = "https://hooks.example.com/promptops"


def declare(registry: Registry, *, now: datetime = START, **receivers: Mapping[str, object]) -> None:
    """Make these the receivers of the registry."""
    apply_receivers(registry, NAME, receivers, actor=ACTOR, now=now)


@dataclass
class Clock:
    """A clock that a test moves."""

    at: datetime = START

    def __call__(self) -> datetime:
        return self.at

    def move(self, **time: float) -> None:
        self.at += timedelta(**time)


@dataclass
class Memory:
    """Takes what is sent. ``says`` is what it answers to a notification; what it refused was not taken."""

    says: Callable[[Post], Answer] = lambda post: Answer(status=200)
    taken: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    def __call__(self, post: Post) -> Answer:
        id, body = post.headers["webhook-id"], json.loads(post.body)
        self.tried.append(id)
        answer = self.says(post)
        if not answer.error:
            self.taken.append((id, body))
        return answer

    @property
    def kinds(self) -> list[str]:
        return [body["type"] for _, body in self.taken]


def fails(post: Post) -> Answer:
    return Answer(status=503, error="hooks.example.com answered with status 503")


def sender(
    registry: Registry,
    memory: Callable[[Post], Answer],
    clock: Callable[[], datetime],
    *,
    holder: str = "one",
    names: Mapping[str, str] = {"ops": URL, "team": URL},
) -> Sender:
    """A sender that knows the secrets of these receivers."""
    secrets = dict.fromkeys(names.items(), (SECRET,))
    return Sender(registry, secrets=lambda: secrets, now=clock, holder=holder, send=memory)


def verify(headers: Mapping[str, str], body: bytes, key: bytes = KEY) -> bool:
    """The signature of a notification, as Standard Webhooks 1.0.0 has it, written again from its text."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return wanted in headers["webhook-signature"].split(" ")


@dataclass
class Listening:
    """A receiver that listens on this machine, and what it got."""

    url: str
    got: list[tuple[Mapping[str, str], bytes]]
    came: threading.Event

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


@contextmanager
def listening(status: Callable[[int], int] = lambda count: 200, headers: Mapping[str, str] = {}) -> Iterator[Listening]:
    """A receiver on the loopback; ``status`` is what it answers to its nth notification, from 1."""
    got: list[tuple[Mapping[str, str], bytes]] = []
    came = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status(len(got)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()
            came.set()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is printed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Listening(url=f"http://127.0.0.1:{server.server_address[1]}/hook", got=got, came=came)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
